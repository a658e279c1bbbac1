"""What an endpoint protects is protected in batches too: in the log, in rejects and in errors."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

from modelyard.core.errors import InvalidInput
from modelyard.decisions import Pseudonyms
from modelyard.decisions.protection import Cipher, unprotect
from modelyard.runtime.batch import Batches, Invalid
from modelyard.trust.statements import EndpointPolicy, Protection
from tests.batch.batch_stage import Stage, rows


def _stage(folder: Path, **protect: str) -> Stage:
    named = {name.replace("role_", "role:"): Protection(how) for name, how in protect.items()}
    return Stage(folder, policy=EndpointPolicy(protect=named))


def test_protected_fields_are_not_logged_in_clear(tmp_path: Path) -> None:
    stage = _stage(tmp_path, a="hash", b="encrypt", role_score="mask")
    table = rows(3).set_column(1, "a", pa.array([0.1, 0.1, 2.0], pa.float32()))
    Batches(stage.place).run(stage.order(stage.write(table)))
    logged = stage.logged()
    given = [json.loads(text) for text in logged["inputs"].to_pylist()]
    pseudonyms = Pseudonyms((stage.place.home / "pseudonym.key").read_bytes().strip())
    assert [row["a"] for row in given] == ["hash:" + pseudonyms.of("a", text) for text in ("0.1", "0.1", "2.0")]
    cipher = Cipher.from_text((stage.place.home / "data.key").read_text())
    assert [unprotect(row["b"], cipher) for row in given] == [0.0, 1.0, 2.0]
    assert [json.loads(text) for text in logged["output"].to_pylist()] == [{"prediction": None}] * 3
    assert stage.output()["prediction"].null_count == 0


def test_references_and_rejects_hold_no_protected_values(tmp_path: Path) -> None:
    stage = _stage(tmp_path, a="mask", b="mask")
    table = rows(3).set_column(1, "a", pa.array([0.0, 1e300, 2.0], pa.float64()))
    order = stage.order(stage.write(table), invalid=Invalid.SKIP, log_inputs="reference")
    Batches(stage.place).run(order)
    assert [sorted(json.loads(text)) for text in stage.logged()["inputs"].to_pylist()] == [["$file", "$row"]] * 2
    assert [(reject["field"], reject["reason"]) for reject in stage.rejects()] == [("a", "is too large for FP32")]
    with pytest.raises(InvalidInput) as caught:
        Batches(stage.place).run(stage.order(tmp_path / "in.parquet", out=str(tmp_path / "other")))
    assert "'a' is too large for FP32" in caught.value.detail
    assert "1e+300" not in str(caught.value)
