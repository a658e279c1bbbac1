"""Wire forms of the data plane, and which path leads to which.

POST /v2/models/{endpoint}[/versions/{version}]/infer              Open Inference Protocol, version 2 (JSON, bytes, Arrow)
POST /v2/models/{endpoint}[/versions/{version}]/generate_stream    records in, server-sent events out
POST /decide/{endpoint}[/versions/{version}]                       records (JSON, Arrow); events when the caller accepts them
POST /invocations, /endpoints/{endpoint}/invocations               MLflow's scoring protocol (/serving-endpoints/… as well)
"""

from __future__ import annotations

from dataclasses import dataclass

from modelyard.core.errors import NotFound
from modelyard.runtime.asked import Form
from modelyard.runtime.forms.decide import Decide
from modelyard.runtime.forms.invocations import Invocations
from modelyard.runtime.forms.oip import OpenInference

DEFAULT: Form = OpenInference()
DECIDE: Form = Decide()
_INVOCATIONS: Form = Invocations()

_MODELS, _DECISIONS = "/v2/models/", "/decide/"
_ENDPOINTS = ("/endpoints/", "/serving-endpoints/")
_ENDINGS = ("/infer", "/generate_stream")
_MOST_REMEMBERED = 1024


@dataclass(slots=True)
class Door:
    """Where a path leads: the endpoint ("" for the only one there is), the version asked for, the form in which both sides speak,
    and whether the answer streams (always, never, or as the caller accepts it)."""

    endpoint: str
    version: str | None
    form: Form
    streams: bool | None = False


_remembered: dict[str, Door] = {}


def is_door(path: str) -> bool:
    """Whether a path asks for answers (and so is POSTed to)."""
    return path in _remembered or (
        (path.startswith(_MODELS) and path.endswith(_ENDINGS))
        or path.startswith(_DECISIONS)
        or path == "/invocations"
        or (path.startswith(_ENDPOINTS) and path.endswith("/invocations"))
    )


def door(path: str) -> Door:
    """Where the path leads. Raises NotFound."""
    found = _remembered.get(path)
    if found is None:
        found = _looked_up(path)
        if len(_remembered) >= _MOST_REMEMBERED:
            _remembered.clear()
        _remembered[path] = found
    return found


def form_of(path: str) -> Form:
    """The form in which to refuse what comes by this path, wherever it leads."""
    if path.startswith(_DECISIONS) or path.endswith("/generate_stream"):
        return DECIDE
    return _INVOCATIONS if path.endswith("/invocations") else DEFAULT


def _looked_up(path: str) -> Door:
    if path == "/invocations":
        return Door("", None, _INVOCATIONS)
    if path.startswith(_ENDPOINTS):
        return _door(path.partition("endpoints/")[2].removesuffix("/invocations"), _INVOCATIONS, False)
    if path.startswith(_DECISIONS):
        return _door(path.removeprefix(_DECISIONS), DECIDE, None)
    steps, _, asked = path.removeprefix(_MODELS).rpartition("/")
    return _door(steps, DEFAULT, False) if asked == "infer" else _door(steps, DECIDE, True)


def _door(path: str, form: Form, streams: bool | None) -> Door:
    steps = path.split("/")
    if len(steps) == 1 and steps[0]:
        return Door(steps[0], None, form, streams)
    if len(steps) == 3 and steps[1] == "versions" and steps[0] and steps[2]:
        return Door(steps[0], steps[2], form, streams)
    raise NotFound("there is no such path")
