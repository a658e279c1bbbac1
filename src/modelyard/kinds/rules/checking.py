"""The checks that are native to `rules`: what analysis proves of the tables, what examples and the sample show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from modelyard.dmn import examples
from modelyard.dmn.analysis import Code, Finding, analyse, describe
from modelyard.dmn.errors import DmnError
from modelyard.dmn.example_files import from_csv, from_tck
from modelyard.dmn.run import Severity
from modelyard.kinds.batches import is_null, row_count, take
from modelyard.kinds.contract import Batch, CheckResult, Predictor
from modelyard.kinds.rules.artifact import File
from modelyard.kinds.rules.hits import NONE, hit_counts
from modelyard.kinds.rules.predictor import RulesPredictor

_MOST_ROWS = 2_000
_TOLD = 3
ANALYSES: tuple[tuple[str, frozenset[Code]], ...] = (
    ("tables keep their hit policies", frozenset({Code.OVERLAP})),
    ("tables are complete", frozenset({Code.GAP})),
    ("every rule can fire", frozenset({Code.UNREACHABLE, Code.IMPOSSIBLE_CELL, Code.DUPLICATE})),
    (
        "tables keep their types and values",
        frozenset({Code.TYPE_MISMATCH, Code.OUTSIDE_VALUES, Code.OUTPUT_NOT_ALLOWED, Code.AGGREGATION_TYPE}),
    ),
)
"""What analysis finds, as checks; what it finds beyond is told by `modelyard dmn check` and fails nothing."""


def checks(predictor: RulesPredictor, sample: Batch) -> Sequence[CheckResult]:
    """All checks on a sample of inputs. Raises InvalidInput when the sample does not fit the signature."""
    few = _few(sample)
    found = analyse(predictor.model)
    results = [_analysed(name, codes, found) for name, codes in ANALYSES] if predictor.model.tables else []
    results += [_examples(predictor, file) for file in predictor.examples]
    return (*results, *of_answers(predictor, few), *_covered(predictor, few))


def of_answers(predictor: Predictor, sample: Batch) -> Sequence[CheckResult]:
    """The checks that ask nothing of a model but its answers."""
    few = _few(sample)
    return (_deterministic(predictor, few), *_answers(predictor, few))


def _few(sample: Batch) -> Batch:
    rows = row_count(sample)
    return take(sample, np.unique(np.linspace(0, rows - 1, min(rows, _MOST_ROWS)).astype(int)))


def _analysed(name: str, codes: frozenset[Code], found: Sequence[Finding]) -> CheckResult:
    ours = [finding for finding in found if finding.code in codes and finding.severity is not Severity.INFO]
    unknown = sum(finding.code in {Code.NOT_ANALYSED, Code.INCOMPLETE} for finding in found)
    told = "; ".join(describe(finding) for finding in ours[:_TOLD]) or "nothing found"
    more = f"; and {len(ours) - _TOLD} more" if len(ours) > _TOLD else ""
    beyond = f" ({unknown} cells or searches are beyond the analysis)" if unknown else ""
    return CheckResult(name=name, passed=not ours, value=float(len(ours)), threshold=0.0, detail=told + more + beyond)


def _examples(predictor: RulesPredictor, file: File) -> CheckResult:
    name = f"examples in {file.name} agree"
    try:
        if file.name.lower().endswith(".csv"):
            given = from_csv(file.data, predictor.model, file.name)
        else:
            given = from_tck(file.data, file.name)
    except DmnError as error:
        return CheckResult(name=name, passed=False, detail=f"cannot be read: {error}")
    report = examples.run(predictor.model, given)
    wrong = report.failures
    told = "; ".join(f"{each.name or f'line {each.row}'}: {', '.join(each.failed)}" for each in wrong[:_TOLD])
    detail = f"{len(given)} examples, {len(wrong)} do not agree{': ' + told if told else ''}; "
    detail += f"{report.coverage.rule_share:.0%} of the rules fired, {report.coverage.condition_share:.0%} of the conditions seen"
    return CheckResult(name=name, passed=report.passed, value=float(len(wrong)), threshold=0.0, detail=detail)


def _deterministic(predictor: Predictor, sample: Batch) -> CheckResult:
    one, other = predictor.predict(sample), predictor.predict(sample)
    changed = sum(_differs(left, other[name]) for name, left in one.items())
    detail = f"the same batch twice: {changed} answers changed"
    return CheckResult(name="deterministic", passed=not changed, value=float(changed), threshold=0.0, detail=detail)


def _differs(left: np.ndarray, right: np.ndarray) -> int:
    nulls = is_null(left) & is_null(right)
    return int(((left != right) & ~nulls).sum())


def _answers(predictor: Predictor, sample: Batch) -> Iterator[CheckResult]:
    answers = predictor.predict(sample)
    for name, column in answers.items():
        empty = int(is_null(column).sum())
        detail = f"{empty} of {len(column)} answers to the sample are null"
        yield CheckResult(name=f"{name} is answered", passed=not empty, value=float(empty), threshold=0.0, detail=detail)


def _covered(predictor: RulesPredictor, sample: Batch) -> Iterator[CheckResult]:
    """How many rules the sample makes fire: a number for people, since a sample need not hold every case."""
    counts = hit_counts(predictor.evaluation, sample)
    fired = [(table, rule) for table, rules in counts.items() for rule, n in rules.items() if n and rule != NONE]
    silent = [f"{rule} of {table}" for table, rules in counts.items() for rule, n in rules.items() if not n and rule != NONE]
    whole = len(fired) + len(silent)
    if whole:
        told = f"; silent: rule {', rule '.join(silent[:10])}{', …' if len(silent) > 10 else ''}" if silent else ""
        detail = f"{len(fired)} of {whole} rules fired on the sample{told}"
        yield CheckResult(name="rules that the sample covers", passed=True, value=len(fired) / whole, detail=detail)
