"""FEEL types as fields of a signature: what a decision model takes and gives, flattened to columns.

| FEEL | field |
|---|---|
| number | FP64; exact up to 15 digits, which is what a double carries |
| string | text |
| boolean | BOOL |
| date, time, date and time, durations | text in ISO 8601 |
| context of known entries | one field an entry, `applicant.age` |
| list, range, any other context | text in JSON |
| Any | text: strings as they are, other values in JSON |

Every field may be null, because every FEEL value may. Allowed values and closed intervals of item definitions become `allowed`,
`minimum` and `maximum`; an open end becomes the bound itself, and the model rejects it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from typing import Any

from modelyard.core.errors import InvalidArtifact
from modelyard.dmn.errors import DmnError
from modelyard.dmn.feel import syntax
from modelyard.dmn.feel.parser import NameScope, parse_unary_tests
from modelyard.dmn.feel.types import (
    ANY,
    BOOLEAN,
    DATE,
    DATE_TIME,
    DAYS_TIME,
    NUMBER,
    STRING,
    TIME,
    YEARS_MONTHS,
    AnyType,
    ConstrainedType,
    ContextType,
    Type,
    base_of,
)
from modelyard.kinds.signature import DataType, FieldSpec, Role

MOST_FIELDS = 1_000
_DEEPEST = 8
_ALL_WHOLE = 2.0**53
"""Below it every whole number has a double of its own."""
_EXAMPLES: Mapping[AnyType, str] = {
    DATE: "2024-01-31",
    TIME: "14:30:00",
    DATE_TIME: "2024-01-31T14:30:00Z",
    DAYS_TIME: "P3DT4H",
    YEARS_MONTHS: "P1Y6M",
}
TEMPORAL = frozenset(_EXAMPLES)


@dataclass(frozen=True)
class Leaf:
    """A column: `path` leads from the input's or decision's value to the column's, empty for the value itself."""

    root: str
    path: tuple[str, ...]
    type: AnyType

    @property
    def name(self) -> str:
        return ".".join((self.root, *self.path))

    def spec(self, role: Role = Role.PREDICTOR, tests: syntax.UnaryTests | None = None) -> FieldSpec:
        """The column as a field; `tests` are further allowed values (of a table's output clause)."""
        base = base_of(self.type)
        kind = data_type(base)
        plain = kind is not DataType.BYTES or base == STRING
        bounds = _narrowed(self.type, tests) if plain and kind is not DataType.BOOL else Bounds()
        return FieldSpec(
            name=self.name,
            type=kind,
            role=role,
            nullable=True,
            drift=plain,
            allowed=bounds.allowed,
            minimum=bounds.minimum,
            maximum=bounds.maximum,
            description=described(base),
        )


@dataclass(frozen=True)
class Bounds:
    """What unary tests let pass, as far as a field can say it."""

    allowed: tuple[str, ...] | tuple[float, ...] | None = None
    minimum: float | None = None
    maximum: float | None = None


def leaves(root: str, type_: AnyType, path: tuple[str, ...] = ()) -> Iterator[Leaf]:
    """The columns of one value, in the order of its entries; of more than can be taken, one more than that.

    Item definitions that share parts can have far more entries than definitions."""
    return islice(_leaves(root, type_, path), MOST_FIELDS + 1)


def _leaves(root: str, type_: AnyType, path: tuple[str, ...]) -> Iterator[Leaf]:
    base = base_of(type_)
    if isinstance(base, ContextType) and base.fields and len(path) < _DEEPEST:
        for name, inner in base.fields.items():
            yield from _leaves(root, inner, (*path, name))
    else:
        yield Leaf(root, path, type_)


def check_names(found: Sequence[Leaf], side: str) -> None:
    """Raises InvalidArtifact when two columns have one name, or there are too many."""
    names = [leaf.name for leaf in found]
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise InvalidArtifact(f"two {side} of the model come to the name {twice[0]!r}", field="artifact", hint="rename one")
    if len(names) > MOST_FIELDS:
        raise InvalidArtifact(f"the model has {len(names)} {side}, at most {MOST_FIELDS} are taken", field="artifact")


