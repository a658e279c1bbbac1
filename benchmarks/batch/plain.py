"""What one would write by hand: row groups to onnxruntime to Parquet. No routing, no check, no log, no resumption."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.batch.stage import NAMES


def loop(model: bytes, source: Path, target: Path) -> int:
    """How many rows were answered."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    opened = pq.ParquetFile(source)
    writer: Any = None
    for group in range(opened.num_row_groups):
        rows = opened.read_row_group(group, use_threads=False)
        matrix = np.column_stack([rows[feature].to_numpy() for feature in NAMES])
        label, probability = session.run(None, {name: matrix})
        answers = pa.table({"customer": rows["customer"], "label": label, "probability": probability[:, 1]})
        writer = writer or pq.ParquetWriter(target, answers.schema)
        writer.write_table(answers)
    writer.close()
    return int(opened.metadata.num_rows)
