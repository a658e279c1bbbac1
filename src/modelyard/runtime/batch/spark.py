"""Spark data frames scored by what was released: `modelyard.spark_udf(spark, "hold", log="/shared/log")(frame)`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa

from modelyard.runtime.batch import frames


def spark_udf(spark: Any, endpoint: str, **options: Any) -> Callable[[Any], Any]:
    """A function from a data frame to one with the answers, decision ids, arms and versions beside the columns that are kept.

    `options` are those of `frames.Options`. The release is verified here and in every worker of Spark; the workers need Modelyard
    installed and must reach the control plane. Computing a frame twice logs its decisions once as long as its partitions and the
    order of their rows stay. Raises as `frames.begin`.
    """
    beginning, scorer = frames.begin(endpoint, frames.Options(**options))
    sent = beginning.encode()

    def score(frame: Any) -> Any:
        from pyspark.sql.pandas.types import from_arrow_schema, to_arrow_schema

        given = to_arrow_schema(frame.schema)
        scorer.require_columns(given.names, "the data frame")
        made = _plain(scorer.schema(given))
        return frame.select(*scorer.columns(given.names)).mapInArrow(_mapping(sent, made), from_arrow_schema(made))

    return score


def _mapping(beginning: bytes, schema: Any) -> Callable[[Iterator[Any]], Iterator[Any]]:
    def over(batches: Iterator[Any]) -> Iterator[Any]:
        from pyspark import TaskContext

        context = TaskContext.get()
        partition, first = context.partitionId() if context is not None else 0, 0
        for batch in batches:
            for answered in frames.answers(beginning, partition, first, pa.Table.from_batches([batch])):
                yield from answered.cast(schema).to_batches()
            first += batch.num_rows

    return over


def _plain(schema: Any) -> Any:
    """Spark knows no dictionaries and no lists of a fixed length."""
    fields = []
    for field in schema:
        kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        kind = pa.list_(kind.value_type) if pa.types.is_fixed_size_list(kind) else kind
        fields.append(pa.field(field.name, kind))
    return pa.schema(fields)
