"""Where tokens stand and how long: stays are opened and closed by the step that moves the token."""

from __future__ import annotations

from modelyard import bpmn
from modelyard.bpmn.model import CallActivity, Event, Gateway, Node, SubProcess, Task
from modelyard.core.records import Transaction
from modelyard.lifecycle.course import Course
from modelyard.lifecycle.model import STAYS, Stay
from modelyard.lifecycle.tasks.model import TASKS

STANDS = ("work", "event", "join", "incident")
"""What a token does that stands at a node; one whose sub-process runs stands inside it."""
PEOPLE = ("userTask", "manualTask")
MACHINES = ("serviceTask", "businessRuleTask", "sendTask", "callActivity", "task")


Place = tuple[str, bool]
"""An element, and whether the token stands there because of an incident."""


def places(state: bpmn.State) -> dict[str, Place]:
    """Where tokens stand, by token."""
    return {token.id: (token.element, token.at == "incident") for token in state.tokens.values() if token.at in STANDS}


def kind_of(node: Node) -> str:
    """BPMN's name of the node's kind."""
    match node:
        case Task() | Gateway():
            return node.kind.value
        case Event():
            return node.position.value
        case CallActivity():
            return "callActivity"
        case SubProcess():
            return "subProcess"


def keep_stays(course: Course, number: int) -> tuple[dict[str, str], tuple[str, ...]]:
    """Close the stays of tokens that went on, and open those of tokens that came to stand; gives the open stays by token, and the
    elements."""
    before = {} if course.before is None else places(course.before)
    after = places(course.after)
    again = {effect.token for effect in course.effects if isinstance(effect, bpmn.StepTaken) and effect.what == "entered"}
    standing = dict(course.instance.standing)
    for token, place in before.items():
        if after.get(token) != place or token in again:
            _close(course, standing.pop(token, None), course.left.get(token, "left"))
    for token, place in after.items():
        if before.get(token) != place or token in again:
            standing[token] = _open(course, token, place, number)
    return standing, tuple(sorted({element for element, _ in after.values()}))


def _open(course: Course, token: str, place: Place, number: int) -> str:
    element, broken = place
    node = course.code.nodes[element].node
    wanted = next((e for e in course.effects if isinstance(e, bpmn.WorkWanted) and e.token == token), None)
    work = course.named(wanted.work) if wanted is not None else None
    kind = "incident" if broken else kind_of(node)
    stay = Stay(
        id=course.named(f"{token}.{number}"),
        **course.kept(),
        instance=course.instance.id,
        process=course.instance.process,
        number=course.instance.number,
        element=element,
        name=node.name or element,
        kind=kind,
        role=",".join(course.work.tx.get(TASKS, work).roles) if work is not None and kind in PEOPLE else "",
        use_case=course.instance.use_case,
        token=token,
        work=work,
        entered_at=course.work.now,
    )
    course.work.tx.add(STAYS, stay)
    return stay.id


def _close(course: Course, stay_id: str | None, how: str) -> None:
    if stay_id is None:
        return
    tx, now = course.work.tx, course.work.now
    stay = tx.get(STAYS, stay_id)
    total = max((now - stay.entered_at).total_seconds(), 0.0)
    worked = min(_worked(tx, stay, total), total)
    tx.save(STAYS, stay.model_copy(update={"left_at": now, "how": how, "worked_s": worked, "waited_s": total - worked}))


def _worked(tx: Transaction, stay: Stay, total: float) -> float:
    """What of a stay was work: all of it for a machine, from claim to completion for a person, nothing at an event."""
    if stay.kind in MACHINES:
        return total
    if stay.kind in PEOPLE and stay.work is not None:
        task = tx.get(TASKS, stay.work)
        return task.worked_s
    return 0.0
