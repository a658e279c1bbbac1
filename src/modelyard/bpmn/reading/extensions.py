"""Modelyard's own attributes and elements, and those of Camunda that are plain (docs/reference/bpmn-extensions.md has the list).

What has a field of its own in the model (`operation`, `decision`, `result`, …) is read into it by those who make the element; all
other attributes of Modelyard's namespace are the element's `extensions`, by name, as text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lxml import etree

from modelyard.bpmn.model import EXTENSIONS, Assignment, Severity
from modelyard.bpmn.reading.context import Reading, own, semantic
from modelyard.bpmn.reading.tree import children, text

_FIELDS = "operation decision result correlation payload collection item output outputItem initial process"
FIELDS = frozenset(_FIELDS.split())
"""Attributes that have a field in the model."""
_PASSED_ON = (
    "role form dueIn remindIn expiresIn escalateTo priority quorum authority retries duration wait cost probability color"
)
KNOWN = FIELDS | frozenset(_PASSED_ON.split())
"""Attributes that have a meaning; others are passed on with a warning, as they may be misspelt."""
ELEMENTS = frozenset(("input", "output", "property"))

ZEEBE = "http://camunda.org/schema/zeebe/1.0"
CAMUNDA = ("http://camunda.org/schema/1.0/bpmn", "http://activiti.org/bpmn")


def attribute(element: etree._Element, name: str) -> str | None:
    """An attribute of Modelyard's that is not empty."""
    return (element.get(own(name)) or "").strip() or None


def camunda(element: etree._Element, name: str) -> str | None:
    """An attribute of Camunda 7 or Activiti, unless it is computed by an expression."""
    for namespace in CAMUNDA:
        value = (element.get(f"{{{namespace}}}{name}") or "").strip()
        if value and "{" not in value:
            return value
    return None


def zeebe(element: etree._Element, name: str, attribute: str) -> str | None:
    """An attribute of an extension element of Camunda 8, unless it is computed by an expression."""
    for found in others(element, ZEEBE, name):
        value = (found.get(attribute) or "").strip()
        if value and not value.startswith("="):
            return value
    return None


def others(element: etree._Element, namespace: str, *path: str) -> Iterator[etree._Element]:
    """The extension elements of a namespace, by the names on the way to them."""
    for holder in children(element, "extensionElements"):
        found = [holder]
        for name in path:
            found = [inner for outer in found for inner in outer.iterchildren(f"{{{namespace}}}{name}")]
        yield from found


def extensions(element: etree._Element, reading: Reading) -> dict[str, Any]:
    """What stands in no field of the model: own attributes, `modelyard:property` elements, forms and candidates of Camunda's."""
    made: dict[str, Any] = dict(_of_camunda(element))
    for found in others(element, EXTENSIONS, "property"):
        if found.get("name"):
            made[found.get("name", "")] = found.get("value", text(found))
        else:
            reading.notice(element, "extension", "a modelyard:property has no name", Severity.WARNING)
    prefix = own("")
    for name, value in element.items():
        if isinstance(name, str) and name.startswith(prefix):
            local = name[len(prefix) :]
            if local not in FIELDS:
                made[local] = str(value)
    return made


def check_names(root: etree._Element, reading: Reading) -> None:
    """Tell of attributes and elements of Modelyard's that have no meaning, wherever they stand."""
    prefix = own("")
    for element in semantic(root):
        for name in element.attrib:
            if isinstance(name, str) and name.startswith(prefix) and name[len(prefix) :] not in KNOWN:
                detail = f"modelyard:{name[len(prefix) :]} has no meaning; for values of your own there is modelyard:property"
                reading.notice(element, "unknown-extension", detail, Severity.WARNING)
        for found in others(element, EXTENSIONS):
            for inner in found.iterchildren(f"{prefix}*"):
                if str(inner.tag)[len(prefix) :] not in ELEMENTS:
                    detail = f"<modelyard:{str(inner.tag)[len(prefix) :]}> has no meaning"
                    reading.notice(element, "unknown-extension", detail, Severity.WARNING)


def _of_camunda(element: etree._Element) -> Iterator[tuple[str, str]]:
    form = (
        camunda(element, "formKey") or zeebe(element, "formDefinition", "formKey") or zeebe(element, "formDefinition", "formId")
    )
    role = camunda(element, "candidateGroups") or zeebe(element, "assignmentDefinition", "candidateGroups")
    retries = zeebe(element, "taskDefinition", "retries")
    for name, value in (("form", form), ("role", role), ("retries", retries)):
        if value:
            yield name, value


def assignments(element: etree._Element, direction: str, reading: Reading) -> tuple[Assignment, ...]:
    """`modelyard:input` or `modelyard:output` (`target`, `expression`), else Zeebe's io mapping."""
    found = [(made, made.get("expression", "") or text(made)) for made in others(element, EXTENSIONS, direction)]
    if not found:
        found = [(made, _source(made)) for made in others(element, ZEEBE, "ioMapping", direction)]
    made = []
    for each, expression in found:
        target = (each.get("target") or "").strip()
        if target and expression.strip():
            made.append(Assignment(target, expression.strip()))
        else:
            reading.notice(element, "assignment", f"an {direction} has no target or no expression", Severity.WARNING)
    return tuple(made)


def _source(mapping: etree._Element) -> str:
    """Zeebe: an expression after `=`, else a text as it stands."""
    source = mapping.get("source", "")
    escaped = source.replace("\\", "\\\\").replace('"', '\\"')
    return source[1:] if source.startswith("=") else f'"{escaped}"' if source else ""
