"""A stage for batches: a control plane in a folder, input files, and what must hold of every finished batch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from modelyard.decisions import DecisionReader, Window
from modelyard.runtime.batch import Order, Place, Result
from tests.runtime.runtime_stage import ControlPlane

BIAS = 10.0


def rows(count: int, start: int = 0) -> Any:
    """A table of rows that fit, with a key that tells them apart."""
    numbers = np.arange(start, start + count)
    return pa.table(
        {
            "customer": pa.array([f"c{n:07d}" for n in numbers.tolist()]),
            "a": pa.array(numbers, pa.float32()),
            "b": pa.array(numbers % 100, pa.float64()),
        }
    )


class Stage:
    """An endpoint `hold` with a champion `v1` (prediction = a + b + 10)."""

    def __init__(self, folder: Path, **endpoint: Any) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.plane = ControlPlane(folder)
        self.champion = self.plane.arm(BIAS, version="ver_1", name="v1")
        self.endpoint = endpoint
        self.plane.publish(self.plane.endpoint(self.champion, **endpoint))
        self.place = Place(
            home=folder / "home", source=str(self.plane.published), trust_roots=self.plane.roots, log=folder / "log"
        )
        self.out = folder / "out"

    def write(self, table: Any, name: str = "in.parquet", group: int = 100) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, path, row_group_size=group)
        return path

    def order(self, *inputs: Path, **more: Any) -> Order:
        found = tuple(str(path) for path in inputs)
        return Order(**({"endpoint": "hold", "inputs": found, "out": str(self.out), "part_rows": 100} | more))

    def output(self) -> Any:
        """The answers, in the order of the parts."""
        return pa.concat_tables([pq.read_table(path, partitioning=None) for path in sorted(self.out.glob("part-*.parquet"))])

    def logged(self) -> Any:
        return DecisionReader(self.place.log).scan(Window(endpoint="hold")).sort_by("id")

    def rejects(self) -> list[dict[str, Any]]:
        files = sorted(self.out.glob("_rejects/*.jsonl"))
        return [json.loads(line) for path in files for line in path.read_text().splitlines()]

    def require_whole(self, result: Result, table: Any) -> None:
        """Every row of the table is answered rightly, once, in the output and in the log, and both tell the same."""
        output, log = self.output(), self.logged()
        assert output["customer"].to_pylist() == table["customer"].to_pylist()
        wanted = table["a"].to_numpy() + table["b"].to_numpy().astype(np.float32) + np.float32(BIAS)
        assert np.array_equal(output["prediction"].to_numpy(), wanted)
        ids = output["decision_id"].to_pylist()
        assert ids == sorted(set(ids))
        assert log["id"].to_pylist() == ids
        told = [json.loads(text)["prediction"] for text in log["output"].to_pylist()]
        assert np.array_equal(np.array(told, np.float32), wanted)
        assert set(log["request"].to_pylist()) == {result.batch}
        assert (result.read, result.answered, result.logged) == (len(ids), len(ids), len(ids))
