"""Rows for the tests of the log."""

from __future__ import annotations

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
