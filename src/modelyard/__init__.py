"""Modelyard: the whole governed life of every model that makes or informs a business decision.

score = modelyard.spark_udf(spark, "hold", log="/shared/decisions")     # Spark data frames
answers = modelyard.dask(frame, "hold", log="/shared/decisions")        # Dask data frames
"""

from typing import Any

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Adapters to other engines are imported when they are asked for."""
    if name == "spark_udf":
        from modelyard.runtime.batch.spark import spark_udf

        return spark_udf
    if name == "dask":
        from modelyard.runtime.batch.on_dask import dask

        return dask
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
