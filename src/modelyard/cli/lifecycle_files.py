"""A life cycle as files: the process, and beside it its forms (`NAME.forms.yaml`), its scenarios (`NAME.scenarios.yaml`) and what
its simulation assumes (`NAME.simulation.yaml`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelyard.cli.bodies import document, text_of
from modelyard.cli.errors import Usage
from modelyard.core.errors import InvalidArtifact, InvalidInput

if TYPE_CHECKING:
    from modelyard.bpmn import BpmnError, Definitions
    from modelyard.bpmn.scenarios import ScenarioFile

LINT = "modelyard lifecycle lint FILE tells everything that is wrong"


def beside(process: Path, what: str) -> Path | None:
    """The file of `forms`, `scenarios` or `simulation` that stands beside a process; None when there is none."""
    stem = process.name.removesuffix(".xml").removesuffix(".bpmn")
    found = (process.with_name(f"{stem}.{what}.{suffix}") for suffix in ("yaml", "yml", "json"))
    return next((path for path in found if path.is_file()), None)


def source_of(path: Path) -> bytes:
    """Raises Usage when the file cannot be read."""
    import sys

    if str(path) == "-":
        return sys.stdin.read().encode()
    try:
        return path.read_bytes()
    except OSError as error:
        raise Usage(f"{path} cannot be read: {error.strerror}", field=str(path)) from error


def process_of(path: Path) -> Definitions:
    """Raises InvalidArtifact with the first thing that is wrong."""
    from modelyard.bpmn import BpmnError, read

    source = source_of(path)
    try:
        return read(source, str(path))
    except BpmnError as error:
        raise told(error) from error


def told(error: BpmnError) -> InvalidArtifact:
    """An error of the engine as one of the house: what, where, what to do."""
    first = next(iter(getattr(error, "problems", ())), error)
    line = f"line {first.line}" if first.line else ""
    place = ", ".join(part for part in (first.file or error.file or "", line, first.element or "") if part)
    return InvalidArtifact(first.detail, field=place or None, hint=LINT)


def forms_of(path: Path) -> dict[str, dict[str, Any]]:
    """JSON Schemas by name. Raises Usage."""
    found = dict(document(path))
    for name, schema in found.items():
        if not isinstance(schema, Mapping):
            raise Usage(f"the form {name!r} is no JSON Schema", field=str(path), hint=f"{name}: {{type: object, properties: …}}")
    return found


@dataclass(frozen=True)
class Scenarios:
    """A file of scenarios, and on which lines of it they and their steps begin."""

    path: Path
    file: ScenarioFile
    lines: Mapping[tuple[int, int], int]

    def line(self, scenario: int, step: int = 0) -> int | None:
        """Of a scenario (from 0), or of a step of it (from 1)."""
        return self.lines.get((scenario, step))


def scenarios_of(path: Path) -> Scenarios:
    """Raises Usage when the file cannot be read, InvalidInput when it holds no scenarios."""
    import yaml

    from modelyard.bpmn import BpmnError
    from modelyard.bpmn.scenarios import parse

    text = text_of(path)
    try:
        return Scenarios(path, parse(text, str(path), loads=yaml.safe_load), _lines(text))
    except BpmnError as error:
        raise InvalidInput(error.detail, field=str(path), hint="`modelyard lifecycle init NAME` writes an example") from error


def _lines(text: str) -> dict[tuple[int, int], int]:
    import yaml

    found: dict[tuple[int, int], int] = {}
    entries = _entry(yaml.compose(text, Loader=yaml.SafeLoader), "scenarios")
    for number, scenario in enumerate(_items(entries)):
        found[number, 0] = scenario.start_mark.line + 1
        for place, step in enumerate(_items(_entry(scenario, "steps")), 1):
            found[number, place] = step.start_mark.line + 1
    return found


def _entry(node: Any, name: str) -> Any:
    pairs = node.value if getattr(node, "id", "") == "mapping" else ()
    return next((inner for key, inner in pairs if key.value == name), None)


def _items(node: Any) -> list[Any]:
    return list(node.value) if getattr(node, "id", "") == "sequence" else []
