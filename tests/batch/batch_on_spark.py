"""`python -m tests.batch.batch_on_spark SOURCE TARGET NAME=VALUE…`: a Parquet file scored by a local Spark, twice."""

from __future__ import annotations

import sys

from pyspark.sql import SparkSession

import modelyard


def main(source: str, target: str, *options: str) -> None:
    given = dict(option.split("=", 1) for option in options)
    spark = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", "60")
        .getOrCreate()
    )
    frame = spark.read.parquet(source).repartitionByRange(3, "customer").sortWithinPartitions("customer")
    answers = modelyard.spark_udf(spark, "hold", **given)(frame)
    assert answers.count() == frame.count()
    answers.toPandas().to_parquet(target)
    spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
