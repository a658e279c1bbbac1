"""Searching the catalog by words and by fields, sorted and paged by the database.

search(tx, VERSION_STATES, "default", "delay kind=ml status=registered number>3", sort="-number")
"""

from __future__ import annotations

import re
import shlex
from typing import Any

from modelyard.core.errors import InvalidInput
from modelyard.core.records import Operator, Page, Query, R, Table, Transaction, Where, equals

_TERM = re.compile(r"^(?P<field>[a-z_]+)(?P<operator>!=|<=|>=|\^=|=|<|>)(?P<value>.*)$", re.DOTALL)
_OPERATORS: dict[str, Operator] = {"=": "eq", "!=": "ne", "<=": "le", ">=": "ge", "<": "lt", ">": "gt", "^=": "prefix"}
GREATEST_SEARCH = 2000


def search(
    tx: Transaction,
    table: Table[R],
    organisation: str,
    text: str = "",
    *,
    sort: str = "-created_at",
    limit: int = 50,
    after: str | None = None,
) -> Page[R]:
    """The organisation's records that match; see `parse` for the text. `sort` is an indexed field, with `-` for descending.

    Raises InvalidInput for a field that is not indexed, a value of the wrong type or a cursor that is not ours.
    """
    where, words = parse(text, table)
    return tx.find(
        table,
        Query(
            where=(equals("organisation", organisation), *where),
            text=words,
            sort=sort.removeprefix("-"),
            descending=sort.startswith("-"),
            limit=limit,
            after=after,
        ),
    )


def parse(text: str, table: Table[Any]) -> tuple[tuple[Where, ...], str]:
    """Conditions and words of a search text.

    A term `field=value` (also `!=`, `<`, `<=`, `>`, `>=`, `^=` for "begins with"; `a,b` for one of several; nothing for
    absent) is a condition, anything else is a word to be found. Quotes hold a term together.
    """
    if len(text) > GREATEST_SEARCH:
        raise InvalidInput(f"a search has at most {GREATEST_SEARCH} characters", field="text")
    try:
        terms = shlex.split(text)
    except ValueError as error:
        raise InvalidInput("a quote is not closed", field="text") from error
    where: list[Where] = []
    words: list[str] = []
    for term in terms:
        found = _TERM.match(term)
        if found is None:
            words.append(term)
        else:
            where.append(_condition(found["field"], found["operator"], found["value"], table))
    return tuple(where), " ".join(words)


def _condition(field: str, operator: str, value: str, table: Table[Any]) -> Where:
    known = {*table.indexed, "id", "revision", "created_at"}
    if field not in known:
        hint = f"search by {', '.join(sorted(known))}"
        raise InvalidInput(f"{table.name} cannot be searched by {field!r}", field=field, hint=hint)
    if operator == "=" and "," in value:
        return Where(field, "in", tuple(value.split(",")))
    absent = value == "" and operator in {"=", "!="}
    return Where(field, _OPERATORS[operator], None if absent else value)
