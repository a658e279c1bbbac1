"""What a decision table makes of the rules that matched (DMN 1.5, 8.2.8 and 8.2.11)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from modelyard.dmn.feel.builtins import FUNCTIONS
from modelyard.dmn.feel.numbers import number
from modelyard.dmn.feel.semantics import same
from modelyard.dmn.feel.values import Value
from modelyard.dmn.model import Aggregation, HitPolicy
from modelyard.dmn.run import Run

Rank = Callable[[Value], tuple[int, ...]]
"""The place of a rule's output in the order of the output values; less is more important."""

MULTIPLE = frozenset({HitPolicy.COLLECT, HitPolicy.RULE_ORDER, HitPolicy.OUTPUT_ORDER})
"""The policies that give a list, or an aggregate of one."""


def apply(
    policy: HitPolicy, aggregation: Aggregation | None, rules: Sequence[int], outputs: Sequence[Value], rank: Rank, run: Run
) -> Value:
    """The table's value, given the rules that matched (from 0, in order; at least one) and their outputs."""
    if policy is HitPolicy.COLLECT:
        return list(outputs) if aggregation is None else aggregated(aggregation, outputs, run)
    if policy is HitPolicy.RULE_ORDER:
        return list(outputs)
    if policy is HitPolicy.OUTPUT_ORDER:
        return sorted(outputs, key=rank)
    if policy is HitPolicy.PRIORITY:
        return min(outputs, key=rank)
    if policy is HitPolicy.ANY and not all(same(outputs[0], other) for other in outputs[1:]):
        return run.null(f"{_these(rules)} match and differ in their outputs, which the hit policy ANY does not allow")
    if policy is HitPolicy.UNIQUE and len(rules) > 1:
        return run.null(f"{_these(rules)} match, of which the hit policy UNIQUE allows only one")
    return outputs[0]


def aggregated(aggregation: Aggregation, outputs: Sequence[Value], run: Run) -> Value:
    """COUNT is the number of the rules that matched, equal outputs included, as the specification has it since 1.2. The others
    are FEEL's functions of their names; they have no meaning for several output columns."""
    if aggregation is Aggregation.COUNT:
        return number(len(outputs))
    if any(type(output) is dict for output in outputs):
        return run.null(f"{aggregation} cannot be taken of several outputs")
    return FUNCTIONS[aggregation.lower()].call(run, [list(outputs)])


def empty(policy: HitPolicy, aggregation: Aggregation | None) -> Value:
    """The value where no rule matches and there is no default: what FEEL's functions give for an empty list."""
    if policy not in MULTIPLE:
        return None
    if policy is HitPolicy.COLLECT and aggregation is not None:
        return number(0) if aggregation is Aggregation.COUNT else None
    return []


def _these(rules: Sequence[int]) -> str:
    names = [str(rule + 1) for rule in rules[:10]] + ["…"] * (len(rules) > 10)
    return f"the rules {', '.join(names[:-1])} and {names[-1]}"
