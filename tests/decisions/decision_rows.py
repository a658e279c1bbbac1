"""Rows for the tests of the log."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from modelyard.decisions import Rows

SHARED: dict[str, Any] = {
    "organisation": "default",
    "use_case": "connections",
    "endpoint": "hold",
    "requested_arm": "champion",
    "answered_arm": "champion",
    "role": "champion",
    "manifest": "sha256:" + "a" * 64,
    "release": "sha256:" + "b" * 64,
    "epoch": 7,
    "probability": 0.9,
}
SECOND = 1_000_000


def rows(ids: list[str], at: int = 0, **shared: Any) -> Rows:
    """One row an id; inputs and output say which id they belong to, so that a mixed-up row shows."""
    columns = {
        "id": ids,
        "inputs": [f'{{"key":"{i}"}}' for i in ids],
        "output": [f'{{"answer":"{i}"}}' for i in ids],
        "decision_time": [at + n for n in range(len(ids))],
    }
    return Rows(len(ids), columns, SHARED | shared)


def consistent(table: Any) -> list[str]:
    """The ids of a table, once every row is seen to be whole."""
    for row in table.to_pylist():
        assert row["inputs"] == f'{{"key":"{row["id"]}"}}'
        assert row["output"] == f'{{"answer":"{row["id"]}"}}'
        assert row["schema_version"] == 1
        assert row["endpoint"]
    ids: list[str] = table["id"].to_pylist()
    return ids


def long_ago(root: Path) -> None:
    """All under the root was written at the same time, and not within the last second, as far as times of files tell."""
    at = 1_700_000_000
    for path in [*root.rglob("*.seg"), *root.glob("*.json"), *root.rglob("_delta_log")]:
        os.utime(path, (at, at))


_WRITER = """
import sys, pathlib, itertools
sys.path.insert(0, sys.argv[2])
from decision_rows import rows
from modelyard.decisions import DecisionLog, Limits
log = DecisionLog(pathlib.Path(sys.argv[1]), "w", limits=Limits(**{sys.argv[4]: int(sys.argv[5])}))
for n in itertools.count():
    batch = [f"dec_{sys.argv[3]}_{n}_{k}" for k in range(n % 7 + 1)]
    log.append(rows(batch))
    print(*batch, flush=True)
"""


def writing(root: Path, name: str, **limit: int) -> list[str]:
    """The command of a process that logs under `w` without end, with one limit, and prints the ids when they are in the log."""
    ((what, size),) = limit.items()
    return [sys.executable, "-c", _WRITER, str(root), str(Path(__file__).parent), name, what, str(size)]
