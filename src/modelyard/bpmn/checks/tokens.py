"""What becomes of tokens: conditions that may all fail, joins that wait for ever, loops without end (BPMN 2.0.2, 13.4)."""

from __future__ import annotations

from modelyard.bpmn.checks.place import Place, is_gateway, reach
from modelyard.bpmn.model import Activity, Event, EventPosition, Flow, Gateway, GatewayKind, Node, Task, TaskKind

_CHOOSING = (GatewayKind.EXCLUSIVE, GatewayKind.INCLUSIVE)


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
            elif flow.condition is not None and not _chooses(node):
                place.warning(flow, "ignored-condition", f"conditions have no effect on flows that leave {_kind(node)}")
        if _chooses(node):
            _choice(node, leaving, default, place)


def _chooses(node: Node) -> bool:
    return is_gateway(node, *_CHOOSING, GatewayKind.COMPLEX) or isinstance(node, Activity)


def _kind(node: Node) -> str:
    return f"a {node.kind.value}" if isinstance(node, Gateway) else "an event"


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
    for id_, node in place.nodes.items():
        if not is_gateway(node, GatewayKind.PARALLEL) or len(node.incoming) < 2:
            continue
        before = reach([id_], place.preceding)
        begins = [one for one in before if not place.preceding[one]]
        single = len(begins) <= 1 and all(one in place.starts for one in begins)
        # The join itself makes several tokens, but only once it was passed.
        if single and begins and not any(_multiplies(place.nodes[one], place) for one in before - {id_}):
            place.error(node, "deadlock", "the parallel gateway waits for several tokens, and only one can ever come")
            continue
        split = _dominating_choice(id_, place)
        if split is not None:
            place.warning(node, "deadlock", f"the parallel gateway waits for flows of which {split!r} chooses one")


def _multiplies(node: Node, place: Place) -> bool:
    """Whether more tokens can leave a node than come to it."""
    if any(not event.interrupting for event in place.attached.get(node.id, ())):
        return True
    return len(node.outgoing) > 1 and not is_gateway(node, GatewayKind.EXCLUSIVE, GatewayKind.EVENT_BASED)


def _dominating_choice(join: str, place: Place) -> str | None:
    """The exclusive split through which every way to the join goes, if nothing between them makes tokens."""
    before = reach([join], place.preceding)
    begins = [one for one in before if not place.preceding[one] or one in place.starts]
    for split in sorted(before - {join}, key=list(place.nodes).index):
        if not is_gateway(place.nodes[split], GatewayKind.EXCLUSIVE, GatewayKind.EVENT_BASED):
            continue
        if len(place.nodes[split].outgoing) < 2 or split in begins:
            continue
        without = {id_: () if id_ == split else targets for id_, targets in place.following.items()}
        if join in reach(begins, without):
            continue
        between = _between(split, join, place)
        if between is not None and not any(_multiplies(place.nodes[one], place) for one in between):
            return split
    return None


def _between(split: str, join: str, place: Place) -> set[str] | None:
    """The nodes on ways from the split to the join; None where a way leads back to the split, as then more tokens may come."""
    onward = {id_: () if id_ == join else targets for id_, targets in place.following.items()}
    backward = {id_: () if id_ == split else sources for id_, sources in place.preceding.items()}
    after = reach(place.following[split], onward)
    if split in after:
        return None
    return (after & reach(place.preceding[join], backward)) - {split, join}


def endless_loops(place: Place) -> None:
    """Cycles that nothing can leave and in which nothing waits: a step would never end.

    What remains, when all nodes are taken away that wait or that a token can leave for one that does, goes round for ever."""
    left = {id_ for id_, node in place.nodes.items() if _automatic(node, place)}
    while True:
        leaving = {id_ for id_ in left if not _stays(id_, left, place)}
        if not leaving:
            break
        left -= leaving
    for id_ in place.nodes:
        if id_ not in left:
            continue
        inside = {one: tuple(target for target in place.following[one] if target in left) for one in left}
        round_ = reach([id_], inside)
        place.error(
            place.nodes[id_],
            "endless-loop",
            "from here the process goes round for ever: nothing waits, and no condition lets it out",
        )
        back: dict[str, tuple[str, ...]] = {
            one: tuple(source for source in place.preceding[one] if source in left) for one in left
        }
        left -= reach(round_, back)


def _automatic(node: Node, place: Place) -> bool:
    """Whether a token passes a node at once, on one way, whatever the data."""
    if place.attached.get(node.id) or not node.outgoing:
        return False
    if isinstance(node, Gateway):
        if node.kind is GatewayKind.EXCLUSIVE:
            return True
        return len(node.outgoing) == 1 and len(node.incoming) == 1 and node.kind is not GatewayKind.EVENT_BASED
    if isinstance(node, Task):
        return node.kind is TaskKind.SCRIPT and node.loop is None and len(node.outgoing) == 1
    # What a throwing event throws may be caught by something that interrupts.
    return isinstance(node, Event) and node.position is EventPosition.THROW and not node.definitions and len(node.outgoing) == 1


def _stays(id_: str, left: set[str], place: Place) -> bool:
    targets = place.following[id_]
    return bool(targets) and all(target in left for target in targets)


CHECKS = (conditions, deadlocks, endless_loops)
