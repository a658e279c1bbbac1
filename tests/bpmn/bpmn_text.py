"""Processes for tests in a line or two.

    order = process("order", "s -> pay -> x -[amount > 10]-> check -> e; x -else-> e2", x=xor(), late=boundary("pay",
    timer("P1D"))) definitions(order)              # as the model has it, without any XML xml(order)                      # the
    same as a file

The text holds the sequence flows: `a -> b` plain, `a -[FEEL]-> b` with a condition, `a -else-> b` the default; chains are divided
by `;` or line ends. Nodes that no keyword describes are what their names say: `s`, `s1`, `start…` start events, `e`, `e1`, `end…`
end events, anything else a user task. A flow's id is `source_target`, then `source_target_2` and so on."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st
from lxml import etree

from modelyard.bpmn.model import (
    EXTENSIONS,
    Activity,
    Assignment,
    CallActivity,
    DataObject,
    Definitions,
    Event,
    EventDefinition,
    EventPosition,
    Flow,
    Gateway,
    GatewayKind,
    Lane,
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

Make = Callable[[str], Node]
"""Gives the node when its id is known."""

# --- what events wait for or cause ----------------------------------------------------------------------------------------------


def message(name: str, key: str | None = None, payload: str | None = None) -> EventDefinition:
    return EventDefinition(Trigger.MESSAGE, name, expression=payload, correlation=key)


def timer(expression: str, kind: TimerKind | None = None) -> EventDefinition:
    """ISO text: `R…` is a cycle, `P…` a duration, else a date."""
    first = expression[:1]
    found = TimerKind.CYCLE if first == "R" else TimerKind.DURATION if first == "P" else TimerKind.DATE
    return EventDefinition(Trigger.TIMER, timer=kind or found, expression=expression)


def signal(name: str, payload: str | None = None) -> EventDefinition:
    return EventDefinition(Trigger.SIGNAL, name, expression=payload)


def error(code: str | None = None) -> EventDefinition:
    return EventDefinition(Trigger.ERROR, code)


def escalation(code: str | None = None) -> EventDefinition:
    return EventDefinition(Trigger.ESCALATION, code)


def condition(expression: str) -> EventDefinition:
    return EventDefinition(Trigger.CONDITIONAL, expression=expression)


def link(name: str) -> EventDefinition:
    return EventDefinition(Trigger.LINK, name)


def compensation(activity: str | None = None) -> EventDefinition:
    return EventDefinition(Trigger.COMPENSATION, activity=activity)


terminate = EventDefinition(Trigger.TERMINATE)
cancel = EventDefinition(Trigger.CANCEL)


# --- nodes ----------------------------------------------------------------------------------------------------------------------


def _event(position: EventPosition, definitions: tuple[EventDefinition, ...], **more: Any) -> Make:
    return lambda id_: Event(id=id_, position=position, definitions=definitions, **more)


def start(*definitions: EventDefinition, **more: Any) -> Make:
    return _event(EventPosition.START, definitions, **more)


def end(*definitions: EventDefinition, **more: Any) -> Make:
    return _event(EventPosition.END, definitions, **more)


def catch(*definitions: EventDefinition, **more: Any) -> Make:
    return _event(EventPosition.CATCH, definitions, **more)


def throw(*definitions: EventDefinition, **more: Any) -> Make:
    return _event(EventPosition.THROW, definitions, **more)


def boundary(on: str, *definitions: EventDefinition, interrupting: bool = True, **more: Any) -> Make:
    return _event(EventPosition.BOUNDARY, definitions, attached_to=on, interrupting=interrupting, **more)


def compensated_by(on: str, handler: str) -> Make:
    """A compensation boundary event of `on`, associated with the activity `handler`."""
    return _event(EventPosition.BOUNDARY, (compensation(),), attached_to=on, extensions={"handler": handler})


def _gateway(kind: GatewayKind) -> Callable[..., Make]:
    return lambda **more: lambda id_: Gateway(id=id_, kind=kind, **more)


xor = _gateway(GatewayKind.EXCLUSIVE)
par = _gateway(GatewayKind.PARALLEL)
inc = _gateway(GatewayKind.INCLUSIVE)
event_based = _gateway(GatewayKind.EVENT_BASED)
complex_gateway = _gateway(GatewayKind.COMPLEX)


def _assignments(more: dict[str, Any]) -> dict[str, Any]:
    for name in ("inputs", "outputs"):
        if isinstance(more.get(name), Mapping):
            more[name] = tuple(Assignment(target, text) for target, text in more[name].items())
    return more


def _task(kind: TaskKind, **more: Any) -> Make:
    """`inputs` and `outputs` may be given as {variable: FEEL}."""
    more = _assignments(more)
    return lambda id_: Task(id=id_, kind=kind, **more)


def user(**more: Any) -> Make:
    return _task(TaskKind.USER, **more)


def manual(**more: Any) -> Make:
    return _task(TaskKind.MANUAL, **more)


def task(**more: Any) -> Make:
    return _task(TaskKind.TASK, **more)


def service(operation: str | None = None, **more: Any) -> Make:
    return _task(TaskKind.SERVICE, operation=operation, **more)


def rule(decision: str, result: str | None = None, **more: Any) -> Make:
    return _task(TaskKind.RULE, decision=decision, result=result, **more)


def script(text: str, result: str | None = None, **more: Any) -> Make:
    return _task(TaskKind.SCRIPT, script=text, result=result, **more)


def send(event: EventDefinition, **more: Any) -> Make:
    return _task(TaskKind.SEND, event=event, **more)


def receive(event: EventDefinition, **more: Any) -> Make:
    return _task(TaskKind.RECEIVE, event=event, **more)


def call(called: str, **more: Any) -> Make:
    more = _assignments(more)
    return lambda id_: CallActivity(id=id_, called=called, **more)


_OF_ACTIVITY = ("loop", "inputs", "outputs", "compensates", "name", "documentation", "lane", "extensions")


def sub(
    flows: str, *, transaction: bool = False, event: bool = False, data: Mapping[str, str | None] | None = None, **nodes: Any
) -> Make:
    """An embedded sub-process. Keywords that are an activity's own (`loop`, `inputs`, …) are its own, the others its nodes."""
    own = _assignments({name: nodes.pop(name) for name in _OF_ACTIVITY if name in nodes})
    body = scope(flows, nodes, data, f"data_{flows.split()[0] if flows else ''}")
    return lambda id_: SubProcess(id=id_, body=body, transaction=transaction, event=event, **own)


