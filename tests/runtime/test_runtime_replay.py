"""Mirrored replay: what was decided is asked again of a shadow, and its answers are logged beside the first ones."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from time import perf_counter

import pytest
from runtime_stage import ControlPlane

from modelyard.core.clock import SystemClock
from modelyard.core.errors import InvalidInput
from modelyard.decisions import DecisionIds, DecisionLog, DecisionReader, Pseudonyms, Window
from modelyard.runtime.answering import Answering
from modelyard.runtime.asked import Asked
from modelyard.runtime.calls import Hidden
from modelyard.runtime.compose import Runtime, Settings
from modelyard.runtime.limits import Admission
from modelyard.runtime.metrics import Metrics
from modelyard.runtime.replay import Asking, Question, Replayed
from modelyard.runtime.spool import UseSpool
from modelyard.runtime.uses import FallbackUses
from modelyard.runtime.writer import LogWriter

ROWS = 600


def test_a_window_of_the_log_is_answered_by_a_shadow(tmp_path: Path) -> None:
    plane = ControlPlane(tmp_path)
    plane.publish(plane.endpoint(plane.arm(10.0, "1"), plane.arm(40.0, "4", "shadow", 1.0)))
    runtime = Runtime(Settings(tmp_path / "home", str(plane.published), plane.roots, "replaying"))
    runtime.step()
    table = runtime.app.table
    assert table is not None
    endpoint = table.endpoints["hold"]
    ids, hidden = DecisionIds(), Hidden(Pseudonyms(b"k" * 32))
    uses = FallbackUses("test", UseSpool(tmp_path / "uses.jsonl"), SystemClock())

    async def work() -> tuple[Replayed, float]:
        answering = Answering(writer, ids, hidden, Metrics(), lambda *_: None, ROWS, Admission(10, 1 << 20), uses)
        for first in (0, 300):
            given = {"a": [float(first + n) for n in range(300)], "b": [1.0] * 300}
            await answering.answer(table, endpoint, Asked(given, 300), perf_counter())
        started, (shadow,) = perf_counter(), endpoint.shadows
        asking = Asking(reader, shadow, endpoint, table, writer, hidden)
        done = await asking.replay(Question(endpoint="hold", version="4"))
        with pytest.raises(InvalidInput, match="rate above 0"):
            await asking.replay(Question(endpoint="hold", version="4", rate=0.0))
        return done, perf_counter() - started

    reader = DecisionReader(tmp_path / "log")
    with DecisionLog(tmp_path / "log", "replay") as log:
        writer = LogWriter(log)
        done, took = asyncio.run(work())
        writer.close()
    runtime.stop()
    assert (done.answered, done.unfit, done.different) == (ROWS, {}, ROWS)
    assert took >= 512 / 2000.0  # the last of the groups of 256 may not begin sooner
    logged = {row["id"]: row for row in reader.scan(Window(endpoint="hold")).to_pylist()}
    shadows = reader.scan(Window(endpoint="hold", arms=("shadow",))).to_pylist()
    assert len(shadows) == len({row["shadow_of"] for row in shadows}) == ROWS == len(logged)
    for row in shadows:
        first = logged[row["shadow_of"]]
        assert all(row[name] == first[name] for name in ("inputs", "unit", "subject", "event_time"))
        assert (row["version"], row["reason"]) == ("4", "replayed")
        assert json.loads(row["output"])["prediction"] == json.loads(first["output"])["prediction"] + 30.0
