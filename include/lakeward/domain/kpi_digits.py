"""How many digits an arithmetic expression over columns needs."""

from __future__ import annotations

from collections.abc import Callable

from lakeward.domain.kpi_measure import Column, Negated, Node, Number, Operation
from lakeward.spec.scalars import LakeType

MAX_DIGITS = 38
"""Digits that the lake's decimals have."""
INEXACT = "inexact"
"""The type of a figure that floats enter."""
_INTEGERS = {"int": 10, "long": 19}


def scale_of(node: Node, type_of: Callable[[str], str]) -> int:
    """Digits after the point of an arithmetic expression, exactly: sums take the larger, products add."""
    match node:
        case Column(name):
            decimal = LakeType(type_of(name)).decimal
            return decimal[1] if decimal else 0
        case Number():
            return node.scale
        case Negated(operand):
            return scale_of(operand, type_of)
        case Operation("*", left, right):
            return scale_of(left, type_of) + scale_of(right, type_of)
        case Operation(_, left, right):
            return max(scale_of(left, type_of), scale_of(right, type_of))


def digits_of(node: Node, type_of: Callable[[str], str]) -> tuple[int, int]:
    """Digits that an arithmetic expression may need, and how many of them after the point."""
    match node:
        case Column(name):
            return LakeType(type_of(name)).decimal or (_INTEGERS.get(type_of(name), MAX_DIGITS), 0)
        case Number(value):
            return max(len(value.as_tuple().digits), node.scale), node.scale
        case Negated(operand):
            return digits_of(operand, type_of)
        case Operation(operator, left, right):
            (a, a_scale), (b, b_scale) = digits_of(left, type_of), digits_of(right, type_of)
            if operator == "*":
                return a + b, a_scale + b_scale
            scale = max(a_scale, b_scale)
            return max(a - a_scale, b - b_scale) + scale + 1, scale
