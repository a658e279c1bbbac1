"""How the command line ends: what is wrong, where, what to do, and the exit code that says it to a script.

0   done
1   failed: the server, a policy or the state said no
2   wrong usage: the arguments cannot be right
8   waiting for a person: nothing is wrong, somebody has to decide first
130 interrupted by Ctrl-C
"""

from __future__ import annotations

import json
from typing import ClassVar

from modelyard.cli.render import put, safe
from modelyard.core.errors import ModelyardError

DONE, FAILED, WRONG_USAGE, WAITING, INTERRUPTED = 0, 1, 2, 8, 130


class Usage(ModelyardError):
    """The arguments cannot be right, whatever the server holds."""

    code: ClassVar[str] = "wrong_usage"


class Waiting(ModelyardError):
    """Somebody has to decide first."""

    code: ClassVar[str] = "waiting"


def tell(error: ModelyardError, *, as_json: bool) -> int:
    """Say the error on stderr and give the exit code."""
    if as_json:
        told = {"code": error.code, "detail": error.detail, "field": error.field, "hint": error.hint}
        put(json.dumps({k: v for k, v in told.items() if v is not None}))
    else:
        put(f"{'waiting' if isinstance(error, Waiting) else 'error'}: {safe(error.detail)}")
        for word, said in (("at", error.field), ("do", error.hint)):
            if said:
                put(f"  {word}: {safe(said)}")
    return exit_code(error)


def exit_code(error: ModelyardError) -> int:
    if isinstance(error, Usage):
        return WRONG_USAGE
    return WAITING if isinstance(error, Waiting) else FAILED
