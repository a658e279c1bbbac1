"""What one would write by hand: row groups to onnxruntime to Parquet. No routing, no check, no log, no resumption.

In several processes, each takes its share of the row groups to a file of its own: what this machine gives for the work alone,
which memory may hold back before the processors do.
"""

from __future__ import annotations

import multiprocessing
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.batch.stage import NAMES


def loops(model: bytes, source: Path, target: Path, count: int) -> int:
    """`loop` in so many processes; how many rows were answered."""
    context = multiprocessing.get_context("fork")  # the quickest start that there is
    with context.Pool(count) as pool:
        parts = [(model, source, target.with_suffix(f".{place}.parquet"), place, count) for place in range(count)]
        return sum(pool.starmap(loop, parts))


def loop(model: bytes, source: Path, target: Path, first: int = 0, step: int = 1) -> int:
    """How many rows were answered."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    opened = pq.ParquetFile(source)
    writer: Any = None
    done = 0
    for group in range(first, opened.num_row_groups, step):
        rows = opened.read_row_group(group, use_threads=False)
        matrix = np.column_stack([rows[feature].to_numpy() for feature in NAMES])
        label, probability = session.run(None, {name: matrix})
        answers = pa.table({"customer": rows["customer"], "label": label, "probability": probability[:, 1]})
        writer = writer or pq.ParquetWriter(target, answers.schema)
        writer.write_table(answers)
        done += answers.num_rows
    if writer is not None:
        writer.close()
    return done
