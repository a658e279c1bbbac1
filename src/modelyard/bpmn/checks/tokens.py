"""What becomes of tokens: conditions that may all fail, joins that wait for ever, loops without end (BPMN 2.0.2, 13.4)."""

from __future__ import annotations

from heapq import heappop, heappush

from modelyard.bpmn.checks.place import Place, is_gateway, reach
from modelyard.bpmn.model import Activity, Event, EventPosition, Flow, Gateway, GatewayKind, Node, Task, TaskKind

_CHOOSING = (GatewayKind.EXCLUSIVE, GatewayKind.INCLUSIVE)
_LARGE = 5_000
"""In scopes of more nodes only deadlocks that are certain are looked for: the time for the others grows with the square."""


def conditions(place: Place) -> None:
    """Conditions where there may be none, defaults that are missing or have a condition."""
    if not place.process.executable:
        return
    for node in place.nodes.values():
        leaving = place.flows(node.outgoing)
        default = getattr(node, "default", None)
        for flow in leaving:
            if flow.condition is not None and flow.id == default:
                place.warning(flow, "ignored-condition", "the condition of a default flow has no effect")
            elif flow.condition is not None and isinstance(node, Event):
                place.warning(flow, "condition-on-event", "the specification knows no condition on a flow that leaves an event")
            elif flow.condition is not None and isinstance(node, Gateway) and node.kind not in _CHOOSING:
                place.warning(flow, "ignored-condition", f"conditions have no effect on flows that leave a {node.kind.value}")
        if _chooses(node):
            _choice(node, leaving, default, place)


def _chooses(node: Node) -> bool:
    return is_gateway(node, *_CHOOSING) or isinstance(node, Activity | Event)


def _choice(node: Node, leaving: list[Flow], default: str | None, place: Place) -> None:
    others = [flow for flow in leaving if flow.id != default]
    conditional = [flow for flow in others if flow.condition is not None]
    if default is None and others and len(conditional) == len(others):
        place.warning(node, "no-default", "no flow is the default; where no condition holds, the process stops with an incident")
    if is_gateway(node, GatewayKind.EXCLUSIVE) and len(leaving) > 1:
        for flow in others:
            if flow.condition is None:
                place.warning(flow, "no-condition", "the flow of an exclusive gateway has no condition, and is not the default")


def deadlocks(place: Place) -> None:
    """A parallel join waits for a token on each of its flows. It waits for ever where there is never more than one.

    An error where nothing upstream makes a second token; a warning where all ways pass an exclusive gateway, and nothing
    between it and the join makes more (a second token can then come only by the gateway being passed again)."""
    multiplying = [id_ for id_, node in place.nodes.items() if _multiplies(node, place)]
    manifold = reach([target for id_ in multiplying for target in place.following[id_]], place.following)
    source = _sources(place)
    for id_, node in place.nodes.items():
        if not is_gateway(node, GatewayKind.PARALLEL) or len(node.incoming) < 2:
            continue
        if id_ not in manifold and source.get(id_) in place.starts:
            place.error(node, "deadlock", "the parallel gateway waits for several tokens, and only one can ever come")
        elif len(place.nodes) <= _LARGE and (split := _choice_before(id_, set(multiplying), place)) is not None:
            place.warning(node, "deadlock", f"the parallel gateway waits for flows of which {split!r} chooses one")


def _multiplies(node: Node, place: Place) -> bool:
    """Whether more tokens can leave a node than come to it."""
    if any(not event.interrupting for event in place.attached.get(node.id, ())):
        return True
    return len(node.outgoing) > 1 and not is_gateway(node, GatewayKind.EXCLUSIVE, GatewayKind.EVENT_BASED)


def _sources(place: Place) -> dict[str, str | None]:
    """Where the tokens of each node come from: the one node without predecessor, or None for several."""
    source: dict[str, str | None] = {id_: id_ for id_ in place.nodes if not place.preceding[id_]}
    waiting = list(source)
    while waiting:
        id_ = waiting.pop()
        for target in place.following[id_]:
            joined = source[id_] if source.get(target, source[id_]) == source[id_] else None
            if target not in source or source[target] != joined:
                source[target] = joined
                waiting.append(target)
    return source


def _choice_before(join: str, multiplying: set[str], place: Place) -> str | None:
    """The exclusive split through which every way to the join goes, if nothing between them makes tokens.

    Goes back from the join, always from what comes last: when only one node is left to go on from, all ways pass it."""
    seen = {join}
    waiting: list[tuple[int, str]] = []
    at = join
    while True:
        for before in place.preceding[at]:
            if before not in seen:
                seen.add(before)
                heappush(waiting, (-place.order[before], before))
        if not waiting:
            return None
        at = heappop(waiting)[1]
        if not waiting and _splits(place.nodes[at]):
            again = any(before in seen and before != join for before in place.preceding[at])
            return None if again or at in multiplying else at
        if at in multiplying or not place.preceding[at]:
            return None


def _splits(node: Node) -> bool:
    return is_gateway(node, GatewayKind.EXCLUSIVE, GatewayKind.EVENT_BASED) and len(node.outgoing) > 1


def endless_loops(place: Place) -> None:
    """Cycles that nothing can leave and in which nothing waits: a step would never end.

    What remains, when all nodes are taken away that wait or that a token can leave for one that does, goes round for ever."""
    waiting = [id_ for id_, node in place.nodes.items() if not _automatic(node, place) or not place.following[id_]]
    left = place.nodes.keys() - reach(waiting, place.preceding)
    if not left:
        return
    around = {id_: tuple(other for other in (*place.following[id_], *place.preceding[id_]) if other in left) for id_ in left}
    told: set[str] = set()
    for id_ in place.nodes:
        if id_ in left and id_ not in told:
            text = "from here the process goes round for ever: nothing waits, and no condition lets it out"
            place.error(place.nodes[id_], "endless-loop", text)
            told |= reach([id_], around)


def _automatic(node: Node, place: Place) -> bool:
    """Whether a token passes a node at once, on one way, whatever the data."""
    if place.attached.get(node.id) or not node.outgoing:
        return False
    if isinstance(node, Gateway):
        if node.kind is GatewayKind.EXCLUSIVE:
            return True
        return len(node.outgoing) == 1 and len(node.incoming) == 1 and node.kind is not GatewayKind.EVENT_BASED
    if isinstance(node, Task):
        sends = node.kind is TaskKind.SEND and node.event is not None
        return (sends or node.kind in (TaskKind.SCRIPT, TaskKind.TASK)) and node.loop is None and len(node.outgoing) == 1
    # What a throwing event throws may be caught by something that interrupts.
    return isinstance(node, Event) and node.position is EventPosition.THROW and not node.definitions and len(node.outgoing) == 1


CHECKS = (conditions, deadlocks, endless_loops)
