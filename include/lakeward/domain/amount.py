"""What a cell of a figure holds on one side, as people read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Context, Decimal
from math import isclose, isfinite

from lakeward.spec.models import ToleranceSpec

_SHOWN = Context(prec=10)
"""Digits of a quotient."""


@dataclass(frozen=True, slots=True)
class Amount:
    """A value over ``n`` rows; of a ratio its numerator, with the denominator ``per`` over ``per_n`` rows."""

    value: object
    n: int
    per: object = None
    per_n: int | None = None

    @classmethod
    def of(cls, row: Mapping[str, object]) -> Amount:
        """The amount of a row of figures."""
        per_n = row.get("per_n")
        return cls(row["value"], int(str(row["n"])), row.get("per"), None if per_n is None else int(str(per_n)))

    @property
    def number(self) -> Decimal | None:
        """The figure as a number, a ratio's quotient to ten digits; None where it is none."""
        value, per = _number(self.value), _number(self.per)
        if self.per_n is None:
            return value
        return None if value is None or not per else _SHOWN.divide(value, per)

    def shown(self, function: str) -> str:
        """The figure; averages and ratios as they are compared, by what is divided by what."""
        if function == "ratio" and self.per_n is not None:
            quotient = "no quotient" if self.number is None else f"{self.number.normalize():,f}"
            return f"{_word(self.value)} \u00f7 {_word(self.per)} = {quotient}"
        return (
            f"{_word(self.value)} \u00f7 {self.n:,}"
            if function == "avg" and self.value is not None
            else _word(self.value)
        )

    def differs(self, other: Amount, tolerance: ToleranceSpec | None) -> bool:
        """Whether two amounts are not the same; floats may lie apart by the tolerance."""
        near = _near(self.value, other.value, tolerance) and _near(self.per, other.per, tolerance)
        return not near or (self.n, self.per_n) != (other.n, other.per_n)


def _number(value: object) -> Decimal | None:
    if isinstance(value, float):
        return Decimal(repr(value)) if isfinite(value) else None
    return Decimal(value) if isinstance(value, Decimal | int) else None


def _word(value: object) -> str:
    if value is None:
        return "none"
    return f"{value:,f}" if isinstance(value, Decimal) else f"{value:,}" if isinstance(value, int) else str(value)


def _near(left: object, right: object, tolerance: ToleranceSpec | None) -> bool:
    if not isinstance(left, float) or not isinstance(right, float) or tolerance is None:
        return left == right
    absolute, relative = float(tolerance.absolute or 0), float(tolerance.relative or 0)
    return str(left) == str(right) or isclose(left, right, rel_tol=relative, abs_tol=absolute)
