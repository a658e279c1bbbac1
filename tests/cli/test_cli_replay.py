"""`modelyard replay`: a real log, real models, one command; stopped, killed, given again."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import re
import signal
import subprocess
import sys
import weakref
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
from cli_yard import Run, Said

from modelyard.cli.placing import Placed
from modelyard.cli.replay import replay
from modelyard.core.clock import SystemClock
from modelyard.core.errors import Busy
from modelyard.decisions import DecisionIds, DecisionLog, DecisionReader, Pseudonyms, Window
from modelyard.kinds.signature import DataType, FieldSpec, Role, Signature
from modelyard.runtime.answering import Answering
from modelyard.runtime.asked import Asked
from modelyard.runtime.calls import Hidden
from modelyard.runtime.compose import Runtime, Settings
from modelyard.runtime.limits import Admission
from modelyard.runtime.metrics import Metrics
from modelyard.runtime.protocol import Parameters
from modelyard.runtime.replay import Asking, Question, Replayed
from modelyard.runtime.replay.comparing import Differences
from modelyard.runtime.spool import UseSpool
from modelyard.runtime.uses import FallbackUses
from modelyard.runtime.writer import LogWriter
from modelyard.trust.statements import Arm, ArmRole
from tests.runtime.runtime_stage import ControlPlane

INPUTS = (FieldSpec(name="a", type=DataType.FP32), FieldSpec(name="b", type=DataType.FP32))
OUTPUTS = (FieldSpec(name="late", type=DataType.INT64, role=Role.LABEL), FieldSpec(name="score", type=DataType.FP32))
SIGNATURE = Signature(inputs=INPUTS, outputs=OUTPUTS)
ROWS = 400


@cache
def classifier(bias: float) -> bytes:
    """score = a + b + bias, and late = 1 from a score of 100 on."""
    from onnx import TensorProto, helper

    constants = [("weights", [2, 1], [1.0, 1.0]), ("bias", [1], [bias]), ("line", [1], [100.0])]
    graph = helper.make_graph(
        [
            helper.make_node("Gemm", ["input", "weights", "bias"], ["score"]),
            helper.make_node("GreaterOrEqual", ["score", "line"], ["above"]),
            helper.make_node("Cast", ["above"], ["late"], to=TensorProto.INT64),
        ],
        "classifier",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [None, 2])],
        [
            helper.make_tensor_value_info("late", TensorProto.INT64, [None, 1]),
            helper.make_tensor_value_info("score", TensorProto.FLOAT, [None, 1]),
        ],
        [helper.make_tensor(name, TensorProto.FLOAT, shape, values) for name, shape, values in constants],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return bytes(model.SerializeToString())


@cache
def stubborn(known: int) -> bytes:
    """score = a, and an error for whoever has an `a` of `known` or more."""
    from onnx import TensorProto, helper

    numbers = helper.make_tensor("numbers", TensorProto.FLOAT, [known, 1], [float(n) for n in range(known)])
    first = helper.make_tensor("first", TensorProto.INT64, [1], [0])
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["input"], ["whole"], to=TensorProto.INT64),
            helper.make_node("Gather", ["whole", "first"], ["places"], axis=1),
            helper.make_node("Squeeze", ["places", "one"], ["place"]),
            helper.make_node("Gather", ["numbers", "place"], ["score"]),
        ],
        "stubborn",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [None, 2])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, [None, 1])],
        [numbers, first, helper.make_tensor("one", TensorProto.INT64, [1], [1])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return bytes(model.SerializeToString())


class Stage:
    """An endpoint `hold`: version 1 answers, version 2 (a bias of 20) is a shadow without traffic. The log is below `home`."""

    def __init__(self, folder: Path, rows: int = ROWS, **candidate: Any) -> None:
        self.plane, self.home = ControlPlane(folder), folder / "home"
        self.champion = self.arm(0.0, "1", "champion", 1.0)
        self.shadow = self.arm(20.0, "2", "shadow", 0.0, **candidate)
        self.plane.publish(self.plane.endpoint(self.champion, self.shadow))
        self.log = self.home / "decisions"
        self.reader = DecisionReader(self.log)
        self.decide(rows)

    def arm(self, bias: float, version: str, role: str, share: float, signature: Signature = SIGNATURE, **terms: Any) -> Arm:
        manifest = self.plane.version(classifier(bias), signature)
        release = self.plane.release(manifest, version, **terms)
        return Arm(name=f"v{version}", role=ArmRole(role), release=release, manifest=manifest.digest(), share=share)

    def decide(self, rows: int) -> None:
        """The champion answers rows 0, 1, 2, …, each of a person of its own."""
        runtime = Runtime(Settings(self.home / "runtime", str(self.plane.published), self.plane.roots, "deciding"))
        runtime.step()
        table = runtime.app.table
        assert table is not None
        whose = Parameters(subject=[f"person {n}" for n in range(rows)], event_time="2026-01-02T03:04:05Z")
        asked = Asked({"a": [float(n) for n in range(rows)], "b": [0.0] * rows}, rows, parameters=whose)

        async def work() -> None:
            answering = Answering(writer, DecisionIds(), hidden, Metrics(), lambda *_: None, rows, Admission(10, 1 << 24), uses)
            await answering.answer(table, table.endpoints["hold"], asked, perf_counter())

        hidden = Hidden(Pseudonyms(b"k" * 32))
        uses = FallbackUses("test", UseSpool(self.home / "uses.jsonl"), SystemClock())
        with DecisionLog(self.log, "deciding") as log:
            writer = LogWriter(log)
            asyncio.run(work())
            writer.close()
        runtime.stop()

    def words(self, *more: str, version: str = "2") -> list[str]:
        place = ["--home", str(self.home), "--trust-roots", str(self.plane.roots), "--url", str(self.plane.published)]
        return ["replay", "hold", "--version", version, *place, *more]

    def begun(self, *more: str) -> subprocess.Popen[str]:
        """The command in a process of its own, which has answered a tenth of the window and not all of it."""
        command = [sys.executable, "-m", "modelyard.cli", *self.words(*more)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ.copy())
        assert process.stderr is not None
        line = process.stderr.readline()
        assert f"of {ROWS} decisions" in line, line + process.stderr.read()
        return process

    def shadows(self) -> list[dict[str, Any]]:
        return [row for row in self.reader.scan(Window(shadows=True)).to_pylist() if row["shadow_of"] is not None]

    def require_once(self) -> None:
        """Every decision is repeated once, at its own time and about its own person."""
        first = {row["id"]: row for row in self.reader.scan(Window(endpoint="hold")).to_pylist()}
        shadows = self.shadows()
        assert len(shadows) == len(first)
        assert {row["shadow_of"] for row in shadows} == set(first)
        for row in shadows:
            was = first[row["shadow_of"]]
            assert all(row[name] == was[name] for name in ("inputs", "subject", "event_time", "decision_time"))
            assert (row["role"], row["answered_arm"], row["version"], row["reason"]) == ("shadow", "v2", "2", "replayed")
            assert json.loads(row["output"])["score"] == json.loads(was["output"])["score"] + 20.0


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def result(said: Said) -> dict[str, Any]:
    assert said.code == 0, said.out + said.err
    found: dict[str, Any] = said.json
    return found


def test_a_version_tells_what_it_would_have_said_and_says_it_once(stage: Stage, run: Run) -> None:
    told = result(run(*stage.words("-o", "json")))
    assert (told["total"], told["read"], told["asked"], told["answered"]) == (ROWS, ROWS, ROWS, ROWS)
    assert (told["repeated"], told["unfit"], told["errors"], told["stopped"]) == (0, {}, {}, False)
    assert (told["same"], told["different"]) == (0, ROWS)
    late, score = told["fields"]
    pairs = {(pair["then"], pair["now"]): pair["rows"] for pair in late["pairs"]}
    assert pairs == {("0", "0"): 80, ("0", "1"): 20, ("1", "1"): ROWS - 100}
    assert (late["same"], late["different"]) == (ROWS - 20, 20)
    assert (score["mean"], score["greatest"], score["beyond"], score["numbers"]) == (20.0, 20.0, 1.0, ROWS)
    assert told["latency_then"]["calls"] == ROWS
    assert 0 < told["latency_now"]["p50"] <= told["latency_now"]["p99"]
    stage.require_once()
    assert {row["request"] for row in stage.shadows()} == {told["replay"]}

    lenient = result(run(*stage.words("-o", "json", "--tolerance", "20")))
    assert (lenient["asked"], lenient["repeated"]) == (0, ROWS)
    assert (lenient["same"], lenient["different"], lenient["fields"][1]["beyond"]) == (ROWS - 20, 20, 0.0)
    assert lenient["fields"][0] == late
    stage.require_once()

    anew = result(run(*stage.words("-o", "json", "--again", "audit", "--most", "30")))
    assert (anew["total"], anew["asked"], anew["repeated"]) == (30, 30, 0)
    assert len(stage.shadows()) == ROWS + 30


def test_a_person_reads_a_table_and_what_to_do(stage: Stage, run: Run) -> None:
    said = run(*stage.words("--until", "2999-01-01T00:00:00+00:00"))
    assert said.code == 0, said.err
    lines = [line.split() for line in said.out.splitlines()]
    assert ["late", "0", "1", "20", "5.0%", "different"] in lines
    assert "mean 20, greatest 20, 100.0% beyond the tolerance" in said.out
    assert f"{ROWS} decisions of hold: {ROWS} answered now, 0 by an earlier run" in said.err
    assert f"0 the same, {ROWS} different (100.0%)" in said.err
    assert "latency then p50" in said.err
    empty = run(*stage.words("--until", "2001-01-01T00:00:00+00:00"))
    assert (empty.code, empty.out) == (0, "")
    assert "no decisions in this window" in empty.err
    assert run(*stage.words("--arm", "v9")).err.count("no decisions in this window") == 1


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["--since", "yesterday"], "is no time"),
        (["--since", "2026-01-01T00:00:00"], "has no zone"),
        (["--rate", "0"], "a rate above 0"),
        (["--most", "0"], "one row at least"),
        (["--tolerance=-1"], "a number from 0 on"),
        (["--since", "2026-02-01T00:00:00Z", "--until", "2026-01-01T00:00:00Z"], "ends before it starts"),
        (["--version", "delay:newest"], "names no version"),
        (["--version", "delay:4"], "only the server knows"),
    ],
)
def test_what_cannot_be_right_is_told(run: Run, tmp_path: Path, words: list[str], what: str) -> None:
    roots = tmp_path / "roots.json"
    roots.write_text("{}")
    version = [] if "--version" in words else ["--version", "2"]
    said = run("replay", "hold", *version, "--trust-roots", str(roots), "--url", str(tmp_path), *words)
    assert said.code in (1, 2)
    assert what in said.err


def test_what_nobody_approved_is_not_asked(run: Run, tmp_path: Path) -> None:
    stage = Stage(tmp_path, 3, roles=("challenger",))
    for version in ("2", "7"):
        said = run(*stage.words(version=version))
        assert said.code == 1
        assert f"version '{version}' is on no arm of endpoint 'hold' that may serve" in said.err
        assert "permits challenger, not shadow" in said.err
        assert "modelyard deploy hold RELEASE --role shadow --share 0" in said.err
    live = stage.arm(20.0, "2", "champion", 1.0, roles=("champion",))
    stage.plane.publish(stage.plane.endpoint(live))
    said = run(*stage.words())
    assert said.code == 1
    assert "may not be replayed" in said.err
    assert "have it released for the role shadow" in said.err
    assert stage.shadows() == []


def test_rows_that_do_not_fit_are_counted_by_field(run: Run, tmp_path: Path) -> None:
    narrow = INPUTS[0].model_copy(update={"maximum": 9.0}), INPUTS[1]
    stage = Stage(tmp_path, 50, signature=Signature(inputs=narrow, outputs=OUTPUTS))
    told = result(run(*stage.words("-o", "json")))
    assert (told["read"], told["answered"], told["unfit"]) == (50, 10, {"a": 40})
    assert told["same"] + told["different"] == 10


def test_a_killed_replay_goes_on_and_answers_nothing_twice(stage: Stage, run: Run) -> None:
    process = stage.begun("--rate", "40")
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=20)
    before = len(stage.shadows())
    assert 0 < before < ROWS
    told = result(run(*stage.words("-o", "json")))
    assert (told["repeated"], told["answered"]) == (before, ROWS - before)
    assert (told["same"], told["different"], told["fields"][0]["different"]) == (0, ROWS, 20)
    stage.require_once()


def test_ctrl_c_keeps_what_was_answered_and_says_how_far_it_came(stage: Stage, run: Run) -> None:
    process = stage.begun("--rate", "40", "-o", "table")
    second = run(*stage.words())
    assert second.code == 1
    assert "another process replays the same" in second.err
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    before = len(stage.shadows())
    assert process.returncode == 130
    assert 0 < before < ROWS
    assert f"stopped after {before} of {ROWS} decisions" in err
    assert "give the same command again to go on" in err
    assert result(run(*stage.words("-o", "json")))["repeated"] == before
    stage.require_once()


def test_a_version_that_is_taken_away_is_not_asked_on(stage: Stage, run: Run) -> None:
    process = stage.begun("--rate", "40")
    stage.plane.publish(stage.plane.endpoint(stage.champion))
    _, err = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "is on no arm of endpoint 'hold' that may serve" in err
    assert 0 < len(stage.shadows()) < ROWS


def test_rows_that_a_model_cannot_answer_are_counted_and_hurt_no_others(stage: Stage, run: Run) -> None:
    manifest = stage.plane.version(stubborn(100), Signature(inputs=INPUTS, outputs=OUTPUTS[1:]))
    release = stage.plane.release(manifest, "3")
    third = Arm(name="v3", role=ArmRole.SHADOW, release=release, manifest=manifest.digest(), share=0.0)
    stage.plane.publish(stage.plane.endpoint(stage.champion, third))
    told = result(run(*stage.words("-o", "json", version="3")))
    assert (told["answered"], sum(told["errors"].values())) == (100, ROWS - 100)
    assert (told["same"], told["different"]) == (100, 0)
    again = result(run(*stage.words("-o", "json", version="3")))
    assert (again["repeated"], again["asked"], again["answered"]) == (100, ROWS - 100, 0)


def test_what_the_log_may_not_have_in_clear_is_not_compared(stage: Stage, run: Run) -> None:
    policy = {"protect": {"late": "mask", "score": "hash"}}
    stage.plane.publish(stage.plane.endpoint(stage.champion, stage.shadow, policy=policy))
    told = result(run(*stage.words("-o", "json")))
    assert told["hidden"] == ["late"]
    assert (told["answered"], told["uncompared"], told["same"], told["different"]) == (ROWS, ROWS, 0, 0)
    said = run(*stage.words())
    assert f"{ROWS} cannot be compared" in said.err
    assert "late is not compared" in said.err


def test_answers_are_compared_by_what_they_are() -> None:
    specs = (
        FieldSpec(name="text", type=DataType.BYTES),
        FieldSpec(name="many", type=DataType.FP64, shape=(2,)),
        FieldSpec(name="count", type=DataType.INT32),
    )
    found = Differences(specs, (), 0.5)
    for then, now in (
        ({"text": "yes", "many": [1.0, 2.0], "count": 3}, {"text": "yes", "many": [1.5, 2.0], "count": 3}),
        ({"text": "yes", "many": [1.0, 2.0], "count": None}, {"text": "no", "many": [1.0, 4.0], "count": 3}),
        ({"text": None, "many": [1.0], "count": None}, {"text": None, "many": [1.0, 2.0], "count": None}),
        ({"text": "hash:1", "more": 1}, {"text": "clear", "more": 1}),
        ({"text": "hash:1"}, {"text": "hash:1"}),
    ):
        found.take(json.dumps(then), json.dumps(now))
    found.take(None, json.dumps({"text": "yes"}))
    text, many, count = found.fields()
    assert (found.same, found.different, found.uncompared) == (2, 2, 2)
    assert {(p.then, p.now): p.rows for p in text.pairs} == {
        ('"yes"', '"yes"'): 1,
        ('"yes"', '"no"'): 1,
        ("null", "null"): 1,
        ('"hash:1"', '"hash:1"'): 1,
    }
    assert (many.numbers, many.mean, many.greatest, many.beyond, many.rows) == (2, 0.625, 2.0, 0.5, 3)
    assert (count.same, count.different, count.numbers, count.mean) == (2, 1, 1, 0.0)


def test_however_many_answers_there_are_few_are_held() -> None:
    found = Differences((FieldSpec(name="text", type=DataType.BYTES),), (), 0.0)
    for n in range(3000):
        found.take(json.dumps({"text": str(n)}), json.dumps({"text": "same"}))
    long = Differences((FieldSpec(name="text", type=DataType.BYTES),), (), 0.0)
    long.take(json.dumps({"text": "x" * 900 + "y"}), json.dumps({"text": "x" * 900 + "z"}))
    assert [pair.then == pair.now for pair in long.fields()[0].pairs] == [False]
    assert len(long.fields()[0].pairs[0].then) < 300
    (field,) = found.fields()
    assert (len(field.pairs), field.others, field.different) == (1000, 2000, 3000)


class Counting(DecisionReader):
    """Knows how many rows of what it read are held by anybody, and how many were at most."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.held = self.most = self.read = 0

    def batches(self, window: Window, columns: Sequence[str] | None = None) -> Iterator[Any]:
        for batch in super().batches(window, columns):
            self.held += batch.num_rows
            self.read += batch.num_rows
            self.most = max(self.most, self.held)
            weakref.finalize(batch, self._let_go, batch.num_rows)
            yield batch

    def scan(self, window: Window, columns: Sequence[str] | None = None, limit: int | None = None) -> Any:
        raise AssertionError("a scan holds the whole window")

    def _let_go(self, rows: int) -> None:
        self.held -= rows


