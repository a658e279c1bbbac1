"""What a batch promises: who answers, what is written and logged, what becomes of rows that do not fit."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from modelyard.core.clock import SystemClock
from modelyard.core.errors import Busy, InvalidInput, ModelyardError, NotApproved, NotFound, Untrusted, WrongState
from modelyard.core.faults import NoFaults
from modelyard.decisions import DecisionReader, Pseudonyms
from modelyard.kinds.signature import DataType, FieldSpec, Signature
from modelyard.runtime.batch import Batches, Invalid, Order
from modelyard.runtime.batch.engines import Inline, Processes
from modelyard.runtime.batch.released import Plane
from modelyard.runtime.errors import NoAnswer
from modelyard.runtime.routing import Shares, draw
from modelyard.trust import Ed25519Signer
from modelyard.trust.statements import Arm, ArmRole
from tests.batch.batch_stage import Stage, rows
from tests.runtime.runtime_stage import SIGNATURE, onnx_model


def run(stage: Stage, order: Order) -> Any:
    return Batches(stage.place).run(order)


def test_every_row_is_answered_and_logged_once_with_its_lineage(stage: Stage) -> None:
    table = rows(450)
    told = []
    result = Batches(stage.place, told=told.append).run(stage.order(stage.write(table)))
    stage.require_whole(result, table)
    assert [(p.parts, p.of) for p in told] == [(n, 5) for n in range(1, 6)]
    assert (told[-1].share, told[-1].rows, told[-1].total) == (1.0, 450, 450)
    assert result.by_arm == {"v1": 450}
    assert result.epoch == 1
    assert [(p.version, p.manifest) for p in result.arms] == [("ver_1", stage.champion.manifest)]
    output, log = stage.output(), stage.logged()
    assert set(output["version"].to_pylist()) == {"ver_1"}
    assert set(log["manifest"].to_pylist()) == {stage.champion.manifest}
    assert set(log["release"].to_pylist()) == {stage.champion.release}
    assert [json.loads(t) for t in log["inputs"].to_pylist()[:2]] == [{"a": 0, "b": 0}, {"a": 1, "b": 1}]
    assert (stage.out / "_SUCCESS").exists()
    manifest = json.loads((stage.out / "_manifest.json").read_text())
    assert manifest["result"]["input"] == result.input
    assert [part["answered"] for part in manifest["parts"]] == [100, 100, 100, 100, 50]
    one = DecisionReader(stage.place.log).get(output["decision_id"][7].as_py())
    assert one is not None
    assert json.loads(one["output"]) == {"prediction": 24}


def test_processes_give_the_same_bytes_as_one(tmp_path: Path) -> None:
    found = []
    for name, engine in (("one", None), ("two", Processes(2))):
        stage = Stage(tmp_path / name)
        path = stage.write(rows(700))
        batches = Batches(stage.place) if engine is None else Batches(stage.place, engine)
        result = batches.run(stage.order(path), batch="bat_0123456789ab7cdef0123456789abcdef")
        stage.require_whole(result, rows(700))
        found.append({p.name: p.read_bytes() for p in stage.out.glob("part-*")})
    assert found[0] == found[1]


def test_a_batch_that_is_done_tells_its_result_again_and_does_nothing(stage: Stage) -> None:
    order = stage.order(stage.write(rows(150)))
    first = run(stage, order)
    assert run(stage, order) == first
    assert stage.logged().num_rows == 150


def test_only_wanted_columns_are_kept(stage: Stage) -> None:
    path = stage.write(rows(10))
    run(stage, stage.order(path, keep=("b",)))
    assert stage.output().column_names == ["b", "prediction", "decision_id", "arm", "version"]


def test_rows_that_do_not_fit_end_the_batch_and_the_first_is_named(stage: Stage) -> None:
    table = rows(250).set_column(2, "b", pa.array([1.0] * 130 + [1000.0] + [1.0] * 118 + [None]))
    path = stage.write(table)
    with pytest.raises(InvalidInput, match=rf"{path}, row 130: 'b' 1000.0 is outside -100 to 100"):
        run(stage, stage.order(path))
    assert not (stage.out / "_SUCCESS").exists()


def test_rows_that_do_not_fit_are_left_out_and_each_is_told(stage: Stage) -> None:
    values = [1.0] * 250
    values[130], values[131], values[249] = 1000.0, float("nan"), float("inf")
    table = rows(250).set_column(2, "b", pa.array(values))
    result = run(stage, stage.order(stage.write(table), invalid=Invalid.SKIP))
    good = table.take(pa.array([n for n in range(250) if n not in (130, 131, 249)]))
    output = stage.output()
    assert output["customer"].to_pylist() == good["customer"].to_pylist()
    assert np.array_equal(output["prediction"].to_numpy(), good["a"].to_numpy() + np.float32(11))
    assert [(r["row"], r["reason"]) for r in stage.rejects()] == [
        (130, "1000.0 is outside -100 to 100"),
        (131, "is empty and may not be"),
        (249, "inf is not finite"),
    ]
    assert (result.read, result.answered, result.rejected, result.logged) == (250, 247, 3, 247)
    assert stage.logged()["id"].to_pylist() == output["decision_id"].to_pylist()


def test_the_constant_answers_rows_that_do_not_fit(tmp_path: Path) -> None:
    stage = Stage(tmp_path, constant={"outputs": {"prediction": -1.0}})
    table = rows(120).set_column(2, "b", pa.array([5.0] * 110 + [500.0] * 10))
    result = run(stage, stage.order(stage.write(table), invalid=Invalid.FALLBACK))
    output, log = stage.output(), stage.logged()
    assert output["prediction"].to_pylist()[105:115] == [120.0, 121.0, 122.0, 123.0, 124.0] + [-1.0] * 5
    assert output["version"].to_pylist()[109:111] == ["ver_1", None]
    assert result.by_arm == {"v1": 110, "": 10}
    assert log["role"].to_pylist()[109:111] == ["champion", "constant"]
    assert log["requested_arm"].to_pylist()[110] == "v1"
    assert log["reason"].to_pylist()[110] == "the row does not fit the signature"
    assert json.loads(log["output"].to_pylist()[110]) == {"prediction": -1}
    assert len(stage.rejects()) == 10


def test_the_log_tells_no_input_that_nobody_gave(tmp_path: Path) -> None:
    """What a field's type cannot hold is null there, not what was left of it."""
    stage = Stage(tmp_path)
    fields = (
        FieldSpec(name="small", type=DataType.INT8),
        FieldSpec(name="whole", type=DataType.INT64, nullable=True),
        FieldSpec(name="pair", type=DataType.FP32, shape=(2,)),
        FieldSpec(name="share", type=DataType.FP32, maximum=1.0),
    )
    manifest = stage.plane.version(onnx_model(0.0, 5), Signature(inputs=fields, outputs=SIGNATURE.outputs))
    released = stage.plane.release(manifest, "ver_2")
    champion = Arm(name="v2", role=ArmRole.CHAMPION, release=released, manifest=manifest.digest(), share=1.0)
    stage.plane.publish(stage.plane.endpoint(champion, constant={"outputs": {"prediction": -1.0}}))
    table = pa.table(
        {
            "small": [1, 300, -200, 1, 1, 1],
            "whole": [1.0, 2.5, None, 3.0, 3.0, 3.0],
            "pair": [[1.0, 2.0], [1.0, 2.0], [1.0, 2.0], [1.0], [1.0, None], [1.0, 2.0]],
            "share": [0.5, 0.5, 0.5, 0.5, 0.5, 7.0],
        }
    )
    run(stage, stage.order(stage.write(table), invalid=Invalid.FALLBACK))
    none = [None, None]
    assert [tuple(json.loads(text).values()) for text in stage.logged()["inputs"].to_pylist()] == [
        (1, 1, [1, 2], 0.5),
        (None, None, [1, 2], 0.5),
        (None, None, [1, 2], 0.5),
        (1, 3, none, 0.5),
        (1, 3, none, 0.5),
        (1, 3, [1, 2], 7),
    ]


