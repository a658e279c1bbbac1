"""What is wrong with single cells, columns and outputs."""

from __future__ import annotations

from collections.abc import Iterator

from modelyard.dmn.analysis.axis import bits
from modelyard.dmn.analysis.conditions import values_of
from modelyard.dmn.analysis.coverage import Study, rule_words
from modelyard.dmn.analysis.findings import Code, Finding
from modelyard.dmn.analysis.grid import Column
from modelyard.dmn.analysis.outputs import holds, values_tests
from modelyard.dmn.feel.semantics import written
from modelyard.dmn.feel.types import ANY, ContextType, FunctionType, ListType, RangeType, base_of, conforms, type_of
from modelyard.dmn.feel.values import Value
from modelyard.dmn.model import Aggregation, HitPolicy
from modelyard.dmn.run import Severity

_STRUCTURED = (ListType, ContextType, RangeType, FunctionType)
_NUMERIC = (Aggregation.SUM,)


def find_cells(study: Study) -> Iterator[Finding]:
    """Cells that never hold, each with its reason; and those that could not be analysed, together for each column."""
    for column in study.grid.columns:
        unknown = 0
        for rule in range(study.grid.count):
            if not column.may[rule] & column.widest:
                yield _impossible(study, column, rule)
            elif (mismatch := _mismatch(study, column, rule)) is not None:
                yield mismatch
            unknown |= (column.must[rule] != column.may[rule]) << rule
        if unknown:
            yield _not_analysed(study, column, unknown)
        if column.domain != column.widest and study.grid.count:
            text = f"The allowed values of {column.name!r} could not be analysed: what they may exclude is not told"
            yield study.finding(Code.NOT_ANALYSED, Severity.INFO, text)


def _impossible(study: Study, column: Column, rule: int) -> Finding:
    cell = _text(study, column, rule)
    mismatch = _mismatch(study, column, rule)
    if mismatch is not None:
        return mismatch
    if column.may[rule]:
        text = f"Rule {rule + 1} never matches: {cell} is outside the allowed values of {column.name!r}"
        return study.finding(Code.OUTSIDE_VALUES, Severity.WARNING, text, (rule,))
    text = f"Rule {rule + 1} never matches: no value of {column.name!r} passes {cell}"
    return study.finding(Code.IMPOSSIBLE_CELL, Severity.WARNING, text, (rule,))


def _mismatch(study: Study, column: Column, rule: int) -> Finding | None:
    type_ = base_of(study.info.input_types[column.places[0]])
    if type_ == ANY or isinstance(type_, _STRUCTURED):
        return None
    for value in values_of(column.conditions[rule]):
        if value is not None and not conforms(type_of(value), type_):
            what = f"{written(value)} in {_text(study, column, rule)} is a {type_of(value)}"
            text = f"Rule {rule + 1}: {what}, but {column.name!r} is a {type_}"
            return study.finding(Code.TYPE_MISMATCH, Severity.ERROR, text, (rule,))
    return None


def _text(study: Study, column: Column, rule: int) -> str:
    inputs = study.table.rules[rule].inputs
    texts = [(inputs[place].text or "").strip() for place in column.places if place < len(inputs)]
    return " and ".join(f"`{text}`" for text in texts if text not in ("", "-")) or "the cell"


def _not_analysed(study: Study, column: Column, rules: int) -> Finding:
    first = next(bits(rules))
    many = "s" if rules.bit_count() > 1 else ""
    cells = f"The cell{many} of {column.name!r} in rule{many} {rule_words(rules)}"
    why = f"more than constants of one kind are in {'them' if many else 'it'}, such as in {_text(study, column, first)}"
    text = f"{cells} could not be analysed: {why}. There may be more findings on what is decided there"
    return study.finding(Code.NOT_ANALYSED, Severity.INFO, text, tuple(bits(rules)))


def find_columns(study: Study) -> Iterator[Finding]:
    """Inputs that decide nothing, and those for which all rules ask the same."""
    for column in study.grid.columns:
        if not study.grid.count or column.must != column.may:
            continue
        asked = {mask & column.widest for mask in column.may}
        if asked == {column.widest}:
            text = f"The input {column.name!r} decides nothing: every rule holds for all its values"
            yield study.finding(Code.UNUSED_INPUT, Severity.INFO, text)
        elif len(asked) == 1 and study.grid.count > 1:
            text = f"Every rule asks the same of {column.name!r}: {column.words(next(iter(asked)))}"
            yield study.finding(Code.CONSTANT_COLUMN, Severity.INFO, text)


def find_outputs(study: Study) -> Iterator[Finding]:
    """Outputs outside of the declared values, of another type, or that cannot be aggregated; policies that need output values."""
    table = study.table
    if table.hit_policy in (HitPolicy.PRIORITY, HitPolicy.OUTPUT_ORDER) and all(order == () for order in study.outputs.order):
        text = f"The hit policy {table.hit_policy.value} orders rules by their output values, and no output declares any"
        yield study.finding(Code.OUTPUT_VALUES_MISSING, Severity.ERROR, text)
    for place, clause in enumerate(table.outputs):
        tests = values_tests(study.info, place)
        name = f"the output {clause.name!r}" if clause.name else "the output"
        for rule in range(study.grid.count):
            entry = study.outputs.entries[rule][place]
            if not entry.known or entry.value is None:
                continue
            if not entry.fits:
                type_ = base_of(study.info.output_types[place])
                text = f"Rule {rule + 1} gives {entry.text}, a {type_of(entry.value)}, but {name} is a {type_}"
                yield study.finding(Code.TYPE_MISMATCH, Severity.ERROR, text, (rule,))
            elif tests is not None and holds(tests, entry.value) is False:
                text = f"Rule {rule + 1} gives {entry.text}, which is not among the declared values of {name}: the result is null"
                yield study.finding(Code.OUTPUT_NOT_ALLOWED, Severity.ERROR, text, (rule,))
    yield from _aggregated(study)


def _aggregated(study: Study) -> Iterator[Finding]:
    """C+ needs numbers, C< and C> values of one ordered kind; with several outputs none of them means anything (8.2.11)."""
    aggregation = study.table.aggregation
    if study.table.hit_policy is not HitPolicy.COLLECT or aggregation in (None, Aggregation.COUNT):
        return
    if len(study.table.outputs) > 1:
        yield study.finding(Code.AGGREGATION_TYPE, Severity.ERROR, f"{aggregation} cannot be taken of several outputs")
        return
    for rule in range(study.grid.count):
        for entry in study.outputs.entries[rule]:
            if entry.fits and entry.value is not None and not _aggregates(aggregation, entry.value):
                text = f"Rule {rule + 1} gives {entry.text}, a {type_of(entry.value)}, of which no {aggregation} can be taken"
                yield study.finding(Code.AGGREGATION_TYPE, Severity.ERROR, text, (rule,))


def _aggregates(aggregation: Aggregation | None, value: Value) -> bool:
    kind = str(type_of(value))
    return kind == "number" if aggregation in _NUMERIC else kind != "boolean" and not isinstance(type_of(value), _STRUCTURED)


def find_default(study: Study, has_gaps: bool) -> Iterator[Finding]:
    lists = (HitPolicy.COLLECT, HitPolicy.RULE_ORDER, HitPolicy.OUTPUT_ORDER)
    if has_gaps and not study.has_default and study.table.hit_policy not in lists:
        text = "There is no default output: where no rule matches the result is null"
        yield study.finding(Code.DEFAULT_MISSING, Severity.INFO, text)
