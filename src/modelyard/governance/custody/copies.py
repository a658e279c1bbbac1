"""Files beside the log that hold what it holds: found before rows leave the log, rewritten afterwards. Pure but for the port."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from modelyard.governance.custody.model import CopyFate, CopyTold


class HeldCopies(Protocol):
    """Answers that the platform wrote for batches, wherever it can still reach them."""

    def find(self, decisions: Sequence[str], batches: Sequence[str] | None = None) -> list[CopyTold]:
        """Every file that has rows of these decisions or should have (of these batches, if some are named)."""
        ...

    def rewrite(self, found: CopyTold, decisions: Sequence[str]) -> CopyTold:
        """Take the rows out of a file that was found, and tell what became of it. Safe to repeat."""
        ...


def merged(known: Iterable[CopyTold], news: Iterable[CopyTold]) -> tuple[CopyTold, ...]:
    """What is known of each file with the news of it. A file that was rewritten and is gone since stays rewritten; one in which
    more was found counts both. A batch that was waited for is forgotten when it has ended."""
    told = {(one.batch, one.file): one for one in known}
    for one in news:
        place = (one.batch, one.file)
        before = told.get(place)
        if one.fate is not CopyFate.SEEN:
            told[place] = one if before is None else _after(before, one)
        elif before is not None and before.fate is CopyFate.WAITING:
            del told[place]
    return tuple(sorted(told.values(), key=lambda one: (one.batch, one.file)))


def _after(before: CopyTold, news: CopyTold) -> CopyTold:
    if news.fate is CopyFate.GONE and before.fate in (CopyFate.REWRITTEN, CopyFate.REMOVED):
        return before
    if news.fate is not CopyFate.FOUND or before.fate not in (CopyFate.REWRITTEN, CopyFate.FOUND):
        return news
    rows = before.rows + news.rows if before.fate is CopyFate.REWRITTEN else max(before.rows, news.rows)
    return news.model_copy(update={"rows": rows})


def changed(told: Iterable[CopyTold]) -> list[str]:
    """The batches of which files were rewritten or removed."""
    return sorted({one.batch for one in told if one.fate in (CopyFate.REWRITTEN, CopyFate.REMOVED)})


def looked_into(told: Sequence[CopyTold], again: Iterable[CopyTold]) -> tuple[CopyTold, ...]:
    """What became of files, once they were looked into again: one that has rows of the person still, or anew, is not done. What
    is said of a file that could not be rewritten stays."""
    left = {(one.batch, one.file) for one in told if one.fate is CopyFate.FOUND}
    return merged(told, (one for one in again if one.fate is CopyFate.FOUND and (one.batch, one.file) not in left))


def open_batches(told: Iterable[CopyTold]) -> list[str]:
    """The batches that have files which are still to be rewritten, or waited for."""
    return sorted({one.batch for one in told if one.fate in (CopyFate.FOUND, CopyFate.WAITING)})


def waiting(told: Iterable[CopyTold]) -> list[str]:
    """The batches that have to end first."""
    return sorted({one.batch for one in told if one.fate is CopyFate.WAITING})