@pytest.mark.parametrize("value", [None, "one", [1, 2], 1 << 70])
def test_a_constant_that_an_output_cannot_be_is_told_before_anything_is_scored(tmp_path: Path, value: Any) -> None:
    stage = Stage(tmp_path)
    whole = (FieldSpec(name="prediction", type=DataType.INT64),)
    manifest = stage.plane.version(onnx_model(0.0), Signature(inputs=SIGNATURE.inputs, outputs=whole))
    released = stage.plane.release(manifest, "ver_2")
    champion = Arm(name="v2", role=ArmRole.CHAMPION, release=released, manifest=manifest.digest(), share=1.0)
    stage.plane.publish(stage.plane.endpoint(champion, constant={"outputs": {"prediction": value}}))
    with pytest.raises(InvalidInput, match=r"constant has .* for 'prediction', which is INT64 of shape \[\]"):
        run(stage, stage.order(stage.write(rows(10)), invalid=Invalid.FALLBACK))
    assert list(stage.out.glob("part-*")) == []


def test_an_endpoint_without_constant_cannot_fall_back(stage: Stage) -> None:
    with pytest.raises(InvalidInput, match="no constant"):
        run(stage, stage.order(stage.write(rows(10)), invalid=Invalid.FALLBACK))


def test_arms_are_drawn_by_shares_and_the_same_key_gets_the_same_arm(stage: Stage) -> None:
    champion = stage.champion.model_copy(update={"share": 0.7})
    challenger = stage.plane.arm(20.0, version="ver_2", role="challenger", share=0.3, name="v2")
    stage.plane.publish(stage.plane.endpoint(champion, challenger, sticky_salt="salt"))
    table = rows(1000)
    result = run(stage, stage.order(stage.write(table), shares=True, key="customer"))
    bias = [(10.0, 20.0)[Shares([0.7, 0.3]).arm(draw("salt", key))] for key in table["customer"].to_pylist()]
    wanted = table["a"].to_numpy() + table["b"].to_numpy().astype(np.float32) + np.array(bias, np.float32)
    output, log = stage.output(), stage.logged()
    assert np.array_equal(output["prediction"].to_numpy(), wanted)
    assert result.by_arm == {"v1": bias.count(10.0), "v2": bias.count(20.0)}
    assert log["answered_arm"].to_pylist() == output["arm"].to_pylist() == ["v1" if b == 10.0 else "v2" for b in bias]
    assert set(zip(log["answered_arm"].to_pylist(), log["probability"].to_pylist(), strict=True)) == {("v1", 0.7), ("v2", 0.3)}
    key = (stage.place.home / "pseudonym.key").read_bytes()
    assert log["unit"].to_pylist()[3] == Pseudonyms(key).of("unit", "c0000003")


