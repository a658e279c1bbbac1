"""Where a scope begins and ends, and whether everything in between can be come to and left (BPMN 2.0.2, 10.5 and 10.6)."""

from __future__ import annotations

from modelyard.bpmn.checks.place import Place, is_gateway, links, reach
from modelyard.bpmn.model import (
    Activity,
    CallActivity,
    Event,
    EventPosition,
    Flow,
    Gateway,
    GatewayKind,
    SubProcess,
    Task,
    TaskKind,
    Trigger,
)

_WAITED_FOR = (Trigger.MESSAGE, Trigger.SIGNAL, Trigger.TIMER, Trigger.CONDITIONAL)


def starts(place: Place) -> None:
    """A process begins at a start event; a sub-process may do without, an event sub-process has just one, with a trigger."""
    found = place.events(EventPosition.START)
    owner = place.owner
    if owner is not None and owner.event:
        if len(found) != 1 or not found[0].definitions:
            place.error(owner, "start", "an event sub-process has one start event, which waits for something")
        return
    if owner is None and not place.starts and (place.nodes or place.process.executable):
        place.error(place.process, "no-start", "the process has no start event")
    if owner is not None and place.nodes and not place.starts and not place.implicit_starts and not owner.ad_hoc:
        place.error(owner, "no-start", "nothing in the sub-process begins: it has no start event")
    plain = [event for event in found if not event.definitions]
    if len(plain) > 1 and owner is None:
        place.warning(plain[1], "several-starts", "there are several plain start events; it must be said which one is meant")
    if owner is not None:
        for event in found:
            if event.definitions:
                place.error(event, "start", "the start event of an embedded sub-process waits for nothing; it begins with it")


def flows(place: Place) -> None:
    """Flows join nodes of the scope, and no more than the specification lets them (8.4.13)."""
    for flow in place.scope.flows.values():
        for end in (flow.source, flow.target):
            if end not in place.nodes:
                place.error(flow, "dangling-flow", f"the flow's end {end!r} is no node of the same process or sub-process")
    for node in place.nodes.values():
        if isinstance(node, Event):
            _event(node, place)
        elif isinstance(node, SubProcess) and node.event and (node.incoming or node.outgoing):
            place.error(node, "wrong-flow", "flows neither come to an event sub-process nor leave it")
        elif node.id in place.handlers and (node.incoming or node.outgoing):
            place.error(node, "wrong-flow", "flows neither come to an activity for compensation nor leave it")


def _event(event: Event, place: Place) -> None:
    if event.incoming and (event.position in (EventPosition.START, EventPosition.BOUNDARY)):
        place.error(event, "wrong-flow", f"a flow comes to a {event.position.value}")
    if event.outgoing and event.position is EventPosition.END:
        place.error(event, "wrong-flow", "a flow leaves an end event")
    if event.position is EventPosition.BOUNDARY:
        _boundary(event, place)


def _boundary(event: Event, place: Place) -> None:
    on = place.nodes.get(event.attached_to or "")
    if not isinstance(on, Activity):
        place.error(
            event, "boundary", f"the boundary event is attached to {event.attached_to!r}, which is no activity of its scope"
        )
    compensates = any(made.trigger is Trigger.COMPENSATION for made in event.definitions)
    if compensates and not any(boundary == event.id for boundary, _ in place.scope.compensations):
        place.warning(event, "compensation", "the compensation event has no association with an activity that compensates")
    if not compensates and not event.outgoing:
        place.warning(event, "dead-end", "nothing follows the boundary event")


def unreachable(place: Place) -> None:
    """Nodes to which no token can come. Only where a scope says how it begins."""
    if not place.starts or (place.owner is not None and place.owner.ad_hoc):
        return
    for id_, node in place.nodes.items():
        starts_itself = isinstance(node, SubProcess) and node.event
        if id_ not in place.reachable and not starts_itself:
            place.warning(node, "unreachable", "no token can come here from a start event")


def no_way_out(place: Place) -> None:
    """Nodes from which no end can be come to: tokens there go round for ever. A node without outgoing flow is an end (10.6.3)."""
    ends = [id_ for id_ in place.nodes if not place.following[id_]]
    leaving = reach(ends, place.preceding)
    for id_, node in place.nodes.items():
        if id_ not in leaving:
            place.warning(node, "no-way-out", "no end can be come to from here")


def dead_ends(place: Place) -> None:
    says_ends = bool(place.events(EventPosition.END))
    for id_, node in place.nodes.items():
        if node.outgoing or id_ in place.handlers or (isinstance(node, SubProcess) and node.event):
            continue
        if isinstance(node, Event):
            ending = node.position in (EventPosition.END, EventPosition.BOUNDARY) or bool(links(node))
            if not ending:
                place.warning(node, "dead-end", f"nothing follows the {node.position.value}")
        elif isinstance(node, Gateway):
            place.warning(node, "dead-end", "nothing follows the gateway")
        elif says_ends:
            place.note(node, "implicit-end", "tokens end here without an end event")


def link_events(place: Place) -> None:
    """Links join a throwing and a catching event of one scope by name (10.5.5)."""
    caught: dict[str | None, Event] = {}
    for event in place.events(EventPosition.CATCH):
        for name in links(event):
            if name in caught:
                place.error(event, "link", f"the link {name!r} leads to two events")
            caught.setdefault(name, event)
    thrown: set[str | None] = set()
    for event in place.events(EventPosition.THROW):
        for name in links(event):
            thrown.add(name)
            if name not in caught:
                place.error(event, "link", f"the link {name!r} leads nowhere")
    for name, event in caught.items():
        if name not in thrown:
            place.warning(event, "link", f"nothing leads to the link {name!r}")


def event_gateways(place: Place) -> None:
    """What follows an event-based gateway waits, and is waited for there alone (10.6.6)."""
    for node in place.nodes.values():
        if not is_gateway(node, GatewayKind.EVENT_BASED):
            continue
        leaving = place.flows(node.outgoing)
        if len(leaving) < 2:
            place.warning(node, "event-gateway", "an event-based gateway is followed by two events or more")
        for flow in leaving:
            _awaited(node.id, flow, place)


def _awaited(gateway: str, flow: Flow, place: Place) -> None:
    target = place.nodes.get(flow.target)
    if target is None:
        return
    catches = isinstance(target, Event) and target.position is EventPosition.CATCH and bool(target.definitions)
    waits = catches and all(made.trigger in _WAITED_FOR for made in target.definitions) if isinstance(target, Event) else False
    receives = isinstance(target, Task) and target.kind is TaskKind.RECEIVE
    if not waits and not receives:
        place.error(
            flow, "event-gateway", f"{target.id!r} follows an event-based gateway, and is no event or receive task that waits"
        )
    elif any(other.source != gateway for other in place.flows(target.incoming)):
        place.warning(target, "event-gateway", "other flows come to an event that follows an event-based gateway")
    elif isinstance(target, Activity) and place.attached.get(target.id):
        place.warning(target, "event-gateway", "a receive task after an event-based gateway has no boundary events")


def names(place: Place) -> None:
    """Two activities of one name in one lane: people cannot tell their tasks apart."""
    first: dict[tuple[str | None, str], str] = {}
    for node in place.nodes.values():
        if isinstance(node, Task | CallActivity | SubProcess) and node.name:
            other = first.setdefault((node.lane, node.name), node.id)
            if other != node.id:
                place.note(node, "duplicate-name", f"the activity {other!r} in the same lane has the same name {node.name!r:.60}")


CHECKS = (starts, flows, unreachable, no_way_out, dead_ends, link_events, event_gateways, names)
