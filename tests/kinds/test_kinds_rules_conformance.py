"""Through columns and back the models of the DMN TCK answer what the engine answers on the kit's own values.

The kit is found as `tests/dmn/test_dmn_tck.py` says; without it the tests are skipped."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kinds_rules_models import texts

from modelyard.core.errors import InvalidArtifact
from modelyard.dmn import tck
from modelyard.dmn.feel.types import ANY, base_of
from modelyard.kinds.contract import Batch, Policy
from modelyard.kinds.rules import cells, kind
from modelyard.kinds.rules.evaluating import entry
from modelyard.kinds.rules.predictor import RulesPredictor
from modelyard.kinds.signature import DataType
from tests.conftest import skip_or_fail

ROOT = Path(__file__).parents[2]
KIT = Path(os.environ.get("MODELYARD_CONFORMANCE") or ROOT.parent / "shared" / "conformance") / "dmn-tck"


def folders() -> list[Any]:
    """A parameter for each folder of the kit of which some model takes an input."""
    taking = sorted({path.parent for path in KIT.glob("*/*/*.dmn") if b"inputData" in path.read_bytes()})
    return [pytest.param(folder, id=folder.name) for folder in taking] or [pytest.param(None, id="absent")]


def cell(value: Any, kind_: DataType) -> np.ndarray:
    if kind_ is DataType.FP64:
        return np.array([math.nan if value is None else float(value)])
    return texts(value if value is None or kind_ is DataType.BOOL else cells.text(value))


def batch_of(made: RulesPredictor, case: tck.TestCase) -> Batch | None:
    """The case's inputs as a batch of one row; None where an untyped input has a value that text cannot carry."""
    specs = {field.name: field for field in made.signature.inputs}
    batch: Batch = {}
    for leaf, name in made.evaluation.fields():
        value = entry(case.inputs.get(leaf.root), leaf.path)
        if leaf.root not in case.inputs or (base_of(leaf.type) == ANY and value is not None and not isinstance(value, str)):
            return None
        batch[name] = cell(value, specs[name].type)
    return batch


def same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return (math.isnan(one) and math.isnan(other)) or math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)
    return bool(one == other)


@pytest.mark.parametrize("folder", folders())
def test_the_kit_through_columns(folder: Path | None) -> None:
    if folder is None:
        skip_or_fail("conformance", "there is no DMN TCK in the conformance folder")
        raise AssertionError
    try:
        inspection = kind.inspect(folder, Policy())
    except InvalidArtifact as error:
        pytest.skip(f"the model is not sound: {error.detail:.200}")
    if inspection.signature is None:
        pytest.skip("the model takes nothing")
    made = kind.load(folder, inspection, inspection.signature, Policy())
    assert isinstance(made, RulesPredictor)
    compared = 0
    for path in sorted(folder.glob("*-test-*.xml")):
        for case in tck.read(path.read_bytes(), path.name).cases:
            batch = batch_of(made, case) if case.type == "decision" else None
            if batch is None:
                continue
            found = made.predict(batch)
            for answer in made.answers:
                wanted = entry(made.model.evaluate(answer.decision, case.inputs).value, answer.path)
                expected = cells.written([wanted], answer.spec)
                assert same(found[answer.spec.name].tolist()[0], expected.tolist()[0]), (case.id, answer.spec.name)
                compared += 1
            assert made.explain(batch)[0].text.endswith(".")
            assert all(len(column) == 1 for column in made.observe(batch).values())
    if not compared:
        pytest.skip("no test of the kit gives all that the model takes, in types that a column has")
