"""Tasks, call activities, loops and data associations (BPMN 2.0.2, 10.3 and 10.4). Sub-processes are read with the scopes."""

from __future__ import annotations

from typing import Any, TypedDict

from lxml import etree

from modelyard.bpmn.model import (
    Assignment,
    CallActivity,
    EventDefinition,
    Loop,
    MultiInstance,
    StandardLoop,
    Task,
    TaskKind,
    Trigger,
)
from modelyard.bpmn.reading import data
from modelyard.bpmn.reading.context import Reading
from modelyard.bpmn.reading.events import of_operation, thrown_or_caught
from modelyard.bpmn.reading.extensions import CAMUNDA, ZEEBE, assignments, attribute, camunda, others, zeebe
from modelyard.bpmn.reading.node import Common, common
from modelyard.bpmn.reading.tree import child, children, flag, tag, text

GLOBAL_TASKS = {
    "globalTask": TaskKind.TASK,
    "globalUserTask": TaskKind.USER,
    "globalManualTask": TaskKind.MANUAL,
    "globalBusinessRuleTask": TaskKind.RULE,
    "globalScriptTask": TaskKind.SCRIPT,
}


class Active(TypedDict):
    """The arguments of `model.Activity` beside those of a node."""

    loop: Loop | None
    default: str | None
    compensates: bool
    inputs: tuple[Assignment, ...]
    outputs: tuple[Assignment, ...]


def active(element: etree._Element, reading: Reading) -> Active:
    for name in ("startQuantity", "completionQuantity"):
        if element.get(name, "1").strip() not in ("", "1"):
            reading.cannot_run(element, "quantity", f"{name} is not 1; activities take and give one token")
    for inner in children(element, "property"):
        reading.notice(inner, "property", "a property of an activity has no effect; its inputs make variables of its own")
    return Active(
        loop=_loop(element, reading),
        default=default(element, reading),
        compensates=flag(element, "isForCompensation"),
        inputs=assignments(element, "input", reading) or data.inputs(element, reading),
        outputs=assignments(element, "output", reading) or data.outputs(element, reading),
    )


def default(element: etree._Element, reading: Reading) -> str | None:
    """The default flow, which must leave this node."""
    written = (element.get("default") or "").strip()
    if not written:
        return None
    found = reading.elements.get(written)
    if found is None or tag(found) != "sequenceFlow":
        reading.problem(element, f"the default flow {written!r} is not in the file")
        return None
    if found.get("sourceRef", "").strip() != reading.id(element):
        reading.problem(element, f"the default flow {written!r} does not leave the element")
    return reading.id(found)


def task(element: etree._Element, reading: Reading) -> Task:
    base = common(element, reading)
    _performers(element, base, reading)
    return _task(element, TaskKind(tag(element)), base, active(element, reading), reading)


def _task(element: etree._Element, kind: TaskKind, base: Common, activity: Active, reading: Reading) -> Task:
    if kind is TaskKind.RECEIVE and flag(element, "instantiate"):
        reading.cannot_run(element, "instantiate", "a receive task does not start a process here; a message start event does")
    return Task(
        **base,
        **activity,
        kind=kind,
        operation=_operation(element, reading),
        decision=_decision(element),
        script=_script(element, reading) if kind is TaskKind.SCRIPT else None,
        result=_result(element),
        event=_message(element, reading) if kind in (TaskKind.SEND, TaskKind.RECEIVE) else None,
    )


def _operation(element: etree._Element, reading: Reading) -> str | None:
    named = attribute(element, "operation") or zeebe(element, "taskDefinition", "type") or camunda(element, "topic")
    if named is None:
        found = reading.referred(element, element.get("operationRef"), "operation")
        named = found.get("name") or reading.id(found) if found is not None else None
    return named


def _decision(element: etree._Element) -> str | None:
    return attribute(element, "decision") or zeebe(element, "calledDecision", "decisionId") or camunda(element, "decisionRef")


def _result(element: etree._Element) -> str | None:
    named = attribute(element, "result") or zeebe(element, "calledDecision", "resultVariable")
    return named or zeebe(element, "script", "resultVariable") or camunda(element, "resultVariable")


def _script(element: etree._Element, reading: Reading) -> str | None:
    """The FEEL of a script task; Zeebe writes it into an extension."""
    for found in others(element, ZEEBE, "script"):
        if found.get("expression", "").strip():
            return reading.feel(element, found.get("expression", "").strip())
    written = text(child(element, "script"))
    language = element.get("scriptFormat") or element.get("scriptLanguage") or ""
    return reading.feel(element, written, language) if written else None


def _message(element: etree._Element, reading: Reading) -> EventDefinition | None:
    """None where no message is named: then a send task is work for its operation."""
    made = thrown_or_caught(Trigger.MESSAGE, element, element.get("messageRef") or of_operation(element, reading), reading)
    return made if made.name is not None else None


