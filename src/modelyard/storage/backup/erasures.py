"""Nobody comes back with a backup: who was erased after it was taken is erased in what is restored, before anybody reads it.

The list is what `modelyard erasure export` writes, or what a worker keeps at MODELYARD_ERASURES_FILE:

    {"format": "modelyard-erasures/1", "erasures": [{"subject": "<pseudonym>", "until": "2026-05-04T09:00:00Z"}]}
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import msgspec

from modelyard.core.errors import InvalidInput, NotFound, Untrusted
from modelyard.decisions import Erasures, Keeper

FORMAT = "modelyard-erasures/1"


class _Told(msgspec.Struct, frozen=True):
    subject: str
    until: datetime


class _List(msgspec.Struct, frozen=True):
    format: str
    erasures: list[_Told]


def read_list(path: Path) -> dict[str, datetime]:
    """The erased by pseudonym, with the moment up to which their decisions are gone. Raises NotFound, InvalidInput."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=_List)
    except FileNotFoundError as error:
        raise NotFound(f"there is no list of erasures at {path}", field="erasures") from error
    except (OSError, msgspec.DecodeError) as error:
        raise InvalidInput(f"{path} is no list of erasures: {error}", field="erasures") from error
    if found.format != FORMAT:
        raise InvalidInput(f"a list of erasures of the form {found.format!r:.60}", field="erasures", hint=f"this is {FORMAT}")
    return {told.subject: told.until for told in found.erasures}


def reapply(decisions: Path, outcomes: Path, erased: Mapping[str, datetime]) -> int:
    """Remove their rows from a restored log that nobody writes; says how many decisions that were. Raises Untrusted when
    something of them is left, LogDamaged."""
    if not erased or not decisions.is_dir():
        return 0
    for subject, until in erased.items():
        Erasures(decisions).add([subject], until)
    keeper = Keeper(decisions, outcomes)
    last = max(erased, key=lambda subject: erased[subject])
    done = keeper.erase([last], erased[last])  # with one, all that are on the list go
    left = keeper.verify_erased(list(erased))
    if left:
        raise Untrusted(f"{left} traces of erased people are left in what was restored", hint="nothing was restored")
    return done.decisions
