"""Decisions from a runtime, by the Open Inference Protocol (version 2) over HTTP with JSON tensors.

answers = Runtime("http://127.0.0.1:7901").decide("hold", {"origin": ["JFK"], "dep_hour": [17]}, routing_keys=["N14228"])
answers.outputs["probability"], answers.decision_ids
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from modelyard.client.http import Connection
from modelyard.core.errors import InvalidInput, ModelyardError

Rows = Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Answers:
    """Outputs by name (one value a row), the id of each row's decision, and who answered: `groups` as the runtime tells them."""

    outputs: dict[str, list[Any]]
    decision_ids: tuple[str, ...]
    version: str | None
    groups: tuple[dict[str, Any], ...]

    def __len__(self) -> int:
        return len(self.decision_ids)


class Runtime:
    """Asks one runtime. What an endpoint takes is asked once and again after a refusal."""

    def __init__(self, url: str, token: str | None = None, *, timeout: float = 60.0) -> None:
        self._http = Connection(url, token, timeout=timeout)
        self._types: dict[str, dict[str, str]] = {}

    def close(self) -> None:
        self._http.close()

    def metadata(self, endpoint: str) -> dict[str, Any]:
        """What the endpoint takes and gives. Raises NotFound."""
        found: dict[str, Any] = self._http.get(f"//v2/models/{quote(endpoint, safe='')}")
        return found

    def decide(
        self,
        endpoint: str,
        rows: Rows,
        *,
        routing_keys: Sequence[str | int] | str | None = None,
        event_times: Sequence[datetime] | datetime | None = None,
        subjects: Sequence[str | int] | str | None = None,
    ) -> Answers:
        """One answer a row. Not tried again when the connection breaks: an answer may have been logged as a decision.

        Raises InvalidInput (a column is missing or has the wrong type), NotFound, Refused and Unavailable."""
        columns = _columns(rows)
        body = {
            "inputs": _tensors(columns, self._types_of(endpoint)),
            "parameters": _parameters(routing_keys, event_times, subjects),
        }
        try:
            told = self._http.request("POST", f"//v2/models/{quote(endpoint, safe='')}/infer", json=body).json()
        except ModelyardError:
            self._types.pop(endpoint, None)
            raise
        how = told.get("parameters") or {}
        return Answers(
            outputs={o["name"]: _shaped(o) for o in told["outputs"]},
            decision_ids=tuple(how.get("decision_ids") or ()),
            version=told.get("model_version"),
            groups=tuple(how.get("groups") or ()),
        )

    def _types_of(self, endpoint: str) -> dict[str, str]:
        if endpoint not in self._types:
            self._types[endpoint] = {i["name"]: i["datatype"] for i in self.metadata(endpoint).get("inputs", ())}
        return self._types[endpoint]


def _columns(rows: Rows) -> dict[str, list[Any]]:
    """Columns of equal length. Raises InvalidInput for rows that name different fields."""
    if isinstance(rows, Mapping):
        columns = {name: _list(values) for name, values in rows.items()}
    else:
        names = list(rows[0]) if len(rows) else []
        for number, row in enumerate(rows):
            if set(row) != set(names):
                raise InvalidInput(f"row {number} has other fields than row 0", field=f"rows.{number}")
        columns = {name: [row[name] for row in rows] for name in names}
    lengths = {len(values) for values in columns.values()}
    if len(lengths) != 1 or lengths == {0}:
        raise InvalidInput("the columns need one and the same number of rows, at least one", field="rows")
    return columns


def _list(values: Any) -> list[Any]:
    """Plain Python values of a list, an array or a series."""
    return list(values.tolist()) if hasattr(values, "tolist") else list(values)


def _tensors(columns: dict[str, list[Any]], types: dict[str, str]) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "shape": _shape(values),
            "datatype": types.get(name) or _guess(values),
            "data": [_plain(v) for v in values],
        }
        for name, values in columns.items()
    ]


def _shape(values: list[Any]) -> list[int]:
    shape, inner = [len(values)], values[0]
    while isinstance(inner, list):
        shape.append(len(inner))
        inner = inner[0] if inner else None
    return shape


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _guess(values: list[Any]) -> str:
    """The type of a column that the endpoint did not name: the runtime ignores it or says what is wrong."""
    known = [v for v in values if v is not None]
    for kind, name in ((bool, "BOOL"), (int, "INT64"), (float, "FP64")):
        if known and all(isinstance(v, kind) for v in known):
            return name
    return "FP64" if known and all(isinstance(v, int | float) for v in known) else "BYTES"


def _shaped(output: dict[str, Any]) -> list[Any]:
    """An output's values, one a row: those of a vector output are regrouped."""
    data, shape = output["data"], output.get("shape") or []
    width = math.prod(shape[1:])
    return data if len(shape) < 2 else [data[i : i + width] for i in range(0, len(data), width)]


def _parameters(
    keys: Sequence[str | int] | str | None,
    times: Sequence[datetime] | datetime | None,
    subjects: Sequence[str | int] | str | None,
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if keys is not None:
        found["routing_key" if isinstance(keys, str) else "routing_keys"] = keys if isinstance(keys, str) else _list(keys)
    if times is not None:
        found["event_time"] = _time(times) if isinstance(times, datetime) else [_time(t) for t in times]
    if subjects is not None:
        found["subject"] = subjects if isinstance(subjects, str) else _list(subjects)
    return found


def _time(moment: datetime) -> str:
    if moment.tzinfo is None:
        raise InvalidInput("a time without an offset", field="event_times", hint="use timezone-aware datetimes")
    return moment.isoformat()
