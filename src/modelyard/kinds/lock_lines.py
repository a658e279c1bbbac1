"""The lines of an environment lock (requirements, as pip reads them): what catalog and environments both begin with. Pure."""

from __future__ import annotations

import re


def logical_lines(text: str) -> list[tuple[int, str]]:
    """Lines without comments, continued ones joined, each with the number of its first."""
    joined: list[tuple[int, str]] = []
    held, start = "", 0
    for number, raw in enumerate(text.splitlines(), start=1):
        line = re.sub(r"(^|\s)#.*$", "", raw).strip()
        start = start if held else number
        held = f"{held} {line.removesuffix(chr(92)).strip()}".strip()
        if held and not line.endswith("\\"):
            joined.append((start, held))
            held = ""
    return [*joined, (start, held)] if held else joined


def normalized(name: str) -> str:
    """A distribution's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()