def event_sub(flows: str, *definitions: EventDefinition, interrupting: bool = True, **more: Any) -> Make:
    """An event sub-process: its first node is the start event with those definitions."""
    first = re.split(r"\s|->|-\[|;", flows.strip(), maxsplit=1)[0]
    return sub(flows, event=True, **{first: start(*definitions, interrupting=interrupting)}, **more)


def each(collection: str, item: str = "item", *, sequential: bool = False, **more: Any) -> MultiInstance:
    return MultiInstance(sequential, collection=collection, item=item, **more)


def times(cardinality: str | int, *, sequential: bool = False, **more: Any) -> MultiInstance:
    return MultiInstance(sequential, cardinality=str(cardinality), **more)


def loop(condition: str | None = None, *, before: bool = False, maximum: int | None = None) -> StandardLoop:
    return StandardLoop(condition, before, maximum)


# --- scopes, processes, files ---------------------------------------------------------------------------------------------------

_ARROW = re.compile(r"\s*-\[(?P<condition>.*?)\]->\s*|\s*(?P<default>-else->)\s*|\s*->\s*")


def _by_name(id_: str) -> Make:
    if re.fullmatch(r"s\d*|start\w*", id_):
        return start()
    return end() if re.fullmatch(r"e\d*|end\w*", id_) else user()


