"""Regular expressions of `matches`, `replace` and `split`, with bounded time (DMN 1.5, 10.3.4.3, footnote 2).

The syntax is that of XPath (Functions and Operators 3.1, 5.6.1), which is XML Schema's with anchors, back-references and
reluctant quantifiers, and the flags s m i x q. A pattern is checked against that grammar and written anew for the engine (the
distribution `regex`, for its time limit, categories and blocks), so nothing of the engine's own syntax shines through.

As XPath asks, `replace` and `split` refuse a pattern that matches the empty string. Errors are `PatternError`; FEEL makes null of
them.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import regex as engine

from modelyard.dmn.errors import LimitExceeded
from modelyard.dmn.feel.regex_syntax import ANY_FLAG, PatternError, Translation, literal, translate
from modelyard.dmn.run import Run

__all__ = ["PatternError", "matches", "replace", "split"]

_STEPS_PER_SECOND: Final = 1_000_000
"""What time spent on matching counts for in the steps of an evaluation, so that a loop over slow patterns ends too."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern ready to use. `groups` counts the capturing groups; `plain` says that flag q was given."""

    code: engine.Pattern[str]
    groups: int
    plain: bool


class _Search:
    """Searches for one call of a function, all within one time limit."""

    def __init__(self, run: Run, pattern: Pattern) -> None:
        self.run, self.pattern = run, pattern
        self.began = time.perf_counter()

    def find(self, text: str, start: int = 0) -> engine.Match[str] | None:
        left = self.run.limits.regex_seconds - (time.perf_counter() - self.began)
        try:
            if left <= 0:
                raise TimeoutError
            return self.pattern.code.search(text, start, timeout=left)
        except (TimeoutError, MemoryError) as error:
            detail = f"a regular expression took more than {self.run.limits.regex_seconds:g} seconds"
            raise LimitExceeded(detail, element=self.run.element) from error

    def ended(self) -> None:
        self.run.step(int((time.perf_counter() - self.began) * _STEPS_PER_SECOND))

    def refuse_empty(self) -> None:
        if self.find("") is not None:
            raise PatternError("the pattern matches the empty string")


def matches(run: Run, text: str, pattern: str, flags: str) -> bool:
    """Whether some part of the text matches. Raises PatternError and LimitExceeded."""
    search = _Search(run, _pattern(pattern, flags))
    found = search.find(text) is not None
    search.ended()
    return found


def replace(run: Run, text: str, pattern: str, replacement: str, flags: str) -> str:
    """Every match replaced; `$1` stands for a group, `$0` for the match, `\\$` and `\\\\` for themselves.

    Raises PatternError and LimitExceeded."""
    ready = _pattern(pattern, flags)
    parts = [replacement] if ready.plain else _replacement(replacement, ready.groups)
    search = _Search(run, ready)
    search.refuse_empty()
    made: list[str] = []
    length = end = 0
    for found in _each(search, text):
        piece = text[end : found.start()] + "".join(_filled(part, found) for part in parts)
        made.append(piece)
        length += len(piece)
        run.room(length)
        end = found.end()
    search.ended()
    run.length(length + len(text) - end)
    return "".join([*made, text[end:]])


def split(run: Run, text: str, pattern: str) -> list[str]:
    """The parts of the text between matches, empty ones too. Raises PatternError and LimitExceeded."""
    search = _Search(run, _pattern(pattern, ""))
    search.refuse_empty()
    parts: list[str] = []
    end = 0
    for found in _each(search, text):
        parts.append(text[end : found.start()])
        end = found.end()
    search.ended()
    run.size(len(parts) + 1)
    run.length(len(text))
    return [*parts, text[end:]]


def _each(search: _Search, text: str) -> list[engine.Match[str]]:
    found: list[engine.Match[str]] = []
    at = 0
    while at <= len(text):
        match = search.find(text, at)
        if match is None:
            break
        search.run.step()
        found.append(match)
        at = max(match.end(), match.start() + 1)
    return found


@lru_cache(maxsize=512)
def _pattern(pattern: str, flags: str) -> Pattern:
    for flag in flags:
        if flag not in ANY_FLAG:
            raise PatternError(f"{flag!r} is not a flag; the flags are s, m, i, x and q")
    plain = "q" in flags
    translation = Translation(literal(pattern), 0) if plain else translate(pattern, flags)
    try:
        code = engine.compile(translation.text, engine.VERSION0 | (engine.IGNORECASE if "i" in flags else 0), cache_pattern=False)
    except (engine.error, OverflowError, RecursionError, MemoryError) as error:
        raise PatternError(f"the pattern cannot be used: {error}") from error
    return Pattern(code, translation.groups, plain)


def _replacement(text: str, groups: int) -> list[str | int]:
    """The literal parts and the numbers of groups, in order (F&O 5.6.4)."""
    parts: list[str | int] = []
    at = 0
    while at < len(text):
        char, following = text[at], text[at + 1 : at + 2]
        at += 1
        if char == "\\":
            if following not in ("\\", "$"):
                raise PatternError("in a replacement \\ goes before \\ or $ alone")
            parts.append(following)
            at += 1
        elif char == "$":
            number, at = _group(text, at, groups)
            parts.append(number)
        else:
            parts.append(char)
    return parts


def _group(text: str, at: int, groups: int) -> tuple[int, int]:
    """A group's number, of as many digits as there is such a group, and where the text goes on."""
    if text[at : at + 1] not in set("0123456789"):
        raise PatternError("in a replacement $ goes before a digit, or after \\")
    number = int(text[at])
    at += 1
    while text[at : at + 1] in set("0123456789") and number * 10 + int(text[at]) <= groups:
        number = number * 10 + int(text[at])
        at += 1
    return number, at


def _filled(part: str | int, found: engine.Match[str]) -> str:
    if isinstance(part, str):
        return part
    return (found[part] or "") if part <= len(found.groups()) else ""
