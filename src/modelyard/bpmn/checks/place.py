"""What a check sees: one scope of a process as a graph, and where its findings go."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from modelyard.bpmn.model import (
    Activity,
    Event,
    EventPosition,
    Finding,
    Flow,
    Gateway,
    GatewayKind,
    Node,
    Process,
    Scope,
    Severity,
    SubProcess,
    Trigger,
)


@dataclass(slots=True)
class Findings:
    """Collects what the checks find."""

    found: list[Finding] = field(default_factory=list)

    def add(self, severity: Severity, of: Node | Flow | Process, code: str, text: str) -> None:
        self.found.append(Finding(severity, of.id, of.line, code, text))


@dataclass
class Place:
    """One scope: the body of `process`, or of its sub-process `owner`."""

    process: Process
    owner: SubProcess | None
    scope: Scope
    findings: Findings

    def error(self, of: Node | Flow | Process, code: str, text: str) -> None:
        """Why an executable process fails; in one that is only drawn, it is a warning."""
        self.findings.add(Severity.ERROR if self.process.executable else Severity.WARNING, of, code, text)

    def warning(self, of: Node | Flow | Process, code: str, text: str) -> None:
        self.findings.add(Severity.WARNING, of, code, text)

    def note(self, of: Node | Flow | Process, code: str, text: str) -> None:
        self.findings.add(Severity.NOTE, of, code, text)

    @property
    def nodes(self) -> Mapping[str, Node]:
        return self.scope.nodes

    @property
    def whole(self) -> Process | SubProcess:
        return self.owner or self.process

    def flows(self, ids: Iterable[str]) -> list[Flow]:
        return [self.scope.flows[id_] for id_ in ids if id_ in self.scope.flows]

    def events(self, position: EventPosition) -> list[Event]:
        return [node for node in self.nodes.values() if isinstance(node, Event) and node.position is position]

    @cached_property
    def handlers(self) -> frozenset[str]:
        """Activities that compensate: begun by their association, not by a token that comes along."""
        named = {handler for _, handler in self.scope.compensations}
        return frozenset(named | {id_ for id_, node in self.nodes.items() if isinstance(node, Activity) and node.compensates})

    @cached_property
    def attached(self) -> dict[str, list[Event]]:
        """The boundary events of each activity."""
        found: dict[str, list[Event]] = {}
        for event in self.events(EventPosition.BOUNDARY):
            found.setdefault(event.attached_to or "", []).append(event)
        return found

    @cached_property
    def starts(self) -> tuple[str, ...]:
        """Where a token may come into the scope: start events, and gateways that start a process."""
        starting = [node.id for node in self.events(EventPosition.START)]
        return (*starting, *(node.id for node in self.nodes.values() if isinstance(node, Gateway) and node.instantiate))

    @cached_property
    def implicit_starts(self) -> tuple[str, ...]:
        """Nodes without incoming flow that begin with the scope, where it has no start event (13.3.1)."""
        return tuple(
            id_
            for id_, node in self.nodes.items()
            if not node.incoming
            and id_ not in self.handlers
            and not (isinstance(node, SubProcess) and node.event)
            and not (isinstance(node, Event) and (node.position is EventPosition.BOUNDARY or links(node)))
        )

    @cached_property
    def following(self) -> dict[str, tuple[str, ...]]:
        """The nodes to which a token can go from each: by flows, from an activity by its boundary events, from link to link."""
        catching: dict[str | None, str] = {}  # The first of several, which is wrong.
        for event in self.events(EventPosition.CATCH):
            for name in links(event):
                catching.setdefault(name, event.id)
        found: dict[str, tuple[str, ...]] = {}
        for id_, node in self.nodes.items():
            targets = [flow.target for flow in self.flows(node.outgoing)]
            targets += [event.id for event in self.attached.get(id_, ())]
            if isinstance(node, Event) and node.position is EventPosition.THROW:
                targets += [catching[name] for name in links(node) if name in catching]
            found[id_] = tuple(target for target in targets if target in self.nodes)
        return found

    @cached_property
    def preceding(self) -> dict[str, tuple[str, ...]]:
        found: dict[str, list[str]] = {id_: [] for id_ in self.nodes}
        for id_, targets in self.following.items():
            for target in targets:
                found[target].append(id_)
        return {id_: tuple(sources) for id_, sources in found.items()}

    @cached_property
    def order(self) -> dict[str, int]:
        """Nodes numbered so that each, but for cycles, has a greater number than those before it (reverse postorder)."""
        seen: set[str] = set()
        left: list[str] = []
        for begin in (*self.starts, *self.nodes):
            branch = [] if begin in seen else [(begin, iter(self.following[begin]))]
            seen.add(begin)
            while branch:
                id_, targets = branch[-1]
                target = next((one for one in targets if one not in seen), None)
                if target is None:
                    left.append(id_)
                    branch.pop()
                else:
                    seen.add(target)
                    branch.append((target, iter(self.following[target])))
        return {id_: number for number, id_ in enumerate(reversed(left))}

    @cached_property
    def reachable(self) -> set[str]:
        return reach(self.starts or self.implicit_starts, self.following) | reach(self.handlers, self.following)


def links(event: Event) -> tuple[str | None, ...]:
    return tuple(made.name for made in event.definitions if made.trigger is Trigger.LINK)


def reach(begin: Iterable[str], edges: Mapping[str, tuple[str, ...]]) -> set[str]:
    """All that can be come to, the beginnings included."""
    seen = set(begin)
    waiting = list(seen)
    while waiting:
        for target in edges.get(waiting.pop(), ()):
            if target not in seen:
                seen.add(target)
                waiting.append(target)
    return seen


def is_gateway(node: Node | None, *kinds: GatewayKind) -> bool:
    return isinstance(node, Gateway) and node.kind in kinds


def places(process: Process, findings: Findings) -> Iterator[Place]:
    """The process's own scope and those of all sub-processes inside."""
    waiting: list[tuple[SubProcess | None, Scope]] = [(None, process.body)]
    while waiting:
        owner, scope = waiting.pop()
        yield Place(process, owner, scope, findings)
        waiting.extend((node, node.body) for node in scope.nodes.values() if isinstance(node, SubProcess))
