"""Numbers: decimals of 34 digits, rounded half to even (IEEE 754-2008 decimal128, as 10.3.2.3.1 asks). Division by zero and
results outside of the range are null, never infinity."""

from __future__ import annotations

from decimal import (
    ROUND_HALF_EVEN,
    Clamped,
    Context,
    Decimal,
    DivisionByZero,
    FloatOperation,
    InvalidOperation,
    Overflow,
)

CONTEXT = Context(
    prec=34,
    rounding=ROUND_HALF_EVEN,
    Emin=-6143,
    Emax=6144,
    capitals=1,
    clamp=0,
    traps=[InvalidOperation, DivisionByZero, Overflow, FloatOperation],
    flags=[],
)
"""The arithmetic. Use its methods (`CONTEXT.add(a, b)`); its flags are not read. `Clamped` and the inexact ones do not trap."""

ZERO, ONE = Decimal(0), Decimal(1)
TRAPPED = (InvalidOperation, DivisionByZero, Overflow, FloatOperation, Clamped)


def number(value: int | float | str | Decimal) -> Decimal:
    """A FEEL number of a Python one, rounded to 34 digits. A float becomes the shortest decimal that reads as it does.

    Raises ValueError for what is not a finite number."""
    if isinstance(value, float):
        value = repr(value)
    try:
        made = CONTEXT.create_decimal(value)
    except TRAPPED as error:
        raise ValueError(f"{value!s:.40} is not a number") from error
    if not made.is_finite():
        raise ValueError(f"{value!s:.40} is not a finite number")
    return made


def text_of(value: Decimal) -> str:
    """A number as FEEL writes it: without an exponent, without needless zeros after the point of an integer's scale."""
    if not value:
        return "0"
    return format(value, "f")
