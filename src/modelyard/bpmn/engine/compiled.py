"""A process made ready to run: targets of flows, conditions, boundary events and event sub-processes by node. Instances share
it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from modelyard.bpmn.engine.expressions import Feel
from modelyard.bpmn.errors import InvalidProcess
from modelyard.bpmn.model import (
    Activity,
    Definitions,
    Event,
    EventDefinition,
    EventPosition,
    Flow,
    Gateway,
    GatewayKind,
    Loop,
    MultiInstance,
    Node,
    Process,
    Scope,
    StandardLoop,
    SubProcess,
    Task,
    TaskKind,
    TimerKind,
    Trigger,
)

CAUGHT = (Trigger.ERROR, Trigger.ESCALATION, Trigger.CANCEL, Trigger.COMPENSATION)
"""Triggers that are found by going outward from where they arise; the others are waited for."""


@dataclass(slots=True, eq=False)
class Target:
    """Where a flow leads, and on which condition."""

    flow: str
    node: NodeCode
    condition: Feel | None


@dataclass(slots=True, eq=False)
class DefinitionCode:
    """An event definition. `expression` is its FEEL (or ISO text, for a timer), `key` that of a message's correlation."""

    trigger: Trigger
    name: str | None
    timer: TimerKind | None
    text: str | None
    expression: Feel | None
    key: Feel | None
    activity: str | None


@dataclass(slots=True, eq=False)
class LoopCode:
    """A loop's expressions; of a standard loop, `condition` is whether to go on."""

    sequential: bool
    multiple: bool
    before: bool = False
    maximum: int | None = None
    condition: Feel | None = None
    cardinality: Feel | None = None
    collection: Feel | None = None
    item: str | None = None
    output: str | None = None
    output_item: Feel | None = None


@dataclass(slots=True, eq=False)
class NodeCode:
    """A node. `waited` are its boundary events that wait for something from outside, `caught` those that catch what arises
    inside; `handler` is the activity that compensates it; `start` the start event of an event sub-process."""

    id: str
    node: Node
    scope: ScopeCode
    incoming: tuple[str, ...] = ()
    targets: list[Target] = field(default_factory=list)
    default: Target | None = None
    conditional: bool = False
    definitions: tuple[DefinitionCode, ...] = ()
    waited: list[NodeCode] = field(default_factory=list)
    caught: list[NodeCode] = field(default_factory=list)
    handler: NodeCode | None = None
    body: ScopeCode | None = None
    start: NodeCode | None = None
    link: NodeCode | None = None
    loop: LoopCode | None = None
    script: Feel | None = None
    inputs: tuple[tuple[str, Feel], ...] = ()
    outputs: tuple[tuple[str, Feel], ...] = ()
    reach: dict[str, int] | None = None

    @property
    def interrupting(self) -> bool:
        """Whether the event interrupts; what catches an error or a cancellation always does."""
        always = any(definition.trigger in (Trigger.ERROR, Trigger.CANCEL) for definition in self.definitions)
        return always or (isinstance(self.node, Event) and self.node.interrupting)

    def reaches(self) -> dict[str, int]:
        """For a gateway that joins: which of its incoming flows (as bits) a token at a node can still come to, without passing
        the gateway itself. Boundary events are ways out of their activities."""
        if self.reach is None:
            self.reach = _reaches(self)
        return self.reach


@dataclass(slots=True, eq=False)
class ScopeCode:
    """The body of a process or sub-process. `starts` are the nodes where it begins when nothing else is said."""

    element: str
    data: tuple[tuple[str, Feel | None], ...] = ()
    nodes: dict[str, NodeCode] = field(default_factory=dict)
    starts: list[NodeCode] = field(default_factory=list)
    events: list[NodeCode] = field(default_factory=list)
    """Event sub-processes that wait for something from outside."""
    catching: list[NodeCode] = field(default_factory=list)
    """Event sub-processes that catch errors and escalations that arise inside."""
    undoing: NodeCode | None = None
    """The event sub-process that compensates."""