@pytest.mark.parametrize("key", ["customer", None])
def test_the_constant_answers_in_place_of_the_arm_that_was_drawn(tmp_path: Path, key: str | None) -> None:
    """As online: who compares arms must not find all that did not fit with the first of them."""
    stage = Stage(tmp_path, constant={"outputs": {"prediction": -1.0}})
    challenger = stage.plane.arm(20.0, version="ver_2", role="challenger", share=0.5, name="v2")
    champion = stage.champion.model_copy(update={"share": 0.5})
    stage.plane.publish(stage.plane.endpoint(champion, challenger, constant={"outputs": {"prediction": -1.0}}))
    good, odd = [5.0] * 400, [500.0 if n % 4 else 5.0 for n in range(400)]
    drawn = []
    for name, values in (("all", good), ("some", odd)):
        path, stage.out = stage.write(rows(400).set_column(2, "b", pa.array(values)), f"{name}.parquet"), stage.folder / name
        order = stage.order(path, invalid=Invalid.FALLBACK, shares=True, key=key, out=str(stage.out))
        result = run(stage, order)
        log = stage.logged()
        log = log.filter(pc.equal(log["request"], result.batch))
        asked = log["requested_arm"].to_pylist()
        drawn.append(asked)
        assert set(log["probability"].to_pylist()) == {0.5}
        assert result.by_arm.get("", 0) == log["role"].to_pylist().count("constant") == (0 if name == "all" else 300)
        assert 0.4 < asked.count("v2") / 400 < 0.6
    assert key is None or drawn[0] == drawn[1]


