"""The fields inside `inputs` and `output`: JSON text in the log, typed columns for whoever computes with them."""

from __future__ import annotations

from collections.abc import Iterable
from io import BytesIO
from typing import Any

import pyarrow as pa


def fields(table: Any, column: str = "inputs", names: Iterable[str] | None = None) -> Any:
    """An Arrow table with one typed column a field of the JSON objects in a text column; rows and their order stay.

    A field that a row lacks is null there. `names` selects fields (those nobody has come as null columns).
    """
    from pyarrow import json

    texts = [text or "{}" for text in table[column].to_pylist()]
    options = json.ReadOptions(block_size=max(1 << 20, 2 * max(map(len, texts), default=0)))
    found = json.read_json(BytesIO("\n".join(texts).encode()), read_options=options) if texts else pa.table({})
    if names is None:
        return found
    columns = {name: found[name] if name in found.column_names else pa.nulls(len(texts)) for name in names}
    return pa.table(columns)
