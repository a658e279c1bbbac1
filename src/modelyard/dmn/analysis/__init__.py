"""Static analysis of decision tables: what is missing, contradictory or superfluous, each with an example input that proves it.

It is exact over numbers, strings, booleans, dates, times and durations. Cells that are more than constant tests count as
unknown: nothing is told of them that is not sure, and a finding says so. Null is looked at only where a cell names it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Protocol

from modelyard.dmn.analysis.cover import Budget, GaveUp
from modelyard.dmn.analysis.coverage import Study, find_gaps, find_overlaps, find_unreachable
from modelyard.dmn.analysis.duplicates import find_duplicates, find_mergeable
from modelyard.dmn.analysis.findings import Analysis, AnalysisLimits, Code, Finding, describe
from modelyard.dmn.analysis.grid import Grid, Table, bits_of
from modelyard.dmn.analysis.lint import find_cells, find_columns, find_default, find_outputs
from modelyard.dmn.model import HitPolicy
from modelyard.dmn.run import Severity

__all__ = ["Analysis", "AnalysisLimits", "Code", "Finding", "Table", "analyse", "analyse_table", "describe"]

WIDE = 4096
"""Sets of so many bits cost as much again as small ones."""
_DEFAULT_LIMITS = AnalysisLimits()
_ORDER = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.INFO: 2}


class Tables(Protocol):
    @property
    def tables(self) -> Iterable[Table]: ...


def analyse(model: Tables, limits: AnalysisLimits = _DEFAULT_LIMITS) -> tuple[Finding, ...]:
    """The findings about all tables of a loaded model, table by table, the gravest first."""
    return tuple(finding for info in model.tables for finding in analyse_table(info, limits).findings)


def analyse_table(info: Table, limits: AnalysisLimits = _DEFAULT_LIMITS) -> Analysis:
    """The findings about one table, the gravest first. Never raises for what a table says."""
    bits, regions = bits_of(info)
    if bits > limits.bits:
        return _too_large(info)
    work = limits.work // (1 + (regions + len(info.table.rules)) // WIDE)
    grid = Grid(info)
    study = Study(grid, Budget(work), limits.findings)
    found: list[Finding] = []
    complete, spent = grid.is_exact, 0
    for what, search in _searches(study):
        study.budget = Budget(work)
        ended = _collect(study, what, search, found)
        complete, spent = complete and ended, spent + study.budget.spent
    found.extend(find_default(study, not complete or any(finding.code is Code.GAP for finding in found)))
    found.sort(key=lambda finding: _ORDER[finding.severity])
    assumptions = tuple(column.assumption for column in grid.columns)
    return Analysis(tuple(found), complete, assumptions, spent)


def _too_large(info: Table) -> Analysis:
    text = f"The table was not analysed: its {len(info.table.rules)} rules make too many different cases"
    return Analysis((Finding(Code.INCOMPLETE, Severity.WARNING, info.owner, text, (), None, info.table.id),), complete=False)


def _searches(study: Study) -> Iterator[tuple[str, Callable[[Study], Iterator[Finding]]]]:
    policy = study.table.hit_policy
    yield "cells", find_cells
    yield "columns", find_columns
    yield "outputs", find_outputs
    yield "duplicates", find_duplicates
    if policy in (HitPolicy.UNIQUE, HitPolicy.ANY):
        yield "overlaps", find_overlaps
    if policy in (HitPolicy.FIRST, HitPolicy.PRIORITY):
        yield "unreachable rules", find_unreachable
    yield "gaps", find_gaps
    yield "rules to merge", find_mergeable


def _collect(study: Study, what: str, search: Callable[[Study], Iterator[Finding]], found: list[Finding]) -> bool:
    """Take the findings of one search, as many of a code as may be shown; whether these are all."""
    counts: dict[Code, int] = {}
    last: dict[Code, Severity] = {}
    ended = True
    try:
        for finding in islice(search(study), 4 * study.limit):
            counts[finding.code] = counts.get(finding.code, 0) + 1
            last[finding.code] = finding.severity
            if counts[finding.code] <= study.limit:
                found.append(finding)
    except GaveUp:
        ended = False
        text = f"The search for {what} was given up: the table is too large for it. There may be more than is told"
        found.append(study.finding(Code.INCOMPLETE, Severity.WARNING, text))
    for code, count in counts.items():
        if count > study.limit:
            ended = False
            more = "at least " if code is Code.GAP or sum(counts.values()) == 4 * study.limit else ""
            found.append(study.finding(code, last[code], f"{more}{count - study.limit} more of this kind not shown"))
    return ended