@pytest.mark.parametrize("key", ["customer", None])
def test_a_batch_that_goes_on_knows_in_whose_place_the_constant_answered(tmp_path: Path, key: str | None) -> None:
    stage = Stage(tmp_path, constant={"outputs": {"prediction": -1.0}})
    challenger = stage.plane.arm(20.0, version="ver_2", role="challenger", share=0.5, name="v2")
    champion = stage.champion.model_copy(update={"share": 0.5})
    stage.plane.publish(stage.plane.endpoint(champion, challenger, constant={"outputs": {"prediction": -1.0}}))
    table = rows(90).set_column(2, "b", pa.array([500.0 if n % 2 else 5.0 for n in range(90)]))
    order = stage.order(stage.write(table), invalid=Invalid.FALLBACK, shares=True, key=key)

    class Cut(NoFaults):
        def reach(self, point: str) -> None:
            if point == "batch.part.scored":
                raise OSError("the machine went away")

    with pytest.raises(OSError, match="went away"):
        Batches(stage.place, Inline(Cut())).run(order)
    assert stage.logged().num_rows == 0
    result = run(stage, order)
    log = stage.logged()
    drawn = [Shares([0.5, 0.5]).arm(draw("", k or f"{result.batch}:0:0:{n}")) for n, k in enumerate(
        table["customer"].to_pylist() if key else [None] * 90)]  # fmt: skip
    assert log["requested_arm"].to_pylist() == [("v1", "v2")[arm] for arm in drawn]
    assert log["role"].to_pylist()[1::2] == ["constant"] * 45


def test_without_a_key_the_draw_depends_on_the_row(stage: Stage) -> None:
    challenger = stage.plane.arm(20.0, version="ver_2", role="challenger", share=0.5, name="v2")
    stage.plane.publish(stage.plane.endpoint(stage.champion.model_copy(update={"share": 0.5}), challenger))
    result = run(stage, stage.order(stage.write(rows(1000)), shares=True))
    assert 400 < result.by_arm["v1"] < 600


def test_a_challenger_answers_when_it_is_asked_for(stage: Stage) -> None:
    challenger = stage.plane.arm(20.0, version="ver_2", role="challenger", share=0.5, name="v2")
    stage.plane.publish(stage.plane.endpoint(stage.champion.model_copy(update={"share": 0.5}), challenger))
    path = stage.write(rows(10))
    assert run(stage, stage.order(path, arm="v2")).by_arm == {"v2": 10}
    assert stage.output()["prediction"].to_pylist()[0] == 20.0
    small = stage.plane.arm(20.0, version="ver_3", role="challenger", share=0.5, name="v3", greatest_share=0.5)
    stage.plane.publish(stage.plane.endpoint(stage.champion.model_copy(update={"share": 0.5}), small))
    with pytest.raises(NotApproved, match="released for 50% of the traffic"):
        run(stage, stage.order(path, arm="v3", out=str(stage.folder / "small")))
    with pytest.raises(NotFound, match="no live arm 'v9'"):
        run(stage, stage.order(path, arm="v9", out=str(stage.folder / "other")))


def test_the_log_can_name_file_and_row_in_place_of_the_inputs(stage: Stage) -> None:
    table = rows(250).set_column(2, "b", pa.array([1.0] * 120 + [1e6] + [1.0] * 129))
    path = stage.write(table)
    run(stage, stage.order(path, log_inputs="reference", invalid=Invalid.SKIP))
    told = [json.loads(text) for text in stage.logged()["inputs"].to_pylist()]
    assert [t["$row"] for t in told] == [n for n in range(250) if n != 120]
    assert {t["$file"] for t in told} == {str(path)}


def test_a_share_of_decisions_is_logged_where_the_tier_permits_it(tmp_path: Path) -> None:
    stage = Stage(tmp_path / "low")
    path = stage.write(rows(500))
    result = run(stage, stage.order(path, log=0.1))
    assert result.logged == stage.logged().num_rows == 50
    assert set(stage.logged()["id"].to_pylist()) < set(stage.output()["decision_id"].to_pylist())
    none = run(stage, stage.order(path, log=0.0, out=str(stage.folder / "none")))
    assert none.logged == 0
    strict = Stage(tmp_path / "high")
    strict.plane.publish(strict.plane.endpoint(strict.champion, tier="high"))
    with pytest.raises(NotApproved, match="every decision is logged"):
        run(strict, strict.order(path, log=0.5))


