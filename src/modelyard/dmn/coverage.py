"""How much of a model's decision tables evaluations have used: which rules fired, which conditions were both true and false."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from modelyard.dmn.feel.values import Value
from modelyard.dmn.model import HitPolicy
from modelyard.dmn.run import Limits, Run, TableTrace, Trace, system_clock
from modelyard.dmn.table_index import Column, rules_of
from modelyard.dmn.tables import TableInfo


@dataclass(frozen=True, slots=True)
class Condition:
    """A cell that tests something ("-" does not): `rule` and `column` count from 1."""

    rule: int
    column: int
    text: str
    was_true: bool
    was_false: bool


@dataclass(frozen=True, slots=True)
class TableCoverage:
    """One table. `element` is its id, else the name of its owner; `fired` are the rules that matched at least once, from 1."""

    element: str
    owner: str
    evaluations: int
    rules: int
    fired: tuple[int, ...]
    conditions: tuple[Condition, ...]

    @property
    def unfired(self) -> tuple[int, ...]:
        fired = set(self.fired)
        return tuple(rule for rule in range(1, self.rules + 1) if rule not in fired)

    @property
    def uncovered(self) -> tuple[Condition, ...]:
        """The conditions that were not both true and false."""
        return tuple(condition for condition in self.conditions if not (condition.was_true and condition.was_false))

    @property
    def rule_share(self) -> float:
        return _share(len(self.fired), self.rules)

    @property
    def condition_share(self) -> float:
        """Of all conditions, each counted once for true and once for false."""
        return _share(sum(c.was_true + c.was_false for c in self.conditions), 2 * len(self.conditions))


@dataclass(frozen=True, slots=True)
class Coverage:
    tables: tuple[TableCoverage, ...]

    @property
    def rule_share(self) -> float:
        return _share(sum(len(table.fired) for table in self.tables), sum(table.rules for table in self.tables))

    @property
    def condition_share(self) -> float:
        conditions = [condition for table in self.tables for condition in table.conditions]
        return _share(sum(c.was_true + c.was_false for c in conditions), 2 * len(conditions))


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 1.0


def coverage(tables: Sequence[TableInfo], traces: Iterable[Trace], limits: Limits = Limits()) -> Coverage:  # noqa: B008 - frozen
    """What the traces of some evaluations used of a model's tables (`Model.tables`).

    A cell that is not true counts as false, as it does for the table. What a cell with names in it said is known where it follows
    from the rule: it was true if the rule fired, false if the rule's other cells were true and the rule did not match."""
    counts = [_Count(table, limits) for table in tables]
    by_element: dict[str, list[_Count]] = {}
    for count in counts:
        by_element.setdefault(count.info.code.element, []).append(count)
    for trace in traces:
        for node in trace.nodes:
            for table in node.tables:
                texts = tuple(text for text, _ in table.inputs)
                for count in [c for c in by_element.get(table.element, ()) if c.texts == texts][:1]:
                    count.add(table)
    return Coverage(tuple(count.result() for count in counts))


class _Count:
    """What was seen of one table, as sets of rules: bits from the first rule, as in the table's index."""

    def __init__(self, info: TableInfo, limits: Limits) -> None:
        self.info = info
        self.texts = tuple(clause.text for clause in info.code.inputs)
        self.columns = info.code.index.columns
        self.run = Run(limits, system_clock)
        self.evaluations = self.fired = 0
        self.true, self.false = [0] * len(self.columns), [0] * len(self.columns)
        self._restricted = any(clause.allowed is not None for clause in info.code.inputs)

    def add(self, trace: TableTrace) -> None:
        self.evaluations += 1
        hits = sum(1 << (rule.index - 1) for rule in trace.rules)
        self.fired |= hits
        if self._restricted and not hits and trace.value is None:
            return  # the table may have refused the input without looking at its cells
        held = [self._held(column, value) for column, (_, value) in zip(self.columns, trace.inputs, strict=True)]
        judged = self._judged(hits)
        for number, column in enumerate(self.columns):
            known = column.tested & ~column.open
            self.true[number] |= (held[number] & known) | (hits & column.tested)
            self.false[number] |= known & ~held[number]
            self.false[number] |= column.open & judged & ~hits & self._others(held, number)

    def _held(self, column: Column, value: Value) -> int:
        """The rules whose cell of constants holds."""
        known = column.tested & ~column.open
        steps = column.steps.get(type(value))
        if steps is not None:
            return steps.at(value) & known
        env = [None, self.run]
        return sum(1 << rule for rule in rules_of(known) if (m := column.matchers[rule]) is not None and m(env, value) is True)

    def _judged(self, hits: int) -> int:
        """The rules of which the trace tells whether they match: with FIRST those up to the first that does."""
        every = self.info.code.index.all
        first = self.info.table.hit_policy is HitPolicy.FIRST
        return ((hits & -hits) << 1) - 1 if first and hits else every

    def _others(self, held: Sequence[int], number: int) -> int:
        """The rules whose cells of the other columns are all known to hold."""
        found = self.info.code.index.all
        for other, column in enumerate(self.columns):
            if other != number:
                found &= (held[other] | ~column.tested) & ~column.open
        return found

    def result(self) -> TableCoverage:
        table = self.info.table
        conditions = tuple(
            Condition(
                rule + 1,
                number + 1,
                (table.rules[rule].inputs[number].text or "").strip(),
                bool(self.true[number] >> rule & 1),
                bool(self.false[number] >> rule & 1),
            )
            for rule in range(len(table.rules))
            for number, column in enumerate(self.columns)
            if column.tested >> rule & 1
        )
        fired = tuple(rule + 1 for rule in rules_of(self.fired))
        return TableCoverage(self.info.code.element, self.info.owner, self.evaluations, len(table.rules), fired, conditions)
