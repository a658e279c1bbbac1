"""Reading environment locks: hashed requirements as pip and uv write them (`name==1.2 ; marker \\ --hash=sha256:…`)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from modelyard.core.errors import InvalidInput, TooLarge
from modelyard.kinds.lock_lines import logical_lines, normalized

GREATEST_LOCK = 8 * 1024 * 1024
_PIN = re.compile(r"^(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?\s*==\s*(?P<version>[^\s;,]+)\s*(?:;\s*(?P<marker>.+))?$")
_URL = re.compile(r"^(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?\s*@\s*(?P<url>[^\s;]+)\s*(?:;\s*(?P<marker>.+))?$")
_HASH = re.compile(r"--hash[= ](\S+)")


@dataclass(frozen=True)
class Pin:
    """One locked distribution under a marker (empty: always); `name` is normalized (PEP 503)."""

    name: str
    version: str
    marker: str
    hashes: frozenset[str]


def pins(text: str) -> tuple[Pin, ...]:
    """All pins of a lock, in its order. Raises InvalidInput with the line for a requirement that is not pinned exactly."""
    if len(text) > GREATEST_LOCK:
        raise TooLarge(f"a lock has at most {GREATEST_LOCK} characters", field="environment_lock")
    return tuple(_pin(number, line) for number, line in logical_lines(text) if not line.startswith("-"))


def _pin(number: int, line: str) -> Pin:
    requirement = _HASH.sub("", line).strip()
    found = _PIN.match(requirement) or _URL.match(requirement)
    if found is None:
        raise InvalidInput(
            f"line {number}: {requirement[:100]!r} is not pinned to one version",
            field="environment_lock",
            hint="make the lock with `uv pip compile --universal --generate-hashes`",
        )
    parts = found.groupdict()
    return Pin(
        name=normalized(parts["name"]),
        version=parts.get("version") or parts["url"],
        marker=(parts["marker"] or "").strip(),
        hashes=frozenset(_HASH.findall(line)),
    )
