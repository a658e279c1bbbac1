"""FEEL on its own: a condition or a formula over named values, outside of any decision model.

    rule = Expression("amount > 1000 and customer.segment = \\"gold\\"")
    rule.evaluate({"amount": 1200, "customer": {"segment": "gold"}}).value      # True

Which names there are decides how FEEL is read (names may have spaces), so the text is compiled once for each set of names that it
meets, and kept. Immutable for callers; threads may share it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from modelyard.dmn.engine import Result, result_of
from modelyard.dmn.errors import InvalidModel, LimitExceeded
from modelyard.dmn.feel.compiler import Code, Scope, compile_expression, root_scope
from modelyard.dmn.feel.names import without_blanks
from modelyard.dmn.feel.parser import parse_expression
from modelyard.dmn.feel.types import ANY
from modelyard.dmn.from_python import from_python
from modelyard.dmn.run import DEFAULT_LIMITS, Clock, Limits, Run, system_clock

KEPT = 32
"""Sets of names for which the code is kept; the oldest is dropped."""


class Expression:
    """`names` are those that will be there, if they are known: then text that is not FEEL, and unknown names, raise at once.

    Raises FeelSyntaxError for what is not FEEL, InvalidModel for names and functions that there are not (in `problems`)."""

    def __init__(self, text: str, names: tuple[str, ...] | None = None, limits: Limits = DEFAULT_LIMITS) -> None:
        self.text, self.limits = text, limits
        self._codes: dict[tuple[str, ...], Code] = {}
        if names is not None:
            problems = self.problems(names)
            if problems:
                raise InvalidModel(f"{text!r:.60}: {'; '.join(problems)}")

    def problems(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """What of the expression is not known when there are these names. Raises FeelSyntaxError, LimitExceeded."""
        found: list[str] = []
        scope = Scope(dict.fromkeys(names, ANY), root_scope())
        compile_expression(parse_expression(self.text, scope.names, self.limits), scope, found.append)
        return tuple(found)

    def mentioned(self, names: Iterable[str]) -> tuple[str, ...]:
        """Those of the names that the text has somewhere, white space apart. No others can have a part in the value."""
        text = without_blanks(self.text)
        return tuple(name for name in names if without_blanks(name) in text)

    def evaluate(self, data: Mapping[str, Any], clock: Clock = system_clock) -> Result:
        """The value over named values. Raises FeelSyntaxError, InvalidData for what is no value, LimitExceeded."""
        run = Run(self.limits, clock)
        code = self._code(tuple(data))
        try:
            return result_of(run, code([None, run, *(from_python(value, name) for name, value in data.items())]))
        except RecursionError:
            raise LimitExceeded(f"{self.text!r:.60} is nested too deeply") from None

    def _code(self, names: tuple[str, ...]) -> Code:
        code = self._codes.get(names)
        if code is None:
            scope = Scope(dict.fromkeys(names, ANY), root_scope())
            code = compile_expression(parse_expression(self.text, scope.names, self.limits), scope, lambda _: None)
            if len(self._codes) >= KEPT:
                self._codes.pop(next(iter(self._codes)), None)
            self._codes[names] = code
        return code