def _flows(text: str) -> tuple[list[str], dict[str, Flow], dict[str, str]]:
    """Node ids in the order of the text, the flows, and the default flow by source."""
    nodes: list[str] = []
    flows: dict[str, Flow] = {}
    defaults: dict[str, str] = {}
    for chain in filter(None, (part.strip() for part in re.split(r"[;\n]", text))):
        place, source, arrow = 0, None, None
        while place <= len(chain):
            found = _ARROW.search(chain, place)
            name = chain[place : found.start() if found else len(chain)].strip()
            if name not in nodes:
                nodes.append(name)
            if source is not None and arrow is not None:
                id_ = base = f"{source}_{name}"
                count = 1
                while id_ in flows:
                    count += 1
                    id_ = f"{base}_{count}"
                flows[id_] = Flow(id_, source, name, condition=arrow["condition"])
                if arrow["default"]:
                    defaults[source] = id_
            if found is None:
                break
            source, arrow, place = name, found, found.end()
    return nodes, flows, defaults


def scope(text: str, nodes: Mapping[str, Make], data: Mapping[str, str | None] | None = None, prefix: str = "data") -> Scope:
    """`prefix` begins the ids of the data objects."""
    order, flows, defaults = _flows(text)
    made: dict[str, Node] = {}
    for id_ in [*order, *(name for name in nodes if name not in order)]:
        node = nodes.get(id_, _by_name(id_))(id_)
        node = replace(
            node,
            name=node.name or id_,
            incoming=tuple(flow.id for flow in flows.values() if flow.target == id_),
            outgoing=tuple(flow.id for flow in flows.values() if flow.source == id_),
        )
        if id_ in defaults and isinstance(node, (Gateway, Activity)):
            node = replace(node, default=defaults[id_])
        made[id_] = node
    handlers = [(id_, node.extensions["handler"]) for id_, node in made.items() if "handler" in node.extensions]
    for boundary_id, handler in handlers:
        made[boundary_id] = replace(made[boundary_id], extensions={})
        made[handler] = replace(made[handler], compensates=True)  # type: ignore[call-arg] # handlers are activities
    objects = tuple(DataObject(f"{prefix}_{name}", name, initial=initial) for name, initial in (data or {}).items())
    return Scope(made, flows, objects, tuple(handlers))


def process(
    id_: str,
    flows: str,
    *,
    data: Mapping[str, str | None] | None = None,
    lanes: Mapping[str, tuple[str, ...]] | None = None,
    **nodes: Make,
) -> Process:
    """`data` are variables with their initial FEEL; `lanes` are the node ids by the lane's name (its id is the same)."""
    body = scope(flows, nodes, data)
    lanes = lanes or {}
    placed = {node: replace(body.nodes[node], lane=lane) for lane, names in lanes.items() for node in names}
    body = replace(body, nodes={**body.nodes, **placed})
    return Process(id_, id_, body, lanes=tuple(Lane(name, name, names) for name, names in lanes.items()))


def definitions(*processes: Process) -> Definitions:
    """The file without reading it: no lines."""
    source = xml(*processes)
    return Definitions("definitions", "", NAMESPACE, processes, hashlib.sha256(source).hexdigest(), source)


# --- XML ------------------------------------------------------------------------------------------------------------------------

NAMESPACE = "https://modelyard.dev/test"
_BPMN = "http://www.omg.org/spec/BPMN/20100524/MODEL"
_XSI = "{http://www.w3.org/2001/XMLSchema-instance}type"


def _b(name: str) -> str:
    return f"{{{_BPMN}}}{name}"


def _m(name: str) -> str:
    return f"{{{EXTENSIONS}}}{name}"


def xml(*processes: Process) -> bytes:
    """The processes as a file. Modelyard's own are the attributes `modelyard:operation`, `decision`, `result` of tasks;
    `correlation` and `payload` of event definitions and of send and receive tasks; `collection`, `item`, `output`, `outputItem`
    of multi-instance; `initial` of data objects; `role` of lanes; any other attribute of a node is one of its `extensions`.
    Assignments are `modelyard:input` and `modelyard:output` (`target`, `expression`) inside extensionElements."""
    root = etree.Element(
        _b("definitions"), nsmap={None: _BPMN, "modelyard": EXTENSIONS, "xsi": "http://www.w3.org/2001/XMLSchema-instance"}
    )
    root.set("id", "definitions")
    root.set("targetNamespace", NAMESPACE)
    written = _Writer(root)
    for each_ in processes:
        written.process(each_)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)


