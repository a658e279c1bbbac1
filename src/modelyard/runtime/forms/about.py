"""What the runtime says of itself besides answers: server metadata, MLflow's probes, and the index of what it serves."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any

import msgspec

from modelyard.core.errors import Forbidden, InvalidInput, NotFound
from modelyard.runtime.table import Table

EXTENSIONS = ("binary_tensor_data", "model_repository(index)", "modelyard_records", "modelyard_arrow", "modelyard_events")
"""Of Triton's extensions, those that are whole; then forms of our own (see `forms`)."""

INDEX = "/v2/repository/index"
_REPOSITORY = "/v2/repository/"
_LARGEST_QUESTION = 64 << 10


class _Question(msgspec.Struct):
    ready: bool = False


try:
    VERSION = version("modelyard")
except PackageNotFoundError:  # run from a checkout that was never installed
    VERSION = "0.0.0"


PROBES: dict[str, bytes | str] = {
    "/v2/health/live": b'{"live":true}',
    "/v2/health/ready": b'{"ready":true}',
    "/ping": "\n",
    "/health": "\n",
    "/version": VERSION,
}
"""What is answered to probes; to those in `NEED_ROUTES` only once a route snapshot was accepted."""

NEED_ROUTES = frozenset({"/v2/health/ready", "/ping", "/health"})


def server() -> dict[str, Any]:
    """The protocol's server metadata."""
    return {"name": "modelyard", "version": VERSION, "extensions": list(EXTENSIONS)}


def sole(table: Table) -> str:
    """The name of the only endpoint. Raises NotFound when there are more, or none."""
    names = [*table.endpoints, *table.refused]
    if len(names) != 1:
        hint = ", ".join(f"/endpoints/{name}/invocations" for name in names[:5])
        raise NotFound(f"there are {len(names)} endpoints: say which", hint=hint or None)
    return names[0]


def is_probe(path: str) -> bool:
    """Whether the path asks for health: some clients POST to it."""
    return path.startswith("/v2/health/") or (path.startswith("/v2/models/") and path.endswith("/ready"))


def is_repository(path: str) -> bool:
    """Whether the path belongs to Triton's repository extension."""
    return path.startswith(_REPOSITORY)


def repository(path: str, body: bytes, table: Table) -> bytes:
    """The index of champions and challengers. Raises Forbidden when the caller wants to load or unload: governance decides."""
    if path != INDEX:
        if path.endswith(("/load", "/unload")):
            raise Forbidden("what is loaded is decided by releases", hint="route a released version to an endpoint")
        raise NotFound(f"there is no {path[:80]}")
    try:
        question = msgspec.json.decode(body, type=_Question) if body.strip() else _Question()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput(f"not a question for the index: {error}") from error
    rows = [row for row in _index(table) if row["state"] == "READY" or not question.ready]
    return msgspec.json.encode(rows)


def _index(table: Table) -> list[dict[str, str]]:
    rows = []
    for name, endpoint in table.endpoints.items():
        for slot in endpoint.live:
            if slot.arm is None:
                rows.append({"name": name, "version": "", "state": "UNAVAILABLE", "reason": slot.refused})
            elif not slot.arm.model.ready():
                reason = slot.arm.model.progress
                rows.append({"name": name, "version": slot.arm.version, "state": "LOADING", "reason": reason})
            else:
                rows.append({"name": name, "version": slot.arm.version, "state": "READY", "reason": ""})
    rows.extend({"name": n, "version": "", "state": "UNAVAILABLE", "reason": why} for n, why in table.refused.items())
    return rows