@dataclass(frozen=True, slots=True)
class Start:
    """How an instance can begin: give `element`, or the `name` of a message or signal, as `Started.start`. `key` and `expression`
    are FEEL over what is known outside; a timer is the caller's to keep."""

    element: str
    trigger: Trigger
    name: str | None = None
    key: str | None = None
    timer: TimerKind | None = None
    expression: str | None = None


class CompiledProcess:
    """What `step` runs. `starts` are the ways to begin. Immutable for callers; threads may share it."""

    def __init__(self, definitions: Definitions, process: Process) -> None:
        self.process, self.digest = process, definitions.digest
        self.nodes: dict[str, NodeCode] = {}
        self._problems: list[InvalidProcess] = []
        self._file = definitions.file
        self.body = self._scope(process.id, process.body)
        self.starts = tuple(self._starts())
        self.conditions = any(
            definition.trigger is Trigger.CONDITIONAL for node in self.nodes.values() for definition in node.definitions
        )
        if self._problems:
            error = InvalidProcess(
                f"the process {process.id!r} cannot be executed: {'; '.join(map(str, self._problems))}", file=definitions.file
            )
            error.problems = tuple(self._problems)
            raise error

    def _problem(self, node: Node | Flow, detail: str) -> None:
        self._problems.append(InvalidProcess(detail, file=self._file, element=node.id, line=node.line))

    def _scope(self, element: str, body: Scope) -> ScopeCode:
        code = ScopeCode(
            element, tuple((data.name or data.id, feel(data.initial, f"data object {data.id}")) for data in body.data)
        )
        for node in body.nodes.values():
            if node.id in self.nodes:
                self._problem(node, "another element has the same id")
            code.nodes[node.id] = self.nodes[node.id] = self._node(node, code)
        for flow in body.flows.values():
            self._flow(flow, code)
        for node_code in code.nodes.values():
            self._connect(node_code)
        self._compensate(body, code)
        self._begin(code)
        return code

    def _node(self, node: Node, scope: ScopeCode) -> NodeCode:
        code = NodeCode(node.id, node, scope)
        if isinstance(node, Gateway) and node.kind is GatewayKind.COMPLEX:
            self._problem(node, "complex gateways are not executed")
        if isinstance(node, Event):
            code.definitions = tuple(_definition(each, node) for each in node.definitions)
        if isinstance(node, Activity):
            code.inputs = tuple((each.target, Feel(each.expression, f"input {each.target} of {node.id}")) for each in node.inputs)
            code.outputs = tuple(
                (each.target, Feel(each.expression, f"output {each.target} of {node.id}")) for each in node.outputs
            )
            code.loop = _loop(node.loop, node.id)
        if isinstance(node, Task):
            code.script = feel(node.script, f"script of {node.id}")
            code.definitions = (_definition(node.event, node),) if node.event is not None else ()
        if isinstance(node, SubProcess):
            if node.ad_hoc:
                self._problem(node, "ad-hoc sub-processes are not executed")
            code.body = self._scope(node.id, node.body)
        return code

    def _flow(self, flow: Flow, scope: ScopeCode) -> None:
        source, target = scope.nodes.get(flow.source), scope.nodes.get(flow.target)
        if source is None or target is None:
            self._problem(flow, f"the flow leads from {flow.source!r} to {flow.target!r}, of which one is not in its scope")
            return
        made = Target(flow.id, target, feel(flow.condition, f"condition of flow {flow.id}"))
        source.targets.append(made)
        target.incoming = (*target.incoming, flow.id)
        if getattr(source.node, "default", None) == flow.id:
            source.default = made
        elif made.condition is not None:
            source.conditional = True

    def _connect(self, code: NodeCode) -> None:
        node = code.node
        default = getattr(node, "default", None)
        if default is not None and code.default is None:
            self._problem(node, f"its default flow {default!r} does not leave it")
        if code.body is not None and isinstance(node, SubProcess) and node.event:
            self._event_body(code)
        if isinstance(node, Event) and node.position is EventPosition.BOUNDARY:
            self._attach(code, node)
        if isinstance(node, Event) and node.position is EventPosition.THROW:
            self._link(code)
        if isinstance(node, Gateway) and node.kind is GatewayKind.EVENT_BASED:
            self._events(code)
        if isinstance(node, Event) and node.position in _TRIGGERS:
            for definition in code.definitions:
                if definition.trigger not in _TRIGGERS[node.position]:
                    self._problem(node, f"an {node.position.value} cannot have the trigger {definition.trigger.value!r}")

    def _events(self, code: NodeCode) -> None:
        """What follows an event-based gateway (10.6.6)."""
        nodes = [target.node for target in code.targets]
        if not nodes or not all(_catches(each) for each in nodes):
            self._problem(code.node, "an event-based gateway leads to events that wait and to receive tasks, and to nothing else")

    def _attach(self, code: NodeCode, event: Event) -> None:
        host = code.scope.nodes.get(event.attached_to or "")
        if host is None or not isinstance(host.node, Activity):
            self._problem(event, f"it is attached to {event.attached_to!r}, which is no activity of its scope")
        elif any(definition.trigger in CAUGHT for definition in code.definitions):
            host.caught.append(code)
        else:
            host.waited.append(code)

    def _link(self, code: NodeCode) -> None:
        for definition in code.definitions:
            if definition.trigger is Trigger.LINK:
                code.link = next(filter(lambda each: _catches_link(each, definition.name), code.scope.nodes.values()), None)
                if code.link is None:
                    self._problem(code.node, f"there is no link {definition.name!r} to go on at")

    def _event_body(self, code: NodeCode) -> None:
        body = code.body
        starts = [] if body is None else [each for each in body.nodes.values() if is_start(each.node) and each.definitions]
        if len(starts) != 1:
            self._problem(code.node, "an event sub-process has one start event that says what starts it")
            return
        code.start = starts[0]
        trigger = code.start.definitions[0].trigger
        if trigger is Trigger.COMPENSATION:
            code.scope.undoing = code
        elif trigger in CAUGHT:
            code.scope.catching.append(code)
        else:
            code.scope.events.append(code)

    def _compensate(self, body: Scope, scope: ScopeCode) -> None:
        for event_id, handler_id in body.compensations:
            event, handler = body.nodes.get(event_id), scope.nodes.get(handler_id)
            host = scope.nodes.get(event.attached_to or "") if isinstance(event, Event) else None
            if host is None or handler is None:
                known = event or next(iter(body.nodes.values()))
                self._problem(known, f"the compensation by {handler_id!r} names what is not in its scope")
            else:
                host.handler = handler

    def _begin(self, scope: ScopeCode) -> None:
        starts = [each for each in scope.nodes.values() if is_start(each.node)]
        plain = [each for each in starts if not each.definitions]
        scope.starts = plain if starts else [each for each in scope.nodes.values() if _begins(each)]

    def _starts(self) -> Iterator[Start]:
        for code in self.body.nodes.values():
            node = code.node
            if is_start(node):
                yield from _ways(code)
            elif isinstance(node, Gateway) and node.instantiate and not code.incoming:
                for target in code.targets:
                    yield from _ways(target.node)