@dataclass
class _Writer:
    root: Any
    named: set[str] = field(default_factory=set)
    """Ids of messages, signals, errors and escalations that are there already."""

    def process(self, process_: Process) -> None:
        element = etree.SubElement(
            self.root, _b("process"), id=process_.id, name=process_.name, isExecutable=str(process_.executable).lower()
        )
        if process_.lanes:
            lanes = etree.SubElement(element, _b("laneSet"), id=f"lanes_{process_.id}")
            for lane in process_.lanes:
                made = etree.SubElement(lanes, _b("lane"), id=lane.id, name=lane.name)
                if lane.role:
                    made.set(_m("role"), lane.role)
                for node in lane.nodes:
                    etree.SubElement(made, _b("flowNodeRef")).text = node
        self.scope(element, process_.body)

    def scope(self, parent: Any, body: Scope) -> None:
        for data in body.data:
            made = etree.SubElement(
                parent, _b("dataObject"), id=data.id, name=data.name, isCollection=str(data.collection).lower()
            )
            if data.initial is not None:
                made.set(_m("initial"), data.initial)
        for node in body.nodes.values():
            self.node(parent, node)
        for flow in body.flows.values():
            made = etree.SubElement(parent, _b("sequenceFlow"), id=flow.id, sourceRef=flow.source, targetRef=flow.target)
            if flow.condition is not None:
                self.expression(made, "conditionExpression", flow.condition)
        for source, target in body.compensations:
            etree.SubElement(
                parent, _b("association"), id=f"{source}_{target}", sourceRef=source, targetRef=target, associationDirection="One"
            )

    def expression(self, parent: Any, name: str, text: str) -> None:
        made = etree.SubElement(parent, _b(name))
        made.set(_XSI, "tFormalExpression")
        made.text = text

    def node(self, parent: Any, node: Node) -> None:
        element = etree.SubElement(parent, _b(_tag(node)), id=node.id, name=node.name)
        self.extensions(element, node)
        for tag, flows in (("incoming", node.incoming), ("outgoing", node.outgoing)):
            for flow in flows:
                etree.SubElement(element, _b(tag)).text = flow
        default = getattr(node, "default", None)
        if default is not None:
            element.set("default", default)
        if isinstance(node, Event):
            self.event(element, node)
        elif isinstance(node, Gateway):
            if node.instantiate:
                element.set("instantiate", "true")
        else:
            self.activity(element, node)

    def extensions(self, element: Any, node: Node) -> None:
        for name, value in node.extensions.items():
            element.set(_m(name), str(value))
        if isinstance(node, Activity) and (node.inputs or node.outputs):
            made = etree.SubElement(element, _b("extensionElements"))
            for tag, assignments in (("input", node.inputs), ("output", node.outputs)):
                for each_ in assignments:
                    etree.SubElement(made, _m(tag), target=each_.target, expression=each_.expression)

    def event(self, element: Any, node: Event) -> None:
        if node.attached_to is not None:
            element.set("attachedToRef", node.attached_to)
            element.set("cancelActivity", str(node.interrupting).lower())
        elif not node.interrupting:
            element.set("isInterrupting", "false")
        if node.parallel:
            element.set("parallelMultiple", "true")
        if node.result is not None:
            element.set(_m("result"), node.result)
        for each_ in node.definitions:
            self.definition(element, each_)

    def definition(self, element: Any, of: EventDefinition) -> None:
        tag = {Trigger.COMPENSATION: "compensate"}.get(of.trigger, of.trigger.value)
        made = etree.SubElement(element, _b(f"{tag}EventDefinition"))
        if of.trigger in (Trigger.MESSAGE, Trigger.SIGNAL, Trigger.ERROR, Trigger.ESCALATION) and of.name is not None:
            made.set(f"{of.trigger.value}Ref", self.reference(of.trigger, of.name))
        if of.trigger is Trigger.LINK and of.name is not None:
            made.set("name", of.name)
        if of.correlation is not None:
            made.set(_m("correlation"), of.correlation)
        if of.activity is not None:
            made.set("activityRef", of.activity)
        if of.trigger is Trigger.CONDITIONAL:
            self.expression(made, "condition", of.expression or "")
        elif of.timer is not None:
            self.expression(made, of.timer.value, of.expression or "")
        elif of.expression is not None:
            made.set(_m("payload"), of.expression)

    def reference(self, trigger: Trigger, name: str) -> str:
        id_ = f"{trigger.value}_{re.sub(r'[^A-Za-z0-9_]', '_', name)}"
        if id_ not in self.named:
            self.named.add(id_)
            made = etree.Element(_b(trigger.value), id=id_, name=name)
            code = {Trigger.ERROR: "errorCode", Trigger.ESCALATION: "escalationCode"}.get(trigger)
            if code:
                made.set(code, name)
            self.root.insert(len(self.named) - 1, made)
        return id_

    def activity(self, element: Any, node: Task | CallActivity | SubProcess) -> None:
        if node.compensates:
            element.set("isForCompensation", "true")
        if isinstance(node, Task):
            self.task(element, node)
        elif isinstance(node, CallActivity):
            element.set("calledElement", node.called)
        elif node.event:
            element.set("triggeredByEvent", "true")
        if node.loop is not None:
            self.loop(element, node.loop)
        if isinstance(node, SubProcess):
            self.scope(element, node.body)

    def task(self, element: Any, node: Task) -> None:
        for name in ("operation", "decision", "result"):
            if getattr(node, name) is not None:
                element.set(_m(name), getattr(node, name))
        if node.event is not None:
            element.set("messageRef", self.reference(Trigger.MESSAGE, node.event.name or ""))
            for name, value in (("correlation", node.event.correlation), ("payload", node.event.expression)):
                if value is not None:
                    element.set(_m(name), value)
        if node.script is not None:
            element.set("scriptFormat", "feel")
            etree.SubElement(element, _b("script")).text = node.script

    def loop(self, element: Any, of: Loop) -> None:
        if isinstance(of, StandardLoop):
            made = etree.SubElement(element, _b("standardLoopCharacteristics"), testBefore=str(of.test_before).lower())
            if of.maximum is not None:
                made.set("loopMaximum", str(of.maximum))
            if of.condition is not None:
                self.expression(made, "loopCondition", of.condition)
            return
        made = etree.SubElement(element, _b("multiInstanceLoopCharacteristics"), isSequential=str(of.sequential).lower())
        for name, value in (
            ("collection", of.collection),
            ("item", of.item),
            ("output", of.output),
            ("outputItem", of.output_item),
        ):
            if value is not None:
                made.set(_m(name), value)
        if of.cardinality is not None:
            self.expression(made, "loopCardinality", of.cardinality)
        if of.completion is not None:
            self.expression(made, "completionCondition", of.completion)


