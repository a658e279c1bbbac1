"""Gates that were defined as rows of thresholds, before gates were decisions, as the decision that says the same.

Such a gate stays in force as it was decided on, under the digest that approvals name; only how it is evaluated has changed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from decimal import Decimal
from importlib import resources
from xml.sax.saxutils import escape

from modelyard.governance.assurance.model import ApprovalRule, Gate, Threshold

MUST = {"eq": "exactly", "ne": "anything but", "lt": "less than", "le": "at most", "gt": "more than", "ge": "at least"}
SKELETON = "of_thresholds.xml"


def as_dmn(gate: Gate) -> str:
    """The DMN file of a gate that has thresholds in place of one. The same gate always gives the same text."""
    skeleton = (resources.files("modelyard.governance") / "gates" / SKELETON).read_text("utf-8")
    # The rule for one tier comes before the one for all: the table takes the first.
    rules = sorted(gate.approvals, key=lambda rule: not rule.tiers)
    return (
        skeleton.replace("<!--name-->", escape(gate.name))
        .replace("<!--conditions-->", _rules("condition", map(_condition, gate.thresholds)))
        .replace("<!--approvals-->", _rules("approval", map(_approval, rules)))
    )


def _condition(row: Threshold) -> tuple[Sequence[str], Sequence[str], str]:
    # A row asked only that the evidence exists when it lacked either.
    compared = row.measure is not None and row.limit is not None
    outputs = (
        _text(row.name),
        _text(row.evidence.value),
        _text(row.measure) if compared else "null",
        _text(MUST[row.comparison]) if compared else "null",
        _number(row.limit) if compared else "null",
        _text("fails" if row.required else "passes"),
        _text(""),
    )
    return (_tiers(row.tiers), "-"), outputs, row.reason


def _approval(rule: ApprovalRule) -> tuple[Sequence[str], Sequence[str], str]:
    roles = ", ".join(_text(role) for role in rule.roles)
    return (_tiers(rule.tiers),), (f"[{roles}]", str(rule.days_to_decide), str(rule.release_days)), ""


def _rules(name: str, rows: Iterable[tuple[Sequence[str], Sequence[str], str]]) -> str:
    return "\n      ".join(_rule(f"{name}-{number}", *row) for number, row in enumerate(rows, 1))


def _rule(id_: str, tests: Sequence[str], outputs: Sequence[str], why: str) -> str:
    cells = [f"<inputEntry><text>{escape(cell)}</text></inputEntry>" for cell in tests]
    cells += [f"<outputEntry><text>{escape(cell)}</text></outputEntry>" for cell in outputs]
    if why:
        cells.append(f"<annotationEntry><text>{escape(why)}</text></annotationEntry>")
    return f'<rule id="{id_}">{"".join(cells)}</rule>'


def _tiers(tiers: Sequence[str]) -> str:
    return ", ".join(_text(tier) for tier in tiers) if tiers else "-"


def _number(value: float | None) -> str:
    return "null" if value is None else format(Decimal(repr(value)), "f")


def _text(value: str | None) -> str:
    """A text as FEEL writes it: as JSON does, but that characters are left as they are."""
    return json.dumps(value or "", ensure_ascii=False)
