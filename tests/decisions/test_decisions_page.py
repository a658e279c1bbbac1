"""The guide to reading the log says what works: its code runs as it stands."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from decision_rows import rows

from modelyard.decisions import DecisionIds, DecisionLog, DecisionReader, Outcome, OutcomeLog, Window

PAGE = Path(__file__).parents[2] / "docs/how-to/read-the-decision-log.md"


def test_the_guide_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    root = tmp_path / ".modelyard/runtime/decisions"
    ids = DecisionIds().mint(3)
    at = int((datetime.now(UTC) - timedelta(days=1)).timestamp() * 1_000_000)
    with DecisionLog(root, "runtime") as log:
        made = rows(ids, at=at, endpoint="credit", use_case="credit")
        made.rows = {**made.rows, "inputs": ['{"amount":10}', '{"amount":20}', "{}"]}
        log.append(made)
    with OutcomeLog(tmp_path / ".modelyard/outcomes", "api", DecisionReader(root)) as outcomes:
        outcomes.post([Outcome(ids[0], {"repaid": True}, "ledger", maturity=60)])
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    place: dict[str, Any] = {"some_id": ids[0]}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), place)
    assert len(blocks) == 8
    assert place["decision"]["id"] == ids[0]
    assert place["week"].num_rows == 3
    assert place["amounts"]["amount"].to_pylist() == [10, 20, None]
    assert place["late"].late == 1
    assert DecisionReader(root).scan(Window(use_case="credit")).num_rows == 4
    told = capsys.readouterr().out
    assert "champion" in told
    assert "Backfilled(added=1, repeated=0)" in told