def _tag(node: Node) -> str:
    if isinstance(node, Event):
        return node.position.value
    if isinstance(node, (Gateway, Task)):
        return node.kind.value
    if isinstance(node, CallActivity):
        return "callActivity"
    return "transaction" if node.transaction else "adHocSubProcess" if node.ad_hoc else "subProcess"


# --- random structured processes ------------------------------------------------------------------------------------------------

Block = tuple[Any, ...]
"""("task",), ("seq", blocks), ("xor" | "par" | "inc", blocks, which), ("loop", block, turns), ("sub", block),
("many", block, instances, sequential)."""


def blocks(leaves: int = 12) -> st.SearchStrategy[Block]:
    """Structures whose branches and loops are decided already, so that every one ends."""
    return st.recursive(st.just(("task",)), _wider, max_leaves=leaves)


def _wider(inner: st.SearchStrategy[Block]) -> st.SearchStrategy[Block]:
    several = st.lists(inner, min_size=2, max_size=3).map(tuple)
    return st.one_of(
        several.map(lambda parts: ("seq", parts)),
        several.map(lambda parts: ("par", parts)),
        st.tuples(st.just("xor"), several, st.integers(0, 2)),
        st.tuples(st.just("inc"), several, st.integers(0, 7)),
        st.tuples(st.just("loop"), inner, st.integers(1, 3)),
        inner.map(lambda part: ("sub", part)),
        st.tuples(st.just("many"), inner, st.integers(0, 3), st.booleans()),
    )