def _performers(element: etree._Element, base: Common, reading: Reading) -> None:
    """Who does it, as BPMN says it (10.3.5): the names of resources, or an expression. `modelyard:role` comes first."""
    roles = []
    for performer in children(element, "potentialOwner", "humanPerformer", "performer", "resourceRole"):
        resource = reading.referred(performer, text(child(performer, "resourceRef")), "resource", must=False)
        assigned = child(performer, "resourceAssignmentExpression")
        if resource is not None:
            roles.append(resource.get("name") or reading.id(resource))
        elif assigned is not None and text(assigned):
            roles.append(text(assigned))
    if roles:
        base["extensions"].setdefault("role", ", ".join(roles))


def call(element: etree._Element, reading: Reading) -> Task | CallActivity:
    """A call activity; one that calls a global task of the file is that task (10.3.6)."""
    base, activity = common(element, reading), active(element, reading)
    written = _called(element)
    if written is None:
        reading.cannot_run(element, "calls-nothing", "the call activity calls nothing")
        return CallActivity(**base, **activity, called="")
    found = reading.elements.get(written)
    if found is None:
        found = reading.elements.get(written.rpartition(":")[2])
    if found is not None and tag(found) in GLOBAL_TASKS:
        return _global_task(found, base, activity, reading)
    if found is not None and tag(found) != "process":
        reading.unknown(element, f"the call activity calls {written!r}, which is a {tag(found)}, not a process")
    elif found is None:
        reading.notice(element, "calls-elsewhere", f"the process {written!r} that is called is not in this file")
    return CallActivity(**base, **activity, called=reading.id(found) if found is not None else written.rpartition(":")[2])


def _called(element: etree._Element) -> str | None:
    written = (element.get("calledElement") or "").strip()
    if written and "{" not in written:
        return written
    return attribute(element, "process") or zeebe(element, "calledElement", "processId") or camunda(element, "calledElement")


def _global_task(found: etree._Element, base: Common, activity: Active, reading: Reading) -> Task:
    _performers(found, base, reading)
    made = _task(found, GLOBAL_TASKS[tag(found)], base, activity, reading)
    if not base["name"]:
        base["name"] = found.get("name", "")
    return made


def _loop(element: etree._Element, reading: Reading) -> Loop | None:
    found = child(element, "standardLoopCharacteristics", "multiInstanceLoopCharacteristics")
    if found is None:
        return None
    if tag(found) == "multiInstanceLoopCharacteristics":
        return _multi_instance(found, element, reading)
    condition = reading.expression(child(found, "loopCondition"))
    return StandardLoop(condition, flag(found, "testBefore"), _maximum(found, reading))


def _maximum(found: etree._Element, reading: Reading) -> int | None:
    written = (found.get("loopMaximum") or "").strip()
    if not written:
        return None
    if not (written.isascii() and written.isdigit() and len(written) < 19):
        reading.cannot_run(found, "loop-maximum", f"the loopMaximum {written!r:.40} is not a whole number")
        return None
    return int(written)


def _multi_instance(found: etree._Element, element: etree._Element, reading: Reading) -> MultiInstance:
    behaviour = found.get("behavior", "All").strip()
    if behaviour != "All":
        reading.cannot_run(
            found, "multi-instance-behavior", f"the behavior {behaviour!r:.40} of a multi-instance is not executed, only All"
        )
    names = _of_zeebe(found, reading) | _of_camunda(found, reading) | data.of_loop(found, element, reading)
    for name in ("collection", "item", "output", "outputItem"):
        own = attribute(found, name)
        if own is not None:
            names[name] = own
    return MultiInstance(
        sequential=flag(found, "isSequential"),
        cardinality=reading.expression(child(found, "loopCardinality")),
        collection=names.get("collection"),
        item=names.get("item"),
        output=names.get("output"),
        output_item=names.get("outputItem"),
        completion=reading.expression(child(found, "completionCondition")),
    )


def _of_zeebe(found: etree._Element, reading: Reading) -> dict[str, str]:
    names: dict[str, str] = {}
    for extension in others(found, ZEEBE, "loopCharacteristics"):
        for theirs, ours in (("inputElement", "item"), ("outputCollection", "output")):
            if extension.get(theirs):
                names[ours] = extension.get(theirs, "").strip()
        for theirs, ours in (("inputCollection", "collection"), ("outputElement", "outputItem")):
            if extension.get(theirs):
                names[ours] = reading.feel(found, extension.get(theirs, "").strip())
    return names


def _of_camunda(found: etree._Element, reading: Reading) -> dict[str, str]:
    names: dict[str, Any] = {}
    for namespace in CAMUNDA:
        collection = (found.get(f"{{{namespace}}}collection") or "").strip()
        if collection:
            names["collection"] = reading.feel(found, collection)
        if found.get(f"{{{namespace}}}elementVariable"):
            names["item"] = found.get(f"{{{namespace}}}elementVariable", "").strip()
    return names
