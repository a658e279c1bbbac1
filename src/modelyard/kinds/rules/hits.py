"""How often each rule of each table fired: what coverage counts, and what monitors compare over time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from modelyard.dmn.engine import Model, Result
from modelyard.dmn.hit_policies import MULTIPLE
from modelyard.dmn.tables import TableInfo
from modelyard.kinds.contract import Batch
from modelyard.kinds.rules.evaluating import Evaluation

NONE = "none"
"""What is observed where a table was asked and no rule fired."""
FIRED, SILENT = "fired", "silent"
_MOST_SINGLE_RULES = 50
_MOST_COLUMNS = 500
_LONGEST_NAME = 150
Hits = Mapping[str, Sequence[int] | None]
"""Of one row: the rules that fired by table (from 1, in order), None for a table that was not asked."""


def hit_counts(evaluation: Evaluation, batch: Batch) -> dict[str, dict[str, int]]:
    """How often each rule fired in the rows, by table and rule number ("1", "2", …), with "none" for rows where none did.

    A rule that did not fire counts 0. A table that a decision asks several times in a row counts each rule once a row.
    """
    tables = names(evaluation.model)
    found = {name: dict.fromkeys([*(str(n + 1) for n in range(len(t.table.rules))), NONE], 0) for name, t in tables.items()}
    for hits in _rows(evaluation, batch):
        for name, rules in hits.items():
            if rules is not None:
                for rule in map(str, rules or (NONE,)):
                    found[name][rule] += 1
    return found


def observed(evaluation: Evaluation, batch: Batch) -> Batch:
    """A column a table: the number of the rule that fired, "none", or None where the table was not asked.

    Of tables whose hit policy lets several rules fire, a column a rule: "fired" or "silent" (large ones: a column with all
    numbers, "1+3").
    """
    rows = list(_rows(evaluation, batch))
    columns: Batch = {}
    for name, table in names(evaluation.model).items():
        each = [hits[name] for hits in rows]
        count = len(table.table.rules)
        if table.table.hit_policy in MULTIPLE and count <= _MOST_SINGLE_RULES:
            for rule in range(1, count + 1):
                columns[f"{name} rule {rule}"] = _texts([None if h is None else FIRED if rule in h else SILENT for h in each])
        else:
            columns[name] = _texts([None if h is None else "+".join(map(str, h)) or NONE for h in each])
    return dict(list(columns.items())[:_MOST_COLUMNS])


def names(model: Model) -> dict[str, TableInfo]:
    """The model's tables by the names of their owners; further ones of one owner are numbered."""
    found: dict[str, TableInfo] = {}
    seen: Counter[str] = Counter()
    for table in model.tables:
        owner = table.owner[:_LONGEST_NAME]
        seen[owner] += 1
        found[owner if seen[owner] == 1 else f"{owner} ({seen[owner]})"] = table
    return found


def _rows(evaluation: Evaluation, batch: Batch) -> Iterator[Hits]:
    tables = names(evaluation.model)
    by_element = {table.table.id or table.owner: name for name, table in tables.items()}
    for _, results in evaluation.traced(batch):
        yield _of_row(by_element, tables, results)


def _of_row(by_element: Mapping[str, str], tables: Mapping[str, TableInfo], results: Sequence[Result]) -> Hits:
    fired: dict[str, set[int] | None] = dict.fromkeys(tables)
    for result in results:
        for node in result.trace.nodes if result.trace else ():
            for trace in node.tables:
                name = by_element.get(trace.element)
                if name is not None:
                    fired[name] = (fired[name] or set()) | {rule.index for rule in trace.rules}
    return {name: None if rules is None else sorted(rules) for name, rules in fired.items()}


def _texts(values: list[str | None]) -> np.ndarray[tuple[int], np.dtype[np.object_]]:
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column