def compile_process(definitions: Definitions, process_id: str | None = None) -> CompiledProcess:
    """Make a process of the file ready to run; without an id, its only one. Raises InvalidProcess, with all `problems`."""
    found = [each for each in definitions.processes if process_id in (None, each.id)]
    if len(found) != 1:
        what = f"no process {process_id!r}" if process_id is not None else f"{len(found)} processes: say which"
        raise InvalidProcess(f"there is {what}" if process_id else f"there are {what}", file=definitions.file)
    return CompiledProcess(definitions, found[0])


_WAITED = frozenset({Trigger.MESSAGE, Trigger.SIGNAL, Trigger.TIMER, Trigger.CONDITIONAL})
_TRIGGERS: dict[EventPosition, frozenset[Trigger]] = {
    EventPosition.CATCH: _WAITED | {Trigger.LINK},
    EventPosition.BOUNDARY: _WAITED | {*CAUGHT},
    EventPosition.START: _WAITED | {Trigger.ERROR, Trigger.ESCALATION, Trigger.COMPENSATION},
}
"""What events can have that wait (table 10.93)."""


def _catches(code: NodeCode) -> bool:
    """Whether a node waits for something from outside."""
    node = code.node
    waits = isinstance(node, Event) and node.position is EventPosition.CATCH
    waits = waits or (isinstance(node, Task) and node.kind is TaskKind.RECEIVE)
    return waits and bool(code.definitions) and all(each.trigger in _WAITED for each in code.definitions)


