"""Dask data frames scored by what was released: `modelyard.dask(frame, "hold", log="/shared/log")`."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from modelyard.runtime.batch import frames


def dask(frame: Any, endpoint: str, **options: Any) -> Any:
    """The frame with the columns that are kept and the answers, decision ids, arms and versions beside them, lazily.

    `options` are those of `frames.Options`. The release is verified here and in every worker of Dask; the workers need Modelyard
    installed and must reach the control plane. A partition that is computed twice is logged once. Raises as `frames.begin`.
    """
    import dask.dataframe as dd
    from dask import delayed

    beginning, scorer = frames.begin(endpoint, frames.Options(**options))
    names = [str(name) for name in frame.columns]
    scorer.require_columns(names, "the data frame")
    keep, needed = scorer.keep(names), scorer.columns(names)
    sent = beginning.encode()
    outputs = scorer.schema(pa.schema([(name, pa.null()) for name in names])).names[len(keep) :]
    nothing = frame._meta
    meta = _beside(nothing[keep], _answers(scorer.schema(pa.schema([(n, pa.null()) for n in names])).empty_table(), outputs))
    score = delayed(_partition)
    parts = [score(part, sent, number, keep, needed, outputs, meta) for number, part in enumerate(frame.to_delayed())]
    return dd.from_delayed(parts, meta=meta, divisions=frame.divisions, verify_meta=False)


def _partition(
    rows: Any, beginning: bytes, number: int, keep: list[str], needed: list[str], outputs: list[str], meta: Any
) -> Any:
    table = pa.Table.from_pandas(rows[needed], preserve_index=False)
    answered = list(frames.answers(beginning, number, 0, table))
    if not answered:
        return meta
    return _beside(rows[keep], _answers(pa.concat_tables(answered), outputs))


def _answers(table: Any, outputs: list[str]) -> Any:
    """What was added, as pandas has it; arms and versions as text."""
    chosen = table.select(outputs)
    plain = [pa.field(f.name, f.type.value_type if pa.types.is_dictionary(f.type) else f.type) for f in chosen.schema]
    return chosen.cast(pa.schema(plain)).to_pandas()


def _beside(kept: Any, answers: Any) -> Any:
    import pandas as pd

    answers.index = kept.index
    return pd.concat([kept, answers], axis=1)
