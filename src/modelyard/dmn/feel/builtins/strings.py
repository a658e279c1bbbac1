"""String functions (DMN 1.5, 10.3.4.3). Positions and lengths count characters (code points)."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from modelyard.dmn.feel import regex
from modelyard.dmn.feel.builtins.registry import builtin
from modelyard.dmn.feel.semantics import shown
from modelyard.dmn.feel.values import Value
from modelyard.dmn.run import Run


@builtin("string: string, start position: number, [length: number]")
def substring(run: Run, string: str, start_position: Decimal, length: Decimal | None = None) -> str | None:
    """As footnote 1 has it: a position or a length outside of the string gives null."""
    part = window(run, "substring", len(string), start_position, length)
    if part is None:
        return None
    run.length(part.stop - part.start)
    return string[part]


def window(run: Run, name: str, size: int, start: Decimal, length: Decimal | None) -> slice | None:
    """`length` elements (or all) from the position `start` of `size` ones; null beyond them, or if `start` is no whole number.

    Of a length with a fraction the whole part counts."""
    first = position(run, name, size, start)
    if first is None:
        return None
    if length is None:
        return slice(first, size)
    if not 1 <= length <= size - first:
        run.null(f"{name}() wants a length from 1 to {size - first}, not {length}")
        return None
    return slice(first, first + int(length))


def position(run: Run, name: str, size: int, given: Decimal) -> int | None:
    """A position counted from 1, or from -1 backwards, as an index from 0; null when there is no such position among `size`."""
    if not given or abs(given) > size or given != int(given):
        run.null(f"{name}() wants a position from 1 to {size} or from -{size} to -1, not {given}")
        return None
    return int(given) - 1 if given > 0 else size + int(given)


@builtin("string: string")
def string_length(run: Run, string: str) -> Decimal:
    return Decimal(len(string))


@builtin("string: string")
def upper_case(run: Run, string: str) -> str:
    run.length(len(string))
    return string.upper()


@builtin("string: string")
def lower_case(run: Run, string: str) -> str:
    run.length(len(string))
    return string.lower()


@builtin("string: string, match: string")
def substring_before(run: Run, string: str, match: str) -> str:
    """Empty when there is no match."""
    before, found, _ = _parted(run, string, match)
    return before if found else ""


@builtin("string: string, match: string")
def substring_after(run: Run, string: str, match: str) -> str:
    """Empty when there is no match."""
    return _parted(run, string, match)[2]


def _parted(run: Run, string: str, match: str) -> tuple[str, bool, str]:
    run.length(len(string))
    at = string.find(match)
    return ("", False, "") if at < 0 else (string[:at], True, string[at + len(match) :])


@builtin("string: string, match: string")
def contains(run: Run, string: str, match: str) -> bool:
    run.scan(len(string))
    return match in string


@builtin("string: string, match: string")
def starts_with(run: Run, string: str, match: str) -> bool:
    return string.startswith(match)


@builtin("string: string, match: string")
def ends_with(run: Run, string: str, match: str) -> bool:
    return string.endswith(match)


@builtin("input: string, pattern: string, [flags: string?]")
def matches(run: Run, input_: str, pattern: str, flags: str | None = None) -> Value:
    return _checked(run, "matches", lambda: regex.matches(run, input_, pattern, flags or ""))


@builtin("input: string, pattern: string, replacement: string, [flags: string?]")
def replace(run: Run, input_: str, pattern: str, replacement: str, flags: str | None = None) -> Value:
    return _checked(run, "replace", lambda: regex.replace(run, input_, pattern, replacement, flags or ""))


@builtin("string: string, delimiter: string")
def split(run: Run, string: str, delimiter: str) -> Value:
    """The delimiter is a pattern; the parts between two delimiters may be empty."""
    return _checked(run, "split", lambda: regex.split(run, string, delimiter))


def _checked(run: Run, name: str, found: Callable[[], Value]) -> Value:
    """What XPath calls an error is null."""
    try:
        return found()
    except regex.PatternError as error:
        return run.null(f"{name}(): {error}")


@builtin("list: list, [delimiter: string?]")
def string_join(run: Run, list_: list[Value], delimiter: str | None = None) -> Value:
    """Nulls are left out; without a delimiter the strings are joined as they are."""
    kept = [item for item in list_ if item is not None]
    run.step(len(kept))
    length = 0
    for item in kept:
        if type(item) is not str:
            return run.null(f"string join() wants a list of strings, not {shown(item)} in it")
        length += len(item)
    joint = delimiter or ""
    run.length(length + len(joint) * max(0, len(kept) - 1))
    return joint.join(kept)