def feel(text: str | None, place: str) -> Feel | None:
    return None if text is None or not text.strip() else Feel(text, place)


def is_start(node: Node) -> bool:
    return isinstance(node, Event) and node.position is EventPosition.START


def _definition(of: EventDefinition, node: Node) -> DefinitionCode:
    expression, key = feel(of.expression, f"{of.trigger.value} of {node.id}"), feel(of.correlation, f"correlation of {node.id}")
    return DefinitionCode(of.trigger, of.name, of.timer, of.expression, expression, key, of.activity)


def _loop(of: Loop | None, id_: str) -> LoopCode | None:
    if isinstance(of, StandardLoop):
        condition = feel(of.condition, f"loop condition of {id_}")
        return LoopCode(True, False, of.test_before, of.maximum, condition)
    if isinstance(of, MultiInstance):
        return LoopCode(
            sequential=of.sequential,
            multiple=True,
            condition=feel(of.completion, f"completion condition of {id_}"),
            cardinality=feel(of.cardinality, f"cardinality of {id_}"),
            collection=feel(of.collection, f"collection of {id_}"),
            item=of.item,
            output=of.output,
            output_item=feel(of.output_item, f"output element of {id_}"),
        )
    return None


def _catches_link(code: NodeCode, name: str | None) -> bool:
    node = code.node
    if not isinstance(node, Event) or node.position is not EventPosition.CATCH:
        return False
    return any(each.trigger is Trigger.LINK and each.name == name for each in code.definitions)


def _begins(code: NodeCode) -> bool:
    """Whether a node of a scope without start events gets a token when the scope begins (10.5.2)."""
    node = code.node
    if code.incoming or (isinstance(node, SubProcess) and node.event) or (isinstance(node, Activity) and node.compensates):
        return False
    return not isinstance(node, Event) or (node.position is not EventPosition.BOUNDARY and not _is_link(code))


def _is_link(code: NodeCode) -> bool:
    return any(each.trigger is Trigger.LINK for each in code.definitions)


def _ways(code: NodeCode) -> Iterator[Start]:
    if not code.definitions:
        yield Start(code.id, Trigger.NONE)
    for each in code.definitions:
        key = each.key.text if each.key else None
        yield Start(code.id, each.trigger, each.name, key, each.timer, each.text)


def _reaches(gateway: NodeCode) -> dict[str, int]:
    before: dict[str, list[str]] = {}
    bits = {flow: 1 << index for index, flow in enumerate(gateway.incoming)}
    found: dict[str, int] = {}
    waiting: list[tuple[str, int]] = []
    for code in gateway.scope.nodes.values():
        for target in code.targets:
            if target.node is gateway:
                waiting.append((code.id, bits[target.flow]))
            else:
                before.setdefault(target.node.id, []).append(code.id)
        for event in (*code.waited, *code.caught):
            before.setdefault(event.id, []).append(code.id)
        if code.link is not None:
            before.setdefault(code.link.id, []).append(code.id)
    while waiting:
        id_, reached = waiting.pop()
        known = found.get(id_, 0)
        if id_ != gateway.id and known | reached != known:
            found[id_] = known | reached
            waiting += [(earlier, reached) for earlier in before.get(id_, ())]
    return found


__all__ = ["CompiledProcess", "DefinitionCode", "LoopCode", "NodeCode", "ScopeCode", "Start", "Target", "compile_process"]
