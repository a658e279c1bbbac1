"""A trace of a decision model in words that a business owner understands: which rules fired, and on which values.

    Rule 3 of 'Eligibility' fired: Age 42 is in [18..65], Income 5000 ≥ 3000 → "ELIGIBLE" (standard case)

Here, not in the kind `rules`, because the command line tells it too, and nobody imports a concrete kind.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from modelyard.dmn.engine import Model
from modelyard.dmn.feel import syntax
from modelyard.dmn.feel.semantics import written
from modelyard.dmn.feel.values import Value
from modelyard.dmn.run import NodeTrace, RuleTrace, TableTrace, Trace
from modelyard.dmn.tables import TableInfo

_SIGNS = {">=": "≥", "<=": "≤", ">": ">", "<": "<", "=": "=", "!=": "≠"}
_LONGEST = 80


class Words:
    """Tells traces of one model."""

    def __init__(self, model: Model) -> None:
        self._tables = {table.table.id or table.owner: table for table in model.tables}

    def table(self, trace: TableTrace) -> TableInfo | None:
        """The table that a trace is of."""
        return self._tables.get(trace.element)

    def sentences(self, trace: Trace) -> tuple[str, ...]:
        """What happened, node by node in the order in which they ended, without a full stop."""
        return tuple(sentence for node in trace.nodes for sentence in self._of_node(node))

    def conditions(self, trace: TableTrace, rule: RuleTrace) -> Iterator[tuple[str, str]]:
        """The conditions of a rule that fired: the input expression, and the condition in words. Cells of '-' ask nothing."""
        info = self.table(trace)
        if info is None:
            return
        written_cells = info.table.rules[rule.index - 1].inputs
        cells = info.cells[rule.index - 1]
        for place, (text, value) in enumerate(trace.inputs):
            cell = cells[place] if place < len(cells) else None
            raw = (written_cells[place].text or "").strip() if place < len(written_cells) else ""
            if cell is None or cell.tests:
                yield text, f"{text} {_condition(value, cell, raw)}"

    def _of_node(self, node: NodeTrace) -> Iterator[str]:
        for table in node.tables:
            info = self.table(table)
            owner = info.owner if info is not None else node.name
            if not table.rules:
                yield f"No rule of '{owner}' fired{self._given(table)} → {brief(table.value)}"
            for rule in table.rules:
                yield self._of_rule(owner, table, rule)
        if not node.tables and node.kind == "decision":
            yield f"'{node.name}' is {brief(node.value)}"

    def _of_rule(self, owner: str, table: TableTrace, rule: RuleTrace) -> str:
        asked = ", ".join(words for _, words in self.conditions(table, rule))
        note = f" ({rule.text})" if rule.text else ""
        return f"Rule {rule.index} of '{owner}' fired{': ' + asked if asked else ', which asks nothing'} → {_outputs(rule)}{note}"

    def _given(self, table: TableTrace) -> str:
        known = ", ".join(f"{text} = {brief(value)}" for text, value in table.inputs)
        return f" for {known}" if known else ""


def brief(value: Value) -> str:
    """A value as FEEL writes it, cut where it is long."""
    text = written(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _outputs(rule: RuleTrace) -> str:
    if not rule.outputs:
        return "null"
    if len(rule.outputs) == 1:
        return brief(next(iter(rule.outputs.values())))
    return ", ".join(f"{name} = {brief(value)}" for name, value in rule.outputs.items())


def _condition(value: Value, cell: syntax.UnaryTests | None, raw: str) -> str:
    """What a cell asks of a value, after the name: `42 is in [18..65]`."""
    shown = brief(value)
    if cell is None:
        return f"{shown} meets {raw}"
    if cell.negated:
        inside = raw.removeprefix("not").strip().removeprefix("(").removesuffix(")").strip()
        return f"{shown} is not {_noun(cell.tests, inside)}"
    if len(cell.tests) == 1 and isinstance(cell.tests[0], syntax.Compare):
        test = cell.tests[0]
        sign = _SIGNS[test.operator]
        return f"{shown} {sign} {raw.removeprefix(test.operator).strip()}"
    if len(cell.tests) == 1 and raw == shown:
        return f"is {shown}"
    verb = "meets" if _mentions_value(cell.tests) else "is"
    return f"{shown} {verb} {_noun(cell.tests, raw)}"


def _noun(tests: Sequence[syntax.Test], raw: str) -> str:
    if _mentions_value(tests):
        return raw
    if len(tests) > 1:
        return f"one of {raw}"
    single = tests[0]
    return f"in {raw}" if isinstance(single, syntax.Matches) and isinstance(single.value, syntax.RangeOf) else raw


def _mentions_value(tests: Sequence[syntax.Test]) -> bool:
    """Whether some test is more than a value or an interval to compare with: then "is" would be wrong."""
    return any(isinstance(test, syntax.Matches) and not _plain(test.value) for test in tests)


def _plain(node: syntax.Expr) -> bool:
    if isinstance(node, syntax.Call):
        return all(_plain(argument) for argument in node.arguments)
    return isinstance(node, _PLAIN) and not (isinstance(node, syntax.Name) and node.name == "?")


_PLAIN = (
    syntax.String, syntax.Number, syntax.Boolean, syntax.Null, syntax.At, syntax.Name, syntax.RangeOf, syntax.Negation,
    syntax.ListOf, syntax.Path,
)  # fmt: skip
