"""Gaps, overlaps, and rules that never win."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property

from modelyard.dmn.analysis.axis import Mask, bits
from modelyard.dmn.analysis.cover import Box, Budget, Cover, gaps, meeting
from modelyard.dmn.analysis.findings import Code, Finding, example
from modelyard.dmn.analysis.grid import Grid
from modelyard.dmn.analysis.outputs import Outputs
from modelyard.dmn.feel.values import Value
from modelyard.dmn.model import HitPolicy
from modelyard.dmn.run import Severity

_MANY = 6
_LISTS = (HitPolicy.COLLECT, HitPolicy.RULE_ORDER, HitPolicy.OUTPUT_ORDER)
_LOWER = {Severity.ERROR: Severity.WARNING, Severity.WARNING: Severity.INFO, Severity.INFO: Severity.INFO}


class Study:
    """One table under analysis: its sets, its outputs, and what may still be spent."""

    def __init__(self, grid: Grid, budget: Budget, limit: int) -> None:
        self.grid, self.info, self.budget, self.limit = grid, grid.info, budget, limit
        self.table = grid.info.table
        self.outputs = Outputs(grid.info)
        self.must = [grid.must(rule) for rule in range(grid.count)]
        self.may = [grid.may(rule) for rule in range(grid.count)]

    @cached_property
    def met(self) -> list[Mask]:
        """For each rule those that surely match some input that it may match; itself among them. Raises GaveUp."""
        return meeting(self.may, self.must, self.budget)

    @property
    def is_disjoint(self) -> bool:
        """Whether no two rules can match together."""
        return self.grid.is_exact and all(others in (0, 1 << rule) for rule, others in enumerate(self.met))

    @cached_property
    def ranks(self) -> list[tuple[int, ...] | None]:
        return [self.outputs.rank(rule) for rule in range(self.grid.count)]

    @property
    def has_default(self) -> bool:
        return any(clause.default is not None and (clause.default.text or "").strip() for clause in self.table.outputs)

    def finding(
        self, code: Code, severity: Severity, text: str, rules: tuple[int, ...] = (), witness: Mapping[str, Value] | None = None
    ) -> Finding:
        """`rules` counted from 0 here."""
        return Finding(code, severity, self.info.owner, text, tuple(rule + 1 for rule in rules), witness, self.table.id)

    def of_inputs(self, code: Code, severity: Severity, text: str, rules: tuple[int, ...], box: Box, so: str = "") -> Finding:
        """A finding that says that some inputs occur: with less weight when not every combination need occur."""
        witness = self.grid.witness(box)
        text += (f", for example {example(witness)}" if witness else "") + so
        if self.grid.dependent:
            one, other = self.grid.dependent[0]
            text += f" (if that occurs: {one!r} and {other!r} are made from the same data)"
            severity = _LOWER[severity]
        return self.finding(code, severity, text, rules, witness)


def rule_words(rules: Mask) -> str:
    names = [str(rule + 1) for rule in bits(rules)]
    if len(names) > 8:
        return f"{', '.join(names[:7])} and {len(names) - 7} more"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


# --- gaps -----------------------------------------------------------------------------------------------------------------------


def find_gaps(study: Study) -> Iterator[Finding]:
    """Inputs for which no rule holds. Raises GaveUp."""
    severity = Severity.INFO if study.has_default or study.table.hit_policy in _LISTS else Severity.WARNING
    for box in gaps(study.grid.domain, study.may, study.limit + 1, study.budget, study.is_disjoint):
        text = f"No rule covers {study.grid.words(box)}{_between_numbers(study, box)}"
        yield study.of_inputs(Code.GAP, severity, text, (), box, f"; {_consequence(study)}")


def _between_numbers(study: Study, box: Box) -> str:
    fractions = any(c.axis.only_fractions(mask) for c, mask in zip(study.grid.columns, box, strict=True))
    return " (no whole number lies there)" if fractions else ""


def _consequence(study: Study) -> str:
    if study.has_default:
        return "the default output applies there"
    if study.table.hit_policy in _LISTS:
        return "no rule contributes to the result there"
    return "the result is null there"


# --- overlaps -------------------------------------------------------------------------------------------------------------------


def find_overlaps(study: Study) -> Iterator[Finding]:
    """UNIQUE: rules that hold together. ANY: those of them that differ in their outputs. Raises GaveUp."""
    unique = study.table.hit_policy is HitPolicy.UNIQUE
    later = [others & ~((2 << rule) - 1) for rule, others in enumerate(meeting(study.must, study.must, study.budget))]
    met = later if unique else [_differing(study, rule, others) for rule, others in enumerate(later)]
    both = _both_ways(met)
    crowded = 0
    for rule in sorted(range(len(both)), key=lambda rule: -both[rule].bit_count()):
        others = both[rule] & ~crowded
        if others.bit_count() > _MANY:
            crowded |= 1 << rule
            yield _overlap(study, rule, others)
    for rule, others in enumerate(met):
        if not crowded >> rule & 1:
            for other in bits(others & ~crowded):
                yield _overlap(study, rule, 1 << other)


def _differing(study: Study, rule: int, others: Mask) -> Mask:
    study.budget.spend(others.bit_count())
    return sum(1 << other for other in bits(others) if study.outputs.differ(rule, other))


def _both_ways(met: list[Mask]) -> list[Mask]:
    both = list(met)
    for rule, others in enumerate(met):
        for other in bits(others):
            both[other] |= 1 << rule
    return both


def _overlap(study: Study, rule: int, others: Mask) -> Finding:
    first = next(bits(others))
    box = _common(study.must[rule], study.must[first])
    where = study.grid.words(box)
    who = (
        f"Rules {rule_words(1 << rule | others)}"
        if others.bit_count() == 1
        else f"Rule {rule + 1} overlaps with rules {rule_words(others)}: it and rule {first + 1}"
    )
    differ = "they give different outputs, and " if study.outputs.differ(rule, first) else ""
    so = f"; {differ}the hit policy {study.table.hit_policy.value} does not allow it"
    text = f"{who} both match {where}"
    return study.of_inputs(Code.OVERLAP, Severity.ERROR, text, (rule, *bits(others)), box, so)


def _common(a: Box, b: Box) -> Box:
    return tuple(x & y for x, y in zip(a, b, strict=True))


# --- rules that never win -------------------------------------------------------------------------------------------------------


def find_unreachable(study: Study) -> Iterator[Finding]:
    """FIRST: rules that the earlier ones cover. PRIORITY: rules that more important ones cover. And what covers a part of them.

    Raises GaveUp."""
    for rule in range(study.grid.count):
        rivals = _rivals(study, rule)
        if not rivals or not all(study.may[rule]):
            continue
        cover = Cover(study.may[rule], [study.must[rival] for rival in rivals], study.budget)
        if cover.uncovered() is None:
            yield _unreachable(study, rule, rivals)
        else:
            yield from _masked(study, rule, rivals)


def _rivals(study: Study, rule: int) -> list[int]:
    """The rules that win over a rule where both match."""
    if study.table.hit_policy is HitPolicy.FIRST:
        return list(bits(study.met[rule] & ((1 << rule) - 1)))
    own = study.ranks[rule]
    both = bits(study.met[rule])
    return [] if own is None else [other for other in both if (rank := study.ranks[other]) is not None and rank < own]


def _meet(a: Box, b: Box) -> bool:
    return all(x & y for x, y in zip(a, b, strict=True))


def _unreachable(study: Study, rule: int, rivals: list[int]) -> Finding:
    needed = _needed(study, rule, rivals)
    box = _common(study.may[rule], study.must[needed[0]])
    who = "earlier rule" if study.table.hit_policy is HitPolicy.FIRST else "more important rule"
    names = rule_words(sum(1 << other for other in needed))
    covering = f"{who} {names} covers" if len(needed) == 1 else f"{who}s {names} together cover"
    text = f"Rule {rule + 1} never decides: the {covering} all that it matches"
    witness = study.grid.witness(box)
    text += f"; for {example(witness)} rule {needed[0] + 1} decides" if witness else ""
    return study.finding(Code.UNREACHABLE, Severity.WARNING, text, (rule, *needed), witness)


def _needed(study: Study, rule: int, rivals: list[int]) -> list[int]:
    """A few of the rivals that suffice: one if one does, else those that remain when each that can be is left out."""
    own = study.may[rule]
    for rival in rivals:
        if all(not mine & ~theirs for mine, theirs in zip(own, study.must[rival], strict=True)):
            return [rival]
    needed = list(rivals)
    for rival in rivals if len(rivals) <= 40 else ():
        fewer = [other for other in needed if other != rival]
        if Cover(own, [study.must[other] for other in fewer], study.budget).uncovered() is None:
            needed = fewer
    return needed


def _masked(study: Study, rule: int, rivals: list[int]) -> Iterator[Finding]:
    """Rules that lose some of what they match to a rule with another output; a last rule for all the rest is meant to."""
    if all(not column.domain & ~mask for column, mask in zip(study.grid.columns, study.may[rule], strict=True)):
        return
    winning = [other for other in rivals if _meet(study.must[rule], study.must[other]) and study.outputs.differ(rule, other)]
    if winning:
        box = _common(study.must[rule], study.must[winning[0]])
        names = rule_words(sum(1 << other for other in winning))
        what = f"rule {winning[0] + 1} decides {study.grid.words(box)}"
        text = f"Rule {rule + 1} is partly masked by rule{'s' if len(winning) > 1 else ''} {names}: {what}"
        yield study.of_inputs(Code.MASKED, Severity.INFO, text, (rule, *winning), box)