def test_delta_takes_the_answers_in_one_commit_and_once(stage: Stage) -> None:
    from deltalake import DeltaTable

    table = rows(250)
    order = stage.order(stage.write(table), format="delta")
    first = run(stage, order)
    assert run(stage, order) == first
    found = DeltaTable(str(stage.out))
    assert found.version() == 0
    assert found.transaction_version(first.batch) == 1
    assert found.to_pyarrow_table().sort_by("customer")["prediction"].to_pylist() == stage.output()["prediction"].to_pylist()
    # another batch of the same order is added when the input has changed, and a Delta table is an input too
    stage.write(rows(50, start=250))
    second = run(stage, order)
    assert second.batch != first.batch
    assert DeltaTable(str(stage.out)).version() == 1
    assert DeltaTable(str(stage.out)).to_pyarrow_table().num_rows == 300
    again = run(stage, Order(endpoint="hold", inputs=(str(stage.out),), out=str(stage.folder / "again"), keep=("customer",)))
    assert again.read == 300


def test_nobody_answers_who_may_not(stage: Stage) -> None:
    path = stage.write(rows(10))
    forged = Ed25519Signer.generate()
    cases: list[tuple[dict[str, Any], type[ModelyardError], str]] = [
        ({"signer": forged}, Untrusted, "is no trust root here"),
    ]
    for more, error, words in cases:
        stage.plane.publish(stage.plane.endpoint(stage.champion), **more)
        with pytest.raises(error, match=words):
            run(stage, stage.order(path))
    stage.plane.publish(stage.plane.endpoint(stage.champion), revoked=(stage.champion.release,))
    with pytest.raises(NotApproved, match="revoked"):
        run(stage, stage.order(path))
    old = datetime.now(UTC) - timedelta(hours=3)
    stage.plane.publish(stage.plane.endpoint(stage.champion), issued_at=old)
    with pytest.raises(NoAnswer, match="older than its tier permits"):
        run(stage, stage.order(path))
    with pytest.raises(NotFound, match="no endpoint 'other'"):
        run(stage, stage.order(path, endpoint="other"))
    assert stage.logged().num_rows == 0
    assert not list(stage.out.glob("part-*"))


def test_an_altered_artifact_is_not_loaded(stage: Stage) -> None:
    manifest = json.loads(next((stage.plane.published / "manifests").iterdir()).read_bytes())
    stage.plane.blob_path(manifest["serving"]["digest"]).write_bytes(b"not the model")
    with pytest.raises(Untrusted):
        run(stage, stage.order(stage.write(rows(10))))


