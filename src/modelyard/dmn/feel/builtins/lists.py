"""List functions (DMN 1.5, 10.3.4.4) and `sort` (10.3.4.9)."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from modelyard.dmn.feel.builtins.registry import builtin
from modelyard.dmn.feel.builtins.strings import position as position_in
from modelyard.dmn.feel.builtins.strings import window
from modelyard.dmn.feel.semantics import same, shown
from modelyard.dmn.feel.values import FeelFunction, Value
from modelyard.dmn.run import Run

_HASHED = frozenset({Decimal, str, bool, type(None)})
"""The types whose equality in FEEL is that of Python within the type."""


@builtin("list: list, element: any?")
def list_contains(run: Run, list_: list[Value], element: Value) -> bool:
    run.step(len(list_))
    return any(same(item, element, run) for item in list_)


@builtin("list: list")
def count(run: Run, list_: list[Value]) -> Decimal:
    return Decimal(len(list_))


@builtin("list: list, start position: number, [length: number]")
def sublist(run: Run, list_: list[Value], start_position: Decimal, length: Decimal | None = None) -> list[Value] | None:
    part = window(run, "sublist", len(list_), start_position, length)
    return None if part is None else _made(run, list_[part])


@builtin("list: list, item: any?, *items: any?")
def append(run: Run, list_: list[Value], item: Value, items: list[Value]) -> list[Value]:
    run.size(len(list_) + 1 + len(items))
    return [*list_, item, *items]


@builtin("list: list, *lists: list")
def concatenate(run: Run, list_: list[Value], lists: list[list[Value]]) -> list[Value]:
    run.size(len(list_) + sum(map(len, lists)))
    return [item for part in (list_, *lists) for item in part]


@builtin("list: list, position: number, newItem: any?")
def insert_before(run: Run, list_: list[Value], position: Decimal, new_item: Value) -> list[Value] | None:
    index = position_in(run, "insert before", len(list_), position)
    return None if index is None else _made(run, [*list_[:index], new_item, *list_[index:]])


@builtin("list: list, position: number")
def remove(run: Run, list_: list[Value], position: Decimal) -> list[Value] | None:
    index = position_in(run, "remove", len(list_), position)
    return None if index is None else _made(run, [*list_[:index], *list_[index + 1 :]])


@builtin("list: list, position: number, newItem: any?", name="list replace")
def replace_at(run: Run, list_: list[Value], position: Decimal, new_item: Value) -> list[Value] | None:
    index = position_in(run, "list replace", len(list_), position)
    return None if index is None else _made(run, [*list_[:index], new_item, *list_[index + 1 :]])


@builtin("list: list, match: function, newItem: any?", name="list replace")
def replace_where(run: Run, list_: list[Value], match: FeelFunction, new_item: Value) -> Value:
    """`match` is called with each item and the new one; what it gives that is no boolean makes the whole null."""
    run.size(len(list_))
    made = []
    for item in list_:
        matched = match.call(run, (item, new_item))
        if type(matched) is not bool:
            return run.null(f"list replace(): 'match' gave {shown(matched)}, not a boolean")
        made.append(new_item if matched else item)
    return made


@builtin("list: list")
def reverse(run: Run, list_: list[Value]) -> list[Value]:
    return _made(run, list_[::-1])


@builtin("list: list, match: any?")
def index_of(run: Run, list_: list[Value], match: Value) -> list[Decimal]:
    run.size(len(list_))
    return [Decimal(place) for place, item in enumerate(list_, start=1) if same(item, match, run)]


@builtin("list: list, *lists: list")
def union(run: Run, list_: list[Value], lists: list[list[Value]]) -> list[Value]:
    return _distinct(run, (item for part in (list_, *lists) for item in part))


@builtin("list: list")
def distinct_values(run: Run, list_: list[Value]) -> list[Value]:
    return _distinct(run, list_)


def _distinct(run: Run, items: Iterable[Value]) -> list[Value]:
    """The first of each that are equal, in order."""
    known: set[tuple[type, Value]] = set()
    others: dict[type, list[Value]] = {}
    kept: list[Value] = []
    for item in items:
        kind = type(item)
        run.step()
        if kind in _HASHED:
            if (kind, item) in known:
                continue
            known.add((kind, item))
        else:
            alike = others.setdefault(kind, [])
            run.step(len(alike))
            if any(same(item, other, run) for other in alike):
                continue
            alike.append(item)
        kept.append(item)
    return _made(run, kept)


@builtin("list: list")
def flatten(run: Run, list_: list[Value]) -> list[Value]:
    flat: list[Value] = []
    open_lists = [iter(list_)]
    while open_lists:
        for item in open_lists[-1]:
            run.step()
            if type(item) is list:
                open_lists.append(iter(item))
                break
            flat.append(item)
        else:
            open_lists.pop()
    return _made(run, flat)


def _made(run: Run, list_: list[Value]) -> list[Value]:
    run.size(len(list_))
    return list_


class _NoOrder(Exception):
    """`precedes` gave something else than a boolean; ends the sort."""


@builtin("list: list, precedes: function")
def sort(run: Run, list_: list[Value], precedes: FeelFunction) -> Value:
    """Stable. `precedes` is called with pairs of items; what it gives that is no boolean makes the whole null."""

    class Key:
        __slots__ = ("item",)

        def __init__(self, item: Value) -> None:
            self.item = item

        def __lt__(self, other: Key) -> bool:
            before = precedes.call(run, (self.item, other.item))
            if type(before) is not bool:
                raise _NoOrder(shown(before))
            return before

    run.size(len(list_))
    try:
        return sorted(list_, key=Key)
    except _NoOrder as error:
        return run.null(f"sort(): 'precedes' gave {error}, not a boolean")
