"""What registration makes of an artifact, a sample and what is declared."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modelyard.core.errors import InvalidArtifact, InvalidInput, NotFound, TooLarge
from modelyard.evaluation.registration import Declared, Registration, prepare
from modelyard.kinds.signature import DataType, FieldSpec, Role
from tests.life.conftest import FIELDS, House, write_model, write_sample

pytestmark = pytest.mark.parametrize("adapter", ["memory"], indirect=True)


def asked(house: House, **given: object) -> Registration:
    model = house.upload(write_model(house.folder / "model.onnx", (1.0, 2.0, 3.0)))
    sample = house.upload(write_sample(house.folder / "sample.parquet"))
    fields = {"model": "credit-model", "artifact": model, "filename": "model.onnx", "sample": sample, "translate": False}
    return Registration.model_validate(fields | given)


def test_what_a_sample_happens_to_show_does_not_bound_requests(house: House) -> None:
    house.use_case()
    command, differences, _ = prepare(house.platform.desk, asked(house))
    assert [f.name for f in command.signature.inputs] == list(FIELDS)
    assert all(f.minimum is None and f.maximum is None and f.allowed is None for f in command.signature.inputs)
    assert differences == ()


def test_what_is_declared_leads_and_differences_are_told(house: House) -> None:
    house.use_case()
    age = FieldSpec(name="age", type=DataType.FP64, role=Role.PROTECTED, minimum=5, maximum=120)
    command, differences, _ = prepare(house.platform.desk, asked(house, signature=Declared(inputs=(age,))))
    assert command.signature.input("age") == age
    assert [f.name for f in command.signature.inputs] == list(FIELDS)
    assert any("age" in line and "minimum" in line for line in differences)
    assert any("age" in line and "type" in line for line in differences)


def test_columns_that_are_no_inputs_are_left_out(house: House) -> None:
    house.use_case()
    path = house.folder / "labelled.parquet"
    columns = {name: np.ones(5, dtype=np.float32) for name in FIELDS} | {"late": np.zeros(5)}
    pq.write_table(pa.table(columns), path)
    found = asked(house, sample=house.upload(path), signature=Declared(exclude=("late",)))
    command, _, _ = prepare(house.platform.desk, found)
    assert [f.name for f in command.signature.inputs] == list(FIELDS)


def test_a_corrupt_artifact_fails_alone(house: House) -> None:
    house.use_case()
    path = house.folder / "corrupt.onnx"
    path.write_bytes(write_model(house.folder / "model.onnx", (1.0, 2.0, 3.0)).read_bytes()[:-20])
    with pytest.raises(InvalidArtifact):
        prepare(house.platform.desk, asked(house, artifact=house.upload(path)))


def test_what_was_not_uploaded_or_is_no_table(house: House) -> None:
    with pytest.raises(NotFound, match="no blob"):
        prepare(house.platform.desk, asked(house, artifact="sha256:" + "0" * 64))
    nonsense = house.folder / "nonsense.parquet"
    nonsense.write_bytes(b"PAR1 nonsense")
    with pytest.raises(InvalidInput):
        prepare(house.platform.desk, asked(house, sample=house.upload(nonsense)))


def test_a_sample_is_small(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.use_case()
    wanted = asked(house)
    monkeypatch.setattr("modelyard.evaluation.registration.GREATEST_SAMPLE", 100)
    with pytest.raises(TooLarge, match="more than 100"):
        prepare(house.platform.desk, wanted)


def test_a_dry_run_keeps_no_translation_and_tells_the_same(house: House) -> None:
    from sklearn.linear_model import LogisticRegression
    from skops.io import dump

    house.use_case()
    random = np.random.default_rng(3)
    rows = random.normal(size=(60, len(FIELDS)))
    dump(LogisticRegression().fit(rows, rows[:, 0] > 0), house.folder / "model.skops")
    declared = Declared(inputs=tuple(FieldSpec(name=name, type=DataType.FP32) for name in FIELDS))
    artifact = house.upload(house.folder / "model.skops")
    wanted = asked(house, artifact=artifact, filename="model.skops", signature=declared, translate=True)
    before = set(house.platform.blobs.digests())
    tried, _, sentence = prepare(replace(house.platform.desk, dry_run=True), wanted)
    assert "translated to onnx" in sentence
    assert set(house.platform.blobs.digests()) == before
    told = Declared(inputs=declared.inputs, outputs=tried.signature.outputs)  # so that the model is not loaded again to see them
    done, _, _ = prepare(house.platform.desk, wanted.model_copy(update={"signature": told}))
    assert done.model_dump(mode="json") == tried.model_dump(mode="json")
    assert set(house.platform.blobs.digests()) == before | {done.serving.digest if done.serving else ""}