def asked(stage: Stage, reader: DecisionReader) -> Replayed:
    """All of the log, asked again of the shadow that a runtime has loaded."""
    runtime = Runtime(Settings(stage.home / "runtime", str(stage.plane.published), stage.plane.roots, "asking"))
    runtime.step()
    table = runtime.app.table
    assert table is not None
    endpoint = table.endpoints["hold"]
    with DecisionLog(stage.log, "replaying") as log:
        writer = LogWriter(log)
        asking = Asking(reader, endpoint.shadows[0], endpoint, table, writer, Hidden(Pseudonyms(b"k" * 32)))
        done = asyncio.run(asking.replay(Question(endpoint="hold", version="2", rate=1e6)))
        writer.close()
    runtime.stop()
    return done


class Rewritten(DecisionReader):
    """Of a log that is rewritten while the window is read for the first time."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.times = 0

    def batches(self, window: Window, columns: Sequence[str] | None = None) -> Iterator[Any]:
        self.times += 1
        for batch in super().batches(window, columns):
            if self.times == 2:
                yield batch.slice(0, 300)
                raise Busy("the log was rewritten while it was read")
            yield batch


def test_a_log_that_is_rewritten_meanwhile_is_read_again(stage: Stage) -> None:
    done = asked(stage, Rewritten(stage.log))
    assert (done.read, done.repeated, done.answered, done.different) == (ROWS, 300, ROWS - 300, ROWS)
    stage.require_once()


def test_a_long_window_is_never_held_whole(tmp_path: Path) -> None:
    batch, batches = 500, 24
    stage = Stage(tmp_path, batch)
    for _ in range(batches - 1):
        stage.decide(batch)
    reader = Counting(stage.log)
    done = asked(stage, reader)
    assert (done.total, done.answered) == (batch * batches, batch * batches)
    assert reader.read == 2 * batch * batches  # counted, then read
    assert reader.most <= 3 * batch


GUIDE = (Path(__file__).parents[2] / "docs" / "how-to" / "replay-decisions.md").read_text(encoding="utf-8")


def test_the_guide_says_what_the_command_takes_and_its_code_works(stage: Stage) -> None:
    known = {name.replace("_", "-") for some in (replay, Placed) for name in inspect.signature(some).parameters}
    told = set(re.findall(r"--([a-z][a-z-]+)", " ".join(re.findall(r"(?:`--|modelyard replay)[^`\n]*", GUIDE))))
    assert told
    assert told <= known
    names: dict[str, Any] = {}
    for block in re.findall(r"^```python\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL):
        exec(block, names)
    done = names["replayed"](str(stage.plane.published), stage.plane.roots, stage.home)
    assert (done.answered, done.different) == (ROWS, ROWS)
