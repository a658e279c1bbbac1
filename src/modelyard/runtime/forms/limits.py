"""How much is taken apart at once: few bytes can stand for many rows, lists or values, each far larger than what was written.

Whatever stands for too much is refused before anything is made of it, so that no body holds up the others.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from math import prod
from typing import Any

import msgspec

from modelyard.core.errors import InvalidInput, TooLarge

LONG = 1 << 16
"""Bodies of more bytes are taken apart beside the event loop."""

MOST_VALUES = 20_000_000
MOST_UNWRITTEN = 1_000_000
"""Values beyond the number of the body's bytes: nulls that were left out, bits of Arrow, texts that stand for many rows."""

MOST_STRANGE = 1_000
"""Fields that the endpoint's model does not know: others may know some, nobody knows thousands."""

_MOST = 2_000_000


def bounded(body: bytes) -> None:
    """Raises TooLarge when a JSON body has more lists and objects than a request of the most rows needs."""
    if len(body) > _MOST and body.count(b"[") + body.count(b"{") > _MOST:
        raise TooLarge(f"the body has more than {_MOST} lists and objects", hint="send fewer rows at once")


def few_enough(rows: int, most: int, field: str | None) -> None:
    """Raises InvalidInput for more rows than are answered at once."""
    if rows > most:
        raise InvalidInput(f"{rows} rows; 1 to {most} are answered at once", field=field, hint="send fewer rows at once")


def fits(rows: int, columns: int, written: int) -> None:
    """Raises TooLarge for a table of more values than are taken apart at once, or of far more than its body has bytes
    (`written`)."""
    values = rows * columns
    if values > MOST_VALUES:
        raise TooLarge(f"{rows} rows of {columns} fields are more than {MOST_VALUES} values", hint="send fewer rows at once")
    if values > max(MOST_UNWRITTEN, written):
        detail = f"{rows} rows of {columns} fields are {values} values in {written} bytes"
        raise TooLarge(f"{detail}; at most {MOST_UNWRITTEN} may be left unwritten", hint="send fewer rows at once")


def known_enough(strangers: int, name: str) -> None:
    """Raises InvalidInput for more unknown fields than anybody could know; `name` is one of them."""
    if strangers > MOST_STRANGE:
        raise InvalidInput(f"unknown input {name!r:.80}, and {strangers - 1} others", field=name)


def lists_fit(name: str, value: bytes | msgspec.Raw, shape: tuple[int, ...]) -> None:
    """Raises InvalidInput when a vector as JSON has far more lists than its shape needs: each costs as much as many numbers."""
    if len(value) > 1000 and bytes(value).count(b"[") > 8 * (prod(shape) + len(shape)):
        raise InvalidInput(f"input {name!r:.80} has more lists than its shape {list(shape)[:8]} needs", field=name)


def decoded(decode: Callable[[bytes], Any], body: bytes) -> Any:
    """What `decode` makes of a body. Decoding makes objects and no garbage: the collector, which comes by after every so many
    objects, would take several times as long as the decoding itself, all the time holding the interpreter."""
    if len(body) <= LONG or not gc.isenabled():
        return decode(body)
    gc.disable()
    try:
        return decode(body)
    finally:
        gc.enable()
