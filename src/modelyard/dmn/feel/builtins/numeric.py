"""Numeric functions (DMN 1.5, 10.3.4.5) and `not` (10.3.4.2)."""

from __future__ import annotations

from collections.abc import Callable
from decimal import (
    MAX_EMAX,
    MIN_EMIN,
    ROUND_CEILING,
    ROUND_DOWN,
    ROUND_FLOOR,
    ROUND_HALF_DOWN,
    ROUND_HALF_EVEN,
    ROUND_HALF_UP,
    ROUND_UP,
    Context,
    Decimal,
)
from typing import Final

from modelyard.dmn.feel.builtins.registry import builtin
from modelyard.dmn.feel.numbers import CONTEXT, ONE, TRAPPED, ZERO
from modelyard.dmn.feel.temporal import DaysTime, YearsMonths
from modelyard.dmn.feel.values import Value
from modelyard.dmn.run import Run

LEAST_SCALE: Final = Decimal(-6111)
GREATEST_SCALE: Final = Decimal(6176)

_COSTLY: Final = 10
"""What a root, a logarithm and the like count for in steps."""
_EXACT: Final = Context(prec=12_800, rounding=ROUND_HALF_EVEN, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[])
"""Room for the exact remainder of the greatest number by the least one."""


@builtin("negand: boolean?", name="not")
def negation(run: Run, negand: bool | None) -> bool | None:
    return None if negand is None else not negand


@builtin("n: number, scale: number")
def decimal(run: Run, n: Decimal, scale: Decimal) -> Decimal | None:
    return rounded(run, "decimal", n, scale, ROUND_HALF_EVEN)


@builtin("n: number, [scale: number]")
def floor(run: Run, n: Decimal, scale: Decimal = ZERO) -> Decimal | None:
    return rounded(run, "floor", n, scale, ROUND_FLOOR)


@builtin("n: number, [scale: number]")
def ceiling(run: Run, n: Decimal, scale: Decimal = ZERO) -> Decimal | None:
    return rounded(run, "ceiling", n, scale, ROUND_CEILING)


@builtin("n: number, scale: number")
def round_up(run: Run, n: Decimal, scale: Decimal) -> Decimal | None:
    return rounded(run, "round up", n, scale, ROUND_UP)


@builtin("n: number, scale: number")
def round_down(run: Run, n: Decimal, scale: Decimal) -> Decimal | None:
    return rounded(run, "round down", n, scale, ROUND_DOWN)


@builtin("n: number, scale: number")
def round_half_up(run: Run, n: Decimal, scale: Decimal) -> Decimal | None:
    return rounded(run, "round half up", n, scale, ROUND_HALF_UP)


@builtin("n: number, scale: number")
def round_half_down(run: Run, n: Decimal, scale: Decimal) -> Decimal | None:
    return rounded(run, "round half down", n, scale, ROUND_HALF_DOWN)


def rounded(run: Run, name: str, n: Decimal, scale: Decimal, rounding: str) -> Decimal | None:
    """`n` with `scale` digits after the point (before it, if negative); as it is if they do not fit into 34 digits.

    Of a scale with a fraction the whole part counts."""
    if not LEAST_SCALE <= scale <= GREATEST_SCALE:
        run.null(f"{name}() wants a scale from {LEAST_SCALE} to {GREATEST_SCALE}, not {scale}")
        return None
    exponent = -int(scale)
    own = n.as_tuple().exponent
    if isinstance(own, int) and own >= exponent and n.adjusted() - exponent >= CONTEXT.prec:
        return n
    try:
        return n.quantize(ONE.scaleb(exponent, CONTEXT), rounding, CONTEXT)
    except TRAPPED:
        run.null(f"{name}() has no result for {n} at scale {scale}")
        return None


@builtin("n: number", name="abs")
def absolute_number(run: Run, n: Decimal) -> Decimal:
    return n.copy_abs()


@builtin("n: duration", name="abs")
def absolute_duration(run: Run, n: DaysTime | YearsMonths) -> DaysTime | YearsMonths:
    return DaysTime(abs(n.nanoseconds)) if isinstance(n, DaysTime) else YearsMonths(abs(n.months))


@builtin("dividend: number, divisor: number")
def modulo(run: Run, dividend: Decimal, divisor: Decimal) -> Value:
    """dividend - divisor * floor(dividend / divisor), exactly, then rounded to 34 digits."""
    if not divisor:
        return run.null("modulo() has no result for the divisor 0")
    run.step(_COSTLY)
    left = _EXACT.remainder(dividend, divisor)
    if left and left.is_signed() != divisor.is_signed():
        left = _EXACT.add(left, divisor)
    return CONTEXT.plus(left)


@builtin("number: number")
def sqrt(run: Run, number: Decimal) -> Value:
    if number < 0:
        return run.null("sqrt() has no result for a negative number")
    run.step(_COSTLY)
    return CONTEXT.sqrt(number)


@builtin("number: number")
def log(run: Run, number: Decimal) -> Value:
    """The natural logarithm."""
    if number <= 0:
        return run.null("log() has no result for a number that is not positive")
    run.step(_COSTLY)
    return CONTEXT.ln(number)


@builtin("number: number")
def exp(run: Run, number: Decimal) -> Decimal | None:
    run.step(_COSTLY)
    return finite(run, "exp", lambda: CONTEXT.exp(number))


def finite(run: Run, name: str, made: Callable[[], Decimal]) -> Decimal | None:
    """A result, or null with a message if it is beyond the range of numbers."""
    try:
        return made()
    except TRAPPED:
        run.null(f"the result of {name}() is out of the range of numbers")
        return None


@builtin("number: number")
def odd(run: Run, number: Decimal) -> bool:
    """False for a number with a fraction, which is neither odd nor even."""
    return _parity(number) == 1


@builtin("number: number")
def even(run: Run, number: Decimal) -> bool:
    """False for a number with a fraction, which is neither odd nor even."""
    return _parity(number) == 0


def _parity(number: Decimal) -> Decimal:
    """The remainder by 2, without its sign. Beyond 34 digits a number is a multiple of ten."""
    return ZERO if number.adjusted() >= CONTEXT.prec else CONTEXT.remainder(number, Decimal(2)).copy_abs()
