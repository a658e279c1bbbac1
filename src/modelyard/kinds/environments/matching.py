"""Whether the platform's own environment can run what a version needs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version

from modelyard.kinds.lock_lines import normalized

_NAME = re.compile(r"^\s*([A-Za-z0-9][A-Za-z0-9._-]*)")


def lacking(needs: Iterable[str], pins: Mapping[str, tuple[str, ...]], *, exactly: bool) -> str | None:
    """Why the platform's environment will not do, or None when it will.

    `needs` are requirements by name (PEP 508; only the name counts: the lock says which version). With `exactly`, a version that
    the lock pins must be the one that is installed, as for formats that depend on the code that wrote them.
    """
    for need in needs:
        found = _NAME.match(need)
        if found is None:
            return f"{need!r} cannot be looked up"
        name = normalized(found[1])
        try:
            here = version(name)
        except PackageNotFoundError:
            return f"{name} is not installed here"
        if exactly and name in pins and here not in pins[name]:
            return f"it was made with {name} {' or '.join(pins[name])}, here is {here}"
    return None
