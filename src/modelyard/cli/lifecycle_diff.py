"""What a new version of a life cycle changes: nodes and flows that are added, removed or other than before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from modelyard.bpmn import Definitions
    from modelyard.bpmn.model import Process

COLUMNS = "CHANGE=change KIND=kind ELEMENT=element NAME=name WHAT=what"
_PASSED_OVER = ("id", "line", "incoming", "outgoing", "body")
"""Fields of no weight of their own: flows and inner nodes are compared by themselves."""


def process_in(definitions: Definitions, key: str | None) -> Process | None:
    """The process of that id, or the only one that can be executed; None when there is none or no telling which."""
    found = [process for process in definitions.processes if process.executable and key in (None, process.id)]
    return found[0] if len(found) == 1 else None


def differences(before: Process | None, after: Process) -> list[dict[str, Any]]:
    """Rows: `change` (added, removed, changed), `kind`, `element`, `name`, and `what` is other. Without a process before, all is
    new, which is not told element by element."""
    if before is None:
        return []
    old, new = _elements(before), _elements(after)
    rows = [_row("removed", old[id_], "") for id_ in old if id_ not in new]
    rows += [_row("added", new[id_], "") for id_ in new if id_ not in old]
    for id_ in new:
        if id_ in old and (what := "; ".join(_other(old[id_], new[id_]))):
            rows.append(_row("changed", new[id_], what))
    return rows


def _elements(process: Process) -> dict[str, Any]:
    from modelyard.bpmn.simulation.scenario import elements_of

    return {process.id: process} | {element.id: element for element in elements_of(process.body)}


def _row(change: str, element: Any, what: str) -> dict[str, Any]:
    return {"change": change, "kind": _kind(element), "element": element.id, "name": element.name, "what": what}


def _kind(element: Any) -> str:
    kind = getattr(element, "kind", None) or getattr(element, "position", None)
    return str(kind.value) if kind is not None else type(element).__name__[0].lower() + type(element).__name__[1:]


def _other(before: Any, after: Any) -> Iterator[str]:
    if type(before) is not type(after):
        yield f"was {_kind(before)}"
        return
    old, new = _parts(before), _parts(after)
    for name in {**old, **new}:
        if old.get(name) != new.get(name):
            sides = [_shown(each.get(name)) for each in (old, new)]
            yield f"{name}: {sides[0]} → {sides[1]}" if sides[0] != sides[1] else f"another {name}"


def _parts(element: Any) -> dict[str, Any]:
    """What is compared: fields, each extension, each input and output."""
    found: dict[str, Any] = {}
    for field in fields(element):
        value = getattr(element, field.name)
        if field.name in _PASSED_OVER:
            continue
        if field.name in ("inputs", "outputs"):
            found |= {f"{field.name[:-1]} {each.target}": each.expression for each in value}
        elif field.name == "definitions" and len(value) == 1:
            found |= {part.name: getattr(value[0], part.name) for part in fields(value[0]) if part.name != "id"}
        elif isinstance(value, Mapping):
            found |= value
        else:
            found[field.name] = value
    return found


def _shown(value: Any) -> str:
    """Plain values as they are; of what has parts, only that it is there."""
    if value is None or value in ("", ()):
        return "none"
    return str(value) if isinstance(value, str | int | float) else "set"
