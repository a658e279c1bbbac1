"""Item definitions to types (DMN 1.5, 7.3.2 and 10.3.2.9)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from modelyard.dmn import model
from modelyard.dmn.errors import FeelSyntaxError, LimitExceeded
from modelyard.dmn.feel.compiler import Scope, compile_tests, constant, root_scope
from modelyard.dmn.feel.parser import parse_type, parse_unary_tests
from modelyard.dmn.feel.syntax import Matches
from modelyard.dmn.feel.types import (
    ANY,
    BUILT_IN,
    Allows,
    AnyType,
    ConstrainedType,
    ContextType,
    FunctionType,
    ListType,
)
from modelyard.dmn.feel.values import Value
from modelyard.dmn.run import Limits, Run, system_clock

Problem = Callable[[str, model.Place], None]


class ItemTypes:
    """The types of one file. `imported` gives, for an import's name, the types of that file."""

    def __init__(
        self, definitions: model.Definitions, imported: Mapping[str, ItemTypes], problem: Problem, limits: Limits
    ) -> None:
        self._items = {item.name: item for item in definitions.items}
        self._imported, self._problem, self._limits = imported, problem, limits
        self._made: dict[str, AnyType] = {}
        self._making: list[str] = []
        self._scope = Scope({}, root_scope(), type_lookup=self.find)

    def all(self) -> dict[str, AnyType]:
        """Every item definition's type, by name."""
        return {name: self.find(name) or ANY for name in self._items}

    def find(self, name: str) -> AnyType | None:
        """The type of that name: an item definition's, an imported one's (`import.type`), a built-in one; else None."""
        if name in self._items:
            return self._defined(name)
        prefix, dot, rest = name.partition(".")
        while dot:
            if prefix in self._imported:
                return self._imported[prefix].find(rest)
            more, dot, rest = rest.partition(".")
            prefix = f"{prefix}.{more}"
        default = self._imported.get("")
        return BUILT_IN.get(name) or (default.find(name) if default else None)

    def named(self, name: str | None, place: model.Place) -> AnyType:
        """The type of a typeRef; Any without one, and, with a problem reported, when it is not known."""
        if name is None:
            return ANY
        found = self.find(name)
        if found is None and "<" in name:
            found = self._written(name)
        if found is None:
            self._problem(f"the type {name!r} is not defined", place)
        return found or ANY

    def _written(self, name: str) -> AnyType | None:
        """A type with its parts, as FEEL writes it (`list<number>`, grammar rule 54)."""
        try:
            return self._scope.resolve(parse_type(name, self._limits))
        except (FeelSyntaxError, LimitExceeded):
            return None

    def _defined(self, name: str) -> AnyType:
        if name not in self._made:
            item = self._items[name]
            if name in self._making:
                self._problem(f"the item definition {name!r} refers to itself through {' → '.join(self._making)}", item.place)
                return ANY
            self._making.append(name)
            self._made[name] = self._type(item)
            self._making.pop()
        return self._made[name]

    def _type(self, item: model.ItemDefinition) -> AnyType:
        base = self._base(item)
        allows, allows_all = self._tests(item.allowed, base), self._tests(item.constraint, base)
        if item.is_collection:
            base = ListType(base)
        elif allows_all is not None and allows is None:
            allows, allows_all = allows_all, None
        if allows is None and allows_all is None:
            return base
        texts = [tests.text.strip() for tests in (item.allowed, item.constraint) if tests is not None and tests.text]
        return ConstrainedType(item.name, base, allows, allows_all, "; ".join(texts))

    def _base(self, item: model.ItemDefinition) -> AnyType:
        if item.components:
            return ContextType({part.name: self._type(part) for part in item.components})
        if item.is_function:
            kinds = tuple(self.named(p.type_ref, p.place) for p in item.parameters)
            return FunctionType(kinds, self.named(item.output_type, item.place))
        return self.named(item.type_ref, item.place)

    def _tests(self, tests: model.UnaryTests | None, base: AnyType) -> Allows | None:
        if tests is None or not (tests.text or "").strip():
            return None
        return allowed_values(tests, self._scope, self._problem, self._limits, base)


def allowed_values(tests: model.UnaryTests, scope: Scope, problem: Problem, limits: Limits, base: AnyType = ANY) -> Allows | None:
    """Whether a value is among those allowed; None, with a problem reported, when the text is not unary tests."""
    try:
        parsed = parse_unary_tests(tests.text or "", scope.names, limits)
    except (FeelSyntaxError, LimitExceeded) as error:
        problem(f"allowed values {tests.text!r:.60}: {error}", tests.place)
        return None
    if not parsed.tests:
        return None
    listed = [constant(test.value) if isinstance(test, Matches) else (False, None) for test in parsed.tests]
    if not parsed.negated and all(known and type(value) is str for known, value in listed):
        names = frozenset(value for _, value in listed)
        return lambda value, run=None: value in names if type(value) is str else False
    matches = compile_tests(parsed, scope, lambda detail: problem(detail, tests.place), base)

    def allows(value: Value, run: Run | None = None) -> bool | None:
        own = Run(limits, system_clock)
        if run is None:
            return matches([None, own], value)
        own.steps, own.depth = run.steps, run.depth
        held = matches([None, own], value)
        run.steps = own.steps
        return held

    return allows