def structured(block: Block, id_: str = "random") -> Process:
    """The process of a block: each choice of it is written into conditions, each loop counts in a variable of its own."""
    built = _Builder()
    first, last = built.add(block)
    text = "; ".join([f"s -> {first}", *built.lines, f"{last} -> e"])
    return process(id_, text, data=dict.fromkeys(built.counters, "0"), **built.nodes)


def expected_work(block: Block) -> int:
    """How many user tasks are done when the process of a block is played to its end."""
    match block[0]:
        case "task":
            return 1
        case "seq" | "par":
            return sum(map(expected_work, block[1]))
        case "xor":
            return expected_work(block[1][min(block[2], len(block[1]) - 1)])
        case "inc":
            return sum(expected_work(part) for part in _chosen(block))
        case "loop" | "many":
            return expected_work(block[1]) * int(block[2])
        case _:
            return expected_work(block[1])


def _chosen(block: Block) -> list[Block]:
    """The branches that an inclusive block takes: those of the bits of its number, else the default, its last."""
    parts = block[1]
    return [part for index, part in enumerate(parts[:-1]) if block[2] >> index & 1] or [parts[-1]]


@dataclass
class _Builder:
    nodes: dict[str, Make] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    counters: list[str] = field(default_factory=list)
    count: list[int] = field(default_factory=lambda: [0])

    def name(self, kind: str, make: Make | None = None) -> str:
        self.count[0] += 1
        found = f"{kind}{self.count[0]}"
        if make is not None:
            self.nodes[found] = make
        return found

    def add(self, block: Block) -> tuple[str, str]:
        """Writes the block; gives its first and last node."""
        match block[0]:
            case "task":
                name = self.name("t", user())
                return name, name
            case "seq":
                ends = [self.add(part) for part in block[1]]
                self.lines += [f"{a[1]} -> {b[0]}" for a, b in pairwise(ends)]
                return ends[0][0], ends[-1][1]
            case "xor" | "par" | "inc":
                return self.branches(block)
            case "loop":
                return self.turns(block)
            case "sub":
                return self.inside(block[1], None)
            case _:
                return self.inside(block[1], times(block[2], sequential=block[3]))

    def branches(self, block: Block) -> tuple[str, str]:
        make = {"xor": xor, "par": par, "inc": inc}[block[0]]
        split, join = self.name("split", make()), self.name("join", make())
        parts = block[1]
        for index, part in enumerate(parts):
            first, last = self.add(part)
            if block[0] == "par":
                arrow = "->"
            elif index == len(parts) - 1:
                arrow = "-else->"
            else:
                held = block[2] == index if block[0] == "xor" else bool(block[2] >> index & 1)
                arrow = f"-[{str(held).lower()}]->"
            self.lines += [f"{split} {arrow} {first}", f"{last} -> {join}"]
        return split, join

    def turns(self, block: Block) -> tuple[str, str]:
        join, again = self.name("again", xor()), self.name("more", xor())
        counter = self.name("n")
        self.counters.append(counter)
        reset = self.name("reset", script("0", counter))
        counting = self.name("count", script(f"{counter} + 1", counter))
        leave = self.name("left", xor())
        first, last = self.add(block[1])
        self.lines += [f"{reset} -> {join} -> {first}", f"{last} -> {counting} -> {again}"]
        self.lines += [f"{again} -[{counter} < {block[2]}]-> {join}", f"{again} -else-> {leave}"]
        return reset, leave

    def inside(self, block: Block, loop_: Loop | None) -> tuple[str, str]:
        inner = _Builder(count=self.count)
        first, last = inner.add(block)
        begin, done = self.name("s"), self.name("e")
        text = "; ".join([f"{begin} -> {first}", *inner.lines, f"{last} -> {done}"])
        more = {"loop": loop_} if loop_ is not None else {}
        name = self.name("sub", sub(text, data=dict.fromkeys(inner.counters, "0"), **more, **inner.nodes))
        return name, name
