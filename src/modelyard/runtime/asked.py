"""What is asked and what is said, whatever the wire: forms (JSON or binary tensors, records, CSV, gRPC) read and write these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from modelyard.runtime.aside import MANY
from modelyard.runtime.protocol import Group, Parameters, TensorIn

Given = TensorIn | np.ndarray[Any, Any] | list[Any]
"""The values of one input as a form read them: JSON that waits for its type, an array whose first axis is the rows, or a list
with one value a row (a vector is a list, a missing value is None)."""

Values = list[Any] | np.ndarray[Any, Any]
"""The values of one field, one a row."""

ReplyHeaders = list[tuple[str, str]]

MOST_ROWS = 100_000
"""So many rows are answered at once, unless a runtime is told otherwise."""


class Headers(Protocol):
    """A request's headers; names in lower case."""

    def get(self, name: str) -> str | None: ...


class Listener(Protocol):
    """Hears an answer piece by piece; `reasons` says why it did not come to its end."""

    reasons: list[str]

    def over(self, model: Any, piecewise: bool) -> Any:
        """The model, to be asked in its place; heard while it answers only if that may be (`piecewise`)."""
        ...


@dataclass(slots=True)
class Asked:
    """One request. `rows` is what the form counted; `outputs` are the names asked for (all when None). `deadline` is when its
    caller gives up (`time.perf_counter` seconds), `trace` a W3C trace id. `version` asks for one live version by name. `reply` is
    what the form that read it keeps to write the answer, `listener` hears the answer while it is made."""

    given: Mapping[str, Given]
    rows: int
    id: str | None = None
    version: str | None = None
    parameters: Parameters | None = None
    outputs: list[str] | None = None
    deadline: float | None = None
    trace: str | None = None
    reply: Any = None
    listener: Listener | None = None

    @property
    def many(self) -> bool:
        """Whether there are more values than should be gone through in the event loop."""
        return self.rows * len(self.given) > MANY


@dataclass(slots=True)
class Column:
    """One output: `shape` is that of a row's value, `values` has one a row."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    values: Values


@dataclass(slots=True)
class Said:
    """The answer to one request; what it says is in the decision log, unless `unlogged`. `ids` has one decision id a row."""

    endpoint: str
    version: str | None
    id: str
    ids: list[str]
    groups: list[Group]
    epoch: int
    rows: int
    outputs: list[Column] = field(default_factory=list)
    unlogged: bool = False


class Form(Protocol):
    """A way to write requests and answers. Stateless; called in the event loop, and for what is long in a thread beside it."""

    def read(self, body: bytes, headers: Headers, inputs: Mapping[str, Any], most_rows: int = MOST_ROWS) -> Asked:
        """The request in a body; `inputs` are the field specs (`FieldSpec`) by name that the endpoint's model takes, empty when
        no model is there. What stands for more than `most_rows` rows is refused before they are made.
        Raises InvalidInput (400), UnsupportedMedia (415) or TooLarge (413)."""
        ...

    def write(self, said: Said, asked: Asked) -> tuple[ReplyHeaders, bytes]:
        """The answer to what this form read, as headers and a body."""
        ...

    def refuse(self, status: int, error: str, cause: Exception | None = None) -> tuple[ReplyHeaders, bytes]:
        """An error in the shape that this form's callers expect; `cause` may say more (its field, what to do)."""
        ...
