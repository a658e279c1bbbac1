"""How much is taken apart at once: small texts can stand for many objects, each far larger than its braces."""

from __future__ import annotations

from modelyard.core.errors import TooLarge

LONG = 1 << 20
"""Bodies of fewer bytes are not counted: whatever they hold fits."""

MOST_VALUES = 20_000_000
_MOST = 2_000_000


def bounded(body: bytes) -> None:
    """Raises TooLarge when a long JSON body has more lists and objects than a request of the most rows needs."""
    if len(body) > LONG and body.count(b"[") + body.count(b"{") > _MOST:
        raise TooLarge(f"the body has more than {_MOST} lists and objects", hint="send fewer rows at once")


def fits(rows: int, columns: int) -> None:
    """Raises TooLarge for a table of more values than are taken apart at once, however few of them were written down."""
    if rows * columns > MOST_VALUES:
        raise TooLarge(f"{rows} rows of {columns} fields are more than {MOST_VALUES} values", hint="send fewer rows at once")
