"""Wire forms of the data plane, and which path leads to which.

POST /v2/models/{endpoint}[/versions/{version}]/infer    Open Inference Protocol, version 2
"""

from __future__ import annotations

from dataclasses import dataclass

from modelyard.core.errors import NotFound
from modelyard.runtime.asked import Form
from modelyard.runtime.forms.oip import OpenInference

DEFAULT: Form = OpenInference()


@dataclass(slots=True)
class Door:
    """Where a path leads: the endpoint, the version asked for, and the form in which both sides speak."""

    endpoint: str
    version: str | None
    form: Form


def is_door(path: str) -> bool:
    """Whether a path asks for answers (and so is POSTed to)."""
    return path.startswith("/v2/models/") and path.endswith("/infer")


def door(path: str) -> Door:
    """Where the path leads. Raises NotFound."""
    steps = path.removeprefix("/v2/models/").split("/")
    if len(steps) == 2 and steps[0]:
        return Door(steps[0], None, DEFAULT)
    if len(steps) == 4 and steps[1] == "versions" and steps[0] and steps[2]:
        return Door(steps[0], steps[2], DEFAULT)
    raise NotFound("there is no such path")
