"""Tables of FEEL, a line for each case: an expression, an arrow, and an expression of literals for what it gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from modelyard.dmn import load
from modelyard.dmn.feel.builtins import FUNCTIONS
from modelyard.dmn.run import Limits, Run, system_clock
from tests.dmn.dmn_text import decision, definitions

ARROW = " ==> "


def cases(table: str) -> Callable[[Any], Any]:
    """Parametrise a test of (expression, expected) by the lines of a table. Lines that begin with # are headings."""
    lines = [line.strip() for line in table.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return pytest.mark.parametrize(("expression", "expected"), [line.rsplit(ARROW, 1) for line in lines])


def value(expression: str) -> Any:
    """The value of a decision whose logic this is; `⏎` in it is a line break."""
    found = load(definitions(decision("d", expression.replace("⏎", "\n"))), strict=False)
    return found.evaluate("d", {}).value


def gives(expression: str, expected: str) -> bool:
    """Whether the expression gives what is expected."""
    return same(value(expression), expected)


def same(found: Any, expected: str) -> bool:
    """Whether both are the same element of the semantic domain (`is`, 10.3.4.6), and what was expected is no mistake."""
    wanted = value(expected)
    assert wanted is not None or expected == "null", f"{expected!r} is null itself"
    return FUNCTIONS["is"].call(Run(Limits(), system_clock), [found, wanted]) is True