def data_type(base: AnyType) -> DataType:
    """What carries the values of a type without constraints."""
    if base == NUMBER:
        return DataType.FP64
    return DataType.BOOL if base == BOOLEAN else DataType.BYTES


def described(base: AnyType) -> str:
    """What people should know of a field beyond its data type."""
    if isinstance(base, Type) and base in TEMPORAL:
        return f"{base} in ISO 8601, for example {_EXAMPLES[base]}"
    if isinstance(base, Type) and base in {NUMBER, STRING, BOOLEAN}:
        return ""
    return "any value: text as it is, others in JSON" if base == ANY else f"{base} in JSON"


def bounds_of(tests: syntax.UnaryTests) -> Bounds:
    """The bounds that tests amount to; none where a field cannot say it (negations, expressions, gaps between ranges)."""
    values = [test.value for test in tests.tests if isinstance(test, syntax.Matches) and not isinstance(test.value, syntax.Null)]
    if tests.negated or not tests.tests:
        return Bounds()
    if all(isinstance(test, syntax.Matches) for test in tests.tests):
        strings = [value.value for value in values if isinstance(value, syntax.String)]
        if strings and len(strings) == len(values):
            return Bounds(allowed=tuple(dict.fromkeys(strings)))
        numbers = [number for value in values if (number := _number(value)) is not None]
        if numbers and len(numbers) == len(values):
            return Bounds(allowed=tuple(dict.fromkeys(numbers)))
    ends = [_ends(test) for test in tests.tests]
    known = [end for end in ends if end is not None]
    if len(known) < len(ends) or not known:
        return Bounds()
    lows, highs = [low for low, _ in known], [high for _, high in known]
    return Bounds(
        minimum=min((low for low in lows if low is not None), default=None) if None not in lows else None,
        maximum=max((high for high in highs if high is not None), default=None) if None not in highs else None,
    )


def _narrowed(type_: AnyType, tests: syntax.UnaryTests | None) -> Bounds:
    """The innermost constraint that says something: a type's own before those of its base."""
    found = bounds_of(tests) if tests is not None else Bounds()
    while found == Bounds() and isinstance(type_, ConstrainedType):
        found = _parsed(type_.text)
        type_ = type_.base
    return found


def _parsed(text: str) -> Bounds:
    try:
        return bounds_of(parse_unary_tests(text, NameScope({})))
    except DmnError:  # constraints of two places joined in one text: the model itself judges them
        return Bounds()


def _ends(test: syntax.Test) -> tuple[float | None, float | None] | None:
    """The lowest and the highest number that pass, None for a side without an end; None when it is no interval of numbers."""
    if isinstance(test, syntax.Compare):
        number = _number(test.value)
        if number is None or test.operator not in {"<", "<=", ">", ">=", "="}:
            return None
        return (None if "<" in test.operator else number, None if ">" in test.operator else number)
    if isinstance(test.value, syntax.RangeOf):
        low, high = test.value.low, test.value.high
        ends = tuple(None if end is None else _number(end) for end in (low, high))
        broken = any(end is not None and number is None for end, number in zip((low, high), ends, strict=True))
        return None if broken else (ends[0], ends[1])
    number = _number(test.value)
    return None if number is None else (number, number)


def _number(node: Any) -> float | None:
    if isinstance(node, syntax.Number):
        return float(node.value)
    if isinstance(node, syntax.Negation) and isinstance(node.value, syntax.Number):
        return float(-node.value.value)
    return None


def exact(number: float) -> Decimal:
    """The number that a double stands for: the shortest decimal that reads back as it; without ".0" for whole numbers, which
    would show in texts that rules make of them."""
    return Decimal(int(number)) if abs(number) < _ALL_WHOLE and number.is_integer() else Decimal(repr(number))
