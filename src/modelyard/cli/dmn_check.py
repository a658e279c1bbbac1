"""What `modelyard dmn check` finds: what loading says, and what analysis proves of the tables, as rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from modelyard.cli.dmn_data import sources
from modelyard.dmn.analysis import Finding, analyse
from modelyard.dmn.engine import Model, load
from modelyard.dmn.errors import DmnError, InvalidModel
from modelyard.dmn.feel.semantics import written
from modelyard.dmn.model import Place

PROBLEM = "problem"


def findings(files: Sequence[Path]) -> list[dict[str, Any]]:
    """All that is wrong, the gravest first in each file. A model that cannot be loaded at all is a finding too."""
    try:
        model = load(*sources(files), strict=False)
    except InvalidModel as error:
        return [_problem(each) for each in error.problems or (error,)]
    except DmnError as error:
        return [_problem(error)]
    return [*map(_problem, model.problems), *_analysed(model)]


def _problem(error: DmnError) -> dict[str, Any]:
    found = {"severity": "error", "file": error.file, "line": error.line, "where": error.element, "what": error.detail}
    return found | {"code": PROBLEM, "rules": [], "example": ""}


def _analysed(model: Model) -> Iterator[dict[str, Any]]:
    places = {table.owner: table.table.place for table in reversed(model.tables)}
    for finding in analyse(model):
        yield _found(finding, places.get(finding.owner, Place()))


def _found(finding: Finding, place: Place) -> dict[str, Any]:
    witness = finding.witness or {}
    return {
        "severity": finding.severity.value,
        "file": place.file,
        "line": place.line,
        "where": finding.owner,
        "what": finding.text,
        "code": finding.code.value,
        "rules": list(finding.rules),
        "example": ", ".join(f"{name} = {written(value)}" for name, value in witness.items()),
    }
