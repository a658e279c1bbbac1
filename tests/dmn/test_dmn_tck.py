"""The DMN Technology Compatibility Kit: each result of each of its tests is a test here.

The kit is not part of the project. It is looked for in `dmn-tck` of the folder that MODELYARD_CONFORMANCE names, else of
`../shared/conformance` beside the project; without it the tests are skipped, unless MODELYARD_DEMAND names `conformance`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from modelyard.dmn import tck
from modelyard.dmn.engine import Model, load
from modelyard.dmn.example_files import of_case
from modelyard.dmn.examples import evaluate
from tests.conftest import skip_or_fail

ROOT = Path(__file__).parents[2]
KIT = Path(os.environ.get("MODELYARD_CONFORMANCE") or ROOT.parent / "shared" / "conformance") / "dmn-tck"

CALLS_JAVA = "0076-feel-external-java"
JAVA_TESTS = ("boxed_001", *(f"literal_{number:03}" for number in range(1, 13)), "varargs_001")
KNOWN_FAILURES = {f"{CALLS_JAVA}/{name}/{name}": "calls a method of a Java class: there is no Java here" for name in JAVA_TESTS}
"""Results by id, and why they cannot be given."""


def kit() -> Iterator[tuple[Path, tck.TestFile]]:
    for path in sorted(KIT.glob("*/*/*.xml")):
        yield path, tck.read(path.read_bytes(), path.name)


def results() -> list[Any]:
    """A parameter for each result that a test of the kit expects."""
    found = []
    for path, file in kit():
        for case in file.cases:
            for index, result in enumerate(case.results):
                id_ = f"{path.parent.name}/{case.id}/{result.name}"
                marks = [pytest.mark.xfail(strict=True, reason=KNOWN_FAILURES[id_])] if id_ in KNOWN_FAILURES else []
                found.append(pytest.param(path.parent, file.model_name, case, index, id=id_, marks=marks))
    return found or [pytest.param(None, "", None, 0, id="absent")]


@cache
def model_of(folder: Path, name: str) -> Model:
    """A test's model with those beside it, which it may import."""
    others = [path for path in sorted(folder.glob("*.dmn")) if path.name != name]
    return load(folder / name, *others, strict=False)


@pytest.mark.parametrize(("folder", "model_name", "case", "index"), results())
def test_tck(folder: Path | None, model_name: str, case: tck.TestCase, index: int) -> None:
    if folder is None:
        skip_or_fail("conformance", f"there is no DMN TCK in {KIT.name} of the conformance folder")
        raise AssertionError
    expected = case.results[index]
    found = evaluate(model_of(folder, model_name), of_case(case))
    assert expected.name not in found.failed, (found.actual[expected.name], found.messages, found.errors)


def test_the_share_of_the_kit_that_passes(record_property: Any) -> None:
    """Counted by tests, as the kit's own tables do: a test passes when all its results do.

    An engine that answers null to everything passes those that expect null, so those that expect a value are counted apart; that
    they are too few by those that call Java is allowed for."""
    if not KIT.is_dir():
        skip_or_fail("conformance", "there is no DMN TCK in the conformance folder")
    passed: list[tuple[bool, bool, bool]] = []
    for path, file in kit():
        model = model_of(path.parent, file.model_name)
        for case in file.cases:
            known = any(f"{path.parent.name}/{case.id}/{result.name}" in KNOWN_FAILURES for result in case.results)
            valued = any(result.value is not None for result in case.results)
            passed.append((evaluate(model, of_case(case)).passed, valued, known))
    every = [good for good, _, _ in passed]
    values = [good for good, valued, _ in passed if valued]
    record_property("dmn_tck", f"of all tests {_share(every)} pass, of those that expect a value {_share(values)}")
    assert sum(every) >= 0.99 * len(every)
    possible = [good for good, valued, known in passed if valued and not known]
    assert sum(possible) >= 0.99 * len(possible)


def _share(passed: list[bool]) -> str:
    return f"{sum(passed)} of {len(passed)} ({sum(passed) / len(passed):.2%})"
