"""Where tokens stand and how long: stays are opened and closed by the step that moves the token."""

from __future__ import annotations

from datetime import datetime

from modelyard import bpmn
from modelyard.bpmn import model as bpmn_model
from modelyard.bpmn.model import CallActivity, Event, Gateway, Node, SubProcess
from modelyard.bpmn.state import Token
from modelyard.core.records import Transaction
from modelyard.lifecycle.course import Course
from modelyard.lifecycle.model import STAYS, Stay
from modelyard.lifecycle.tasks.model import LIVE, TASKS, Task
from modelyard.lifecycle.tasks.opening import worked

STANDS = ("work", "event", "join", "incident")
"""What a token does that stands at a node; one whose sub-process runs stands inside it."""
PEOPLE = ("userTask", "manualTask")
MACHINES = ("serviceTask", "businessRuleTask", "sendTask", "callActivity", "task")


Place = tuple[str, bool, str | None]
"""An element, whether the token stands there because of an incident, and the work that is done there."""


def places(state: bpmn.State) -> dict[str, Place]:
    """Where tokens stand, by token."""
    return {
        token.id: (token.element, token.at == "incident", _work_of(state, token))
        for token in state.tokens.values()
        if token.at in STANDS
    }


def _work_of(state: bpmn.State, token: Token) -> str | None:
    return next((wait for wait in token.waits if state.waits[wait].kind == "work"), None)


def kind_of(node: Node) -> str:
    """BPMN's name of the node's kind."""
    match node:
        case bpmn_model.Task() | Gateway():
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
    return standing, tuple(sorted({element for element, _, _ in after.values()}))


def _open(course: Course, token: str, place: Place, number: int) -> str:
    element, broken, wanted = place
    node = course.code.nodes[element].node
    work = course.named(wanted) if wanted is not None else None
    kind = "incident" if broken else kind_of(node)
    task = course.work.tx.get(TASKS, work) if work is not None and kind in PEOPLE else None
    stay = Stay(
        id=course.named(f"{token}.{number}"),
        **course.kept(),
        instance=course.instance.id,
        process=course.instance.process,
        number=course.instance.number,
        element=element,
        name=node.name or element,
        kind=kind,
        role=",".join(task.roles) if task is not None else "",
        use_case=course.instance.use_case,
        token=token,
        work=work,
        entered_at=course.work.now,
        worked_before_s=_worked_at(task, course.work.now) if task is not None else 0.0,
    )
    course.work.tx.add(STAYS, stay)
    return stay.id


def _close(course: Course, stay_id: str | None, how: str) -> None:
    if stay_id is None:
        return
    tx, now = course.work.tx, course.work.now
    stay = tx.get(STAYS, stay_id)
    total = max((now - stay.entered_at).total_seconds(), 0.0)
    work = min(max(_worked(tx, stay, total, now), 0.0), total)
    tx.save(STAYS, stay.model_copy(update={"left_at": now, "how": how, "worked_s": work, "waited_s": total - work}))


def _worked(tx: Transaction, stay: Stay, total: float, now: datetime) -> float:
    """What of a stay was work: all of it for a machine, from claim to completion for a person, nothing at an event."""
    if stay.kind in MACHINES:
        return total
    if stay.kind in PEOPLE and stay.work is not None:
        return _worked_at(tx.get(TASKS, stay.work), now) - stay.worked_before_s
    return 0.0


def _worked_at(task: Task, now: datetime) -> float:
    """Seconds of work on a task until now."""
    return worked(task, now) if task.status in LIVE else task.worked_s
