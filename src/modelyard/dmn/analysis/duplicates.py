"""Rules that say the same as others, and rules that could be one."""

from __future__ import annotations

from collections.abc import Hashable, Iterator

from modelyard.dmn.analysis.coverage import Study, rule_words
from modelyard.dmn.analysis.findings import Code, Finding
from modelyard.dmn.model import HitPolicy
from modelyard.dmn.run import Severity

_IN_ORDER = (HitPolicy.FIRST, HitPolicy.RULE_ORDER)

Key = tuple[Hashable, ...]


def find_duplicates(study: Study) -> Iterator[Finding]:
    """Rules with the same conditions as an earlier one; redundant if their outputs are the same too."""
    groups: dict[Key, list[int]] = {}
    for rule in range(study.grid.count):
        if all(study.may[rule]):
            groups.setdefault(_conditions(study, rule), []).append(rule)
    for rules in groups.values():
        for place, rule in enumerate(rules[1:], 1):
            same = [other for other in rules[:place] if study.outputs.alike(rule, other)]
            if same:
                yield _redundant(study, rule, same[0])
            elif study.table.hit_policy not in (HitPolicy.COLLECT, HitPolicy.RULE_ORDER, HitPolicy.OUTPUT_ORDER):
                yield _duplicate(study, rule, rules[0])


def _redundant(study: Study, rule: int, other: int) -> Finding:
    counts = study.table.hit_policy in (HitPolicy.COLLECT, HitPolicy.RULE_ORDER, HitPolicy.OUTPUT_ORDER)
    so = "its output counts twice" if counts else "one of them can go"
    text = f"Rule {rule + 1} repeats rule {other + 1}: the conditions and the outputs are the same; {so}"
    return _about(study, Code.REDUNDANT, text, rule, other)


def _duplicate(study: Study, rule: int, other: int) -> Finding:
    text = f"Rule {rule + 1} has the same conditions as rule {other + 1}, and other outputs"
    return _about(study, Code.DUPLICATE, text, rule, other)


def _about(study: Study, code: Code, text: str, rule: int, other: int) -> Finding:
    witness = study.grid.witness(study.must[rule]) if all(study.must[rule]) else None
    return study.finding(code, Severity.WARNING, text, (rule, other), witness)


def _conditions(study: Study, rule: int) -> Key:
    return tuple(_condition(study, rule, column) for column in range(len(study.grid.columns)))


def _condition(study: Study, rule: int, column: int) -> Hashable:
    """A cell by what it holds for; one that is not fully known, by its syntax."""
    found = study.grid.columns[column]
    if found.must[rule] == found.may[rule]:
        return found.may[rule] & found.widest
    return (None, *(study.info.cells[rule][place] for place in found.places))


def find_mergeable(study: Study) -> Iterator[Finding]:
    """Rules with the same outputs that differ in one cell, where one rule would do. Not for what repeats or overlaps."""
    keys = [_conditions(study, rule) for rule in range(study.grid.count)]
    done: set[tuple[int, ...]] = set()
    for column in range(len(study.grid.columns)):
        groups: dict[Key, list[int]] = {}
        for rule, key in enumerate(keys):
            found = study.grid.columns[column]
            if all(study.may[rule]) and found.must[rule] == found.may[rule]:
                groups.setdefault((*key[:column], *key[column + 1 :], _output_key(study, rule)), []).append(rule)
        for group in groups.values():
            rules = tuple(_first_run(group) if study.table.hit_policy in _IN_ORDER else group)
            if len(rules) > 1 and rules not in done and _disjoint(study, column, rules):
                done.add(rules)
                yield _mergeable(study, column, rules)


def _output_key(study: Study, rule: int) -> Hashable:
    return tuple(entry.node if entry.node is not None else entry.text for entry in study.outputs.entries[rule])


def _first_run(rules: list[int]) -> list[int]:
    """The rules that follow each other directly from the first pair that does: others may stand between for a reason."""
    run = rules[:1]
    for rule in rules[1:]:
        if rule == run[-1] + 1:
            run.append(rule)
        elif len(run) > 1:
            break
        else:
            run = [rule]
    return run


def _disjoint(study: Study, column: int, rules: tuple[int, ...]) -> bool:
    seen = 0
    for rule in rules:
        mask = study.may[rule][column]
        if seen & mask:
            return False
        seen |= mask
    return True


def _mergeable(study: Study, column: int, rules: tuple[int, ...]) -> Finding:
    together = study.grid.columns[column].words(sum(study.may[rule][column] for rule in rules))
    names = rule_words(sum(1 << rule for rule in rules))
    text = f"Rules {names} differ only in {study.grid.columns[column].name!r} and could be one rule for {together}"
    return study.finding(Code.MERGEABLE, Severity.INFO, text, rules)
