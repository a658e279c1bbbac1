"""Modelyard: the whole governed life of every model that makes or informs a business decision.

score = modelyard.spark_udf(spark, "hold", log="/shared/decisions")     # Spark data frames
answers = modelyard.dask(frame, "hold", log="/shared/decisions")        # Dask data frames
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_ADAPTERS = {"spark_udf": "modelyard.runtime.batch.spark", "dask": "modelyard.runtime.batch.on_dask"}
"""Adapters to other engines, by name: looked up when they are asked for, so that no room depends on the data plane by us."""


def __getattr__(name: str) -> Any:
    if name not in _ADAPTERS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_ADAPTERS[name]), name)
