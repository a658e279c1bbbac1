"""What of a lock matters to building: that all of it is pinned and hashed, that it names no address, and its Python."""

from __future__ import annotations

import re

from modelyard.core.errors import InvalidInput
from modelyard.kinds.lock_lines import logical_lines, normalized

_FIELD = "environment_lock"
_HINT = "make the lock with `uv pip compile --universal --generate-hashes`"
_NAME = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?\s*==\s*([^\s;\\]+)")
_HASH = re.compile(r"\s--hash[= ]sha(?:256|384|512):[0-9a-f]{64,128}(?=\s|$)")
_MARKER = re.compile(r"\s*(?:;[^#@\\]*)?$")
_PYTHON = re.compile(r"^#.*?(?:--python-version[= ]|\bpython[:= ]+)(3\.\d{1,2}(?:\.\d{1,3})?)\b", re.MULTILINE)


def requirements(text: str) -> dict[str, tuple[str, ...]]:
    """The pinned versions by normalized name (several where markers choose). Raises InvalidInput, with the line, for one that is
    not pinned or not hashed, for addresses and for options: where packages come from is uv's own configuration alone."""
    found: dict[str, tuple[str, ...]] = {}
    for number, line in logical_lines(text):
        if line.startswith("-"):
            raise InvalidInput(f"line {number}: a lock has no options, as {line[:60]!r}", field=_FIELD, hint=_HINT)
        pin = _NAME.match(line)
        if pin is None:
            raise InvalidInput(
                f"line {number}: {line[:60]!r} is not pinned to one version of a package", field=_FIELD, hint=_HINT
            )
        if not _HASH.search(line):
            raise InvalidInput(f"line {number}: {pin[0]} has no hash", field=_FIELD, hint=_HINT)
        rest = _HASH.sub("", line[pin.end() :])
        if not _MARKER.match(rest) or re.search(r"(?:^|\s)-", rest):
            told = f"line {number}: only a version, a marker and hashes may be said of {pin[1]}, not {rest.strip()[:60]!r}"
            raise InvalidInput(told, field=_FIELD, hint=_HINT)
        name = normalized(pin[1])
        found[name] = (*found.get(name, ()), pin[2])
    return found


def python_of(text: str) -> str:
    """The Python that the lock was made for, as its comments say (`# python: 3.12`, or uv's own header); empty if they do not."""
    found = _PYTHON.search(text)
    return found[1] if found else ""
