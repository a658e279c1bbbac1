"""Data objects and what flows between them and activities (BPMN 2.0.2, 10.4).

BPMN's data associations are read as assignments: a variable is known by the name of its data object."""

from __future__ import annotations

import re

from lxml import etree

from modelyard.bpmn.model import Assignment, DataObject
from modelyard.bpmn.reading.context import Reading
from modelyard.bpmn.reading.extensions import attribute
from modelyard.bpmn.reading.tree import child, children, flag, tag, text

_NAME = re.compile(r"[^\W\d]\w*(?: \w+)*")
"""Names that can be written into an expression without a doubt."""


def objects(scope: etree._Element, reading: Reading) -> tuple[DataObject, ...]:
    """The data objects and properties of a process or sub-process."""
    names = _names_of_references(scope, reading)
    found: list[DataObject] = []
    for element in children(scope, "dataObject", "property"):
        id_ = reading.id(element)
        name = element.get("name") or names.get(id_) or id_
        found.append(DataObject(id_, name, flag(element, "isCollection"), attribute(element, "initial")))
    return tuple(found)


def _names_of_references(scope: etree._Element, reading: Reading) -> dict[str, str]:
    """Some tools name the references only, which are drawn, and not the data object."""
    names: dict[str, str] = {}
    for element in children(scope, "dataObjectReference"):
        found = reading.referred(element, element.get("dataObjectRef"), "dataObject")
        if found is not None and element.get("name"):
            names.setdefault(reading.id(found), element.get("name", ""))
    return names


def inputs(element: etree._Element, reading: Reading) -> tuple[Assignment, ...]:
    return _assignments(element, "dataInputAssociation", reading)


def outputs(element: etree._Element, reading: Reading) -> tuple[Assignment, ...]:
    return _assignments(element, "dataOutputAssociation", reading)


def _assignments(element: etree._Element, association: str, reading: Reading) -> tuple[Assignment, ...]:
    found: list[Assignment] = []
    for made in children(element, association):
        target = _variable(made, text(child(made, "targetRef")), reading)
        expression = _given(made, reading)
        if target is not None and expression is not None:
            found.append(Assignment(target, expression))
    return tuple(found)


def _given(association: etree._Element, reading: Reading) -> str | None:
    """What an association gives: its transformation, else the `from` of its one assignment, else its source."""
    transformation = reading.expression(child(association, "transformation"))
    if transformation is not None:
        return transformation
    assigned = list(children(association, "assignment"))
    if len(assigned) > 1:
        reading.cannot_run(association, "assignments", "a data association with several assignments is not executed")
    if assigned:
        return reading.expression(child(assigned[0], "from"))
    sources = [_variable(association, text(source), reading) for source in children(association, "sourceRef")]
    return sources[0] if len(sources) == 1 else None


def _variable(association: etree._Element, reference: str, reading: Reading) -> str | None:
    """The variable that a source or target of an association is; None for what has no name that FEEL could speak of."""
    found = reading.referred(association, reference, must=False)
    if found is None:
        return None
    if tag(found) in ("dataStore", "dataStoreReference"):
        reading.cannot_run(
            association, "data-store", f"the data store {reference!r} is not read or written; a service task does that"
        )
        return None
    name = _name(found, reading)
    if name is None or _NAME.fullmatch(name) is None:
        reading.notice(association, "data-association", f"nothing flows: {reference!r} has no name that FEEL can speak of")
        return None
    return name


def _name(found: etree._Element, reading: Reading) -> str | None:
    if tag(found) == "dataObjectReference":
        meant = reading.referred(found, found.get("dataObjectRef"), "dataObject", must=False)
        if meant is not None:
            # The data object's own name comes first, as in `objects`.
            return meant.get("name") or found.get("name") or None
    return found.get("name") or None


def of_loop(found: etree._Element, activity: etree._Element, reading: Reading) -> dict[str, str]:
    """The collections and items of a multi-instance, as BPMN writes them (10.3.8)."""
    collection = _collection(found, activity, "loopDataInputRef", reading)
    output = _collection(found, activity, "loopDataOutputRef", reading)
    names = {
        "collection": collection,
        "item": _item(child(found, "inputDataItem")),
        "output": output,
        "outputItem": _item(child(found, "outputDataItem")),
    }
    return {name: value for name, value in names.items() if value is not None}


def _item(element: etree._Element | None) -> str | None:
    return element.get("name") or None if element is not None else None


def _collection(found: etree._Element, activity: etree._Element, tag_: str, reading: Reading) -> str | None:
    """The variable of a collection: a data input of the activity stands for the data object from which it comes."""
    referred = reading.referred(found, text(child(found, tag_)), must=False)
    if referred is None:
        return None
    for association in children(activity, "dataInputAssociation", "dataOutputAssociation"):
        ends = [text(end) for end in children(association, "sourceRef", "targetRef")]
        for end in ends:
            other = reading.elements.get(end)
            if reading.id(referred) in ends and other is not None and other is not referred:
                return _name(other, reading)
    return _name(referred, reading)