def test_a_revocation_ends_a_batch_that_runs_and_what_is_done_stays(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelyard.runtime.batch.running.LOOK_EVERY", 0.0)
    order = stage.order(stage.write(rows(500)))

    def revoke(progress: Any) -> None:
        if progress.parts == 2:
            stage.plane.publish(stage.plane.endpoint(stage.champion), revoked=(stage.champion.release,))

    with pytest.raises(NotApproved, match="revoked"):
        Batches(stage.place, told=revoke).run(order)
    assert stage.output().num_rows == stage.logged().num_rows == 200
    assert not (stage.out / "_SUCCESS").exists()
    with pytest.raises(NotApproved, match="revoked"):  # nor can it be gone on with
        run(stage, order)


def test_routes_that_are_signed_anew_do_not_end_a_batch(stage: Stage) -> None:
    """A worker that starts after somebody saw newer routes takes those; what it logs names their epoch."""
    table = rows(250)

    class Late(Inline):
        def run(self, setup: Any, parts: Any) -> Any:
            stage.plane.publish(stage.plane.endpoint(stage.champion))
            assert Plane(stage.place, SystemClock()).now("hold").check.epoch == 2
            yield from super().run(setup, parts)

    stage.require_whole(Batches(stage.place, Late()).run(stage.order(stage.write(table))), table)
    assert set(stage.logged()["epoch"].to_pylist()) == {2}


def test_a_batch_is_never_gone_on_with_by_another_version(stage: Stage) -> None:
    order = stage.order(stage.write(rows(300)))

    def stop(progress: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Batches(stage.place, told=stop).run(order)
    stage.plane.publish(stage.plane.endpoint(stage.plane.arm(99.0, version="ver_2", name="v1")))
    with pytest.raises(NotApproved, match="another version"):
        run(stage, order)


def test_a_changed_input_is_not_mixed_with_what_is_done(stage: Stage) -> None:
    order = stage.order(stage.write(rows(300)))

    def stop(progress: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Batches(stage.place, told=stop).run(order)
    stage.write(rows(300, start=7))
    with pytest.raises(WrongState, match="has changed since"):
        run(stage, order)


def test_the_folder_of_answers_holds_one_batch(stage: Stage) -> None:
    path = stage.write(rows(10))
    stage.out.mkdir()
    (stage.out / "notes.txt").write_text("mine")
    with pytest.raises(WrongState, match=r"is not empty: notes\.txt"):
        run(stage, stage.order(path))
    (stage.out / "notes.txt").unlink()
    run(stage, stage.order(path))
    with pytest.raises(WrongState, match="is not empty"):
        run(stage, stage.order(path, keep=("a",)))


def test_two_processes_do_not_work_at_one_folder(stage: Stage) -> None:
    path = stage.write(rows(200))

    def meddle(progress: Any) -> None:
        with pytest.raises(Busy, match="another process"):
            run(stage, stage.order(path))

    assert Batches(stage.place, told=meddle).run(stage.order(path)).read == 200


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"keep": ("nothing",)}, "'nothing' is not in the input"),
        ({"keep": ("arm",)}, "'arm' is not in the input"),
        ({"key": "nothing"}, "'nothing' is not in the input"),
        ({"log": 1.5}, "no share"),
        ({"arm": "v1", "shares": True}, "exclude each other"),
        ({"inputs": ()}, "no input"),
        ({"inputs": ("/nowhere/at/all.parquet",)}, "there is no input"),
        ({"inputs": ("ftp://host/x.parquet",)}, "no place that can be read"),
    ],
)
def test_a_wrong_order_is_told_before_anything_is_scored(stage: Stage, more: dict[str, Any], words: str) -> None:
    path = stage.write(rows(10))
    with pytest.raises(ModelyardError, match=words):
        run(stage, stage.order(path, **more))
    assert stage.logged().num_rows == 0


def test_a_column_of_a_wrong_type_or_none_is_named_with_its_file(stage: Stage) -> None:
    lacking = stage.write(rows(10).drop_columns(["b"]), "lacking.parquet")
    with pytest.raises(InvalidInput, match=rf"{lacking} has no column 'b'"):
        run(stage, stage.order(lacking))
    words = stage.write(rows(10).set_column(2, "b", pa.array(["x"] * 10)), "words.parquet")
    with pytest.raises(InvalidInput, match="'b' should be FP32, the input has string"):
        run(stage, stage.order(words))


def test_files_with_other_columns_to_keep_are_refused(stage: Stage) -> None:
    one = stage.write(rows(10), "x/1.parquet")
    stage.write(rows(10).append_column("z", pa.array([1] * 10)), "x/2.parquet")
    with pytest.raises(WrongState, match="has other columns to keep"):
        run(stage, stage.order(one.parent))
    assert run(stage, stage.order(one.parent, keep=("customer",))).files == 2


def test_a_part_of_several_slices_is_whole(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelyard.runtime.batch.working.SLICE", 64)
    table = rows(300)
    path = stage.folder / "big.parquet"
    pq.write_table(table, path)
    result = run(stage, stage.order(path))
    assert result.parts == 1
    stage.require_whole(result, table)


@pytest.mark.slow
def test_inputs_are_read_from_a_bucket(
    stage: Stage, s3_options: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_options["endpoint"])
    monkeypatch.setenv("AWS_SKIP_SIGNATURE", "true")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    table = rows(250)
    for number in range(2):
        content = stage.write(table.slice(number * 150, 150)).read_bytes()
        httpx.put(f"{s3_options['endpoint']}/modelyard/in/{number}.parquet", content=content).raise_for_status()
    result = Batches(stage.place).run(stage.order(inputs=("s3://modelyard/in",)))
    assert result.files == 2
    stage.require_whole(result, table)
    with pytest.raises(NotFound, match="there is no input 's3://modelyard/none'"):
        run(stage, stage.order(inputs=("s3://modelyard/none",), out=str(tmp_path / "none")))
