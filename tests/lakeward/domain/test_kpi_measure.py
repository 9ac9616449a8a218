"""Measures as people write them: what passes, what does not, and where it is told."""

from __future__ import annotations

from decimal import Decimal

import pytest

from lakeward.domain.kpi import KpiError, parse_measure
from lakeward.domain.kpi_measure import Column, Function, Negated, Number, Operation
from lakeward.spec.scalars import Expression


def parse(text: str) -> object:
    return parse_measure(Expression(text)).argument


def test_products_bind_closer_than_sums_and_both_to_the_left() -> None:
    a, b, c = (Column(n, at) for n, at in (("a", 4), ("b", 8), ("c", 12)))
    assert parse("sum(a - b - c)") == Operation("-", Operation("-", a, b), c)
    assert parse("sum(a + b * c)") == Operation("+", a, Operation("*", b, c))
    assert parse("sum(a * b + c)") == Operation("+", Operation("*", a, b), c)


def test_brackets_signs_quotes_and_numbers() -> None:
    assert parse("sum((a + 1.50) * -b)") == Operation(
        "*", Operation("+", Column("a", 5), Number(Decimal("1.50"))), Negated(Column("b", 18))
    )
    assert parse('sum("Order ""Total""")') == Column('Order "Total"', 4)
    assert parse("sum(größe * .5)") == Operation("*", Column("größe", 4), Number(Decimal("0.5")))
    assert parse("max( a )") == Column("a", 5)


def test_numbers_keep_the_digits_that_were_written() -> None:
    measure = parse("sum(a * 1.500)")
    assert isinstance(measure, Operation)
    assert isinstance(measure.right, Number)
    assert measure.right.scale == 3


def test_only_count_needs_no_argument() -> None:
    assert parse_measure(Expression("count()")).argument is None
    assert parse_measure(Expression("count()")).function is Function.COUNT
    for function in set(Function) - {Function.COUNT}:
        with pytest.raises(KpiError, match="needs a column"):
            parse(f"{function}()")


@pytest.mark.parametrize(
    ("text", "said", "at"),
    [
        ("sum(a / b)", "division is not exact", 6),
        ("sum(round(a))", "function calls are not possible", 4),
        ("sum(a; drop table x)", "';", 5),
        ("sum(a + )", "ends where", 8),
        ("sum(a b)", "'b' stands where +, -, * or the end was expected", 6),
        ("sum((a)", "ends where a closing bracket", 6),
        ("sum(a))", "')' stands where", 5),
        ("sum(+a)", "'+a' stands where", 4),
        ("sum(a * 'x')", "texts have no place", 8),
        ("sum(1e5 * a)", "'1e5 * a' stands where", 4),
        ("sum(a.5)", "'.5' stands where", 5),
        ('sum("a)', "stands where a column", 4),
        ("sum(1 + 2)", "no column", None),
        ("sum(a -- b\n)", "", None),
        ("sum(*)", "'*' stands where", 4),
        ("count(distinct a)", "'a' stands where", 15),
        ("sum(" + "(" * 60 + "a" + ")" * 60 + ")", "nested deeper than 50", None),
    ],
)
def test_what_is_no_measure_is_told_with_its_place(text: str, said: str, at: int | None) -> None:
    if text == "sum(a -- b\n)":  # two minus signs are two minus signs, never a comment
        with pytest.raises(ValueError, match="is no measure"):
            Expression(text)
        assert parse("sum(a -- b)") == Operation("-", Column("a", 4), Negated(Column("b", 9)))
        return
    with pytest.raises(KpiError) as error:
        parse(text)
    assert said in str(error.value)
    if at is not None:
        assert error.value.at == at


def test_an_error_is_a_value_error() -> None:
    assert issubclass(KpiError, ValueError)
