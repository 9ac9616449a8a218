"""The record rules that a migration file may use: expectations, their arguments, and which columns they suit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What an argument holds."""

    COLUMN = "a column"
    COLUMNS = "a list of two columns or more"
    VALUE = "a value of the column's type"
    VALUES = "a list of values of the column's type"
    NUMBER = "a number"
    COUNT = "a whole number, 0 or more"
    SHARE = "a share from 0 to 1"
    TEXT = "a text"
    REGEX = "a regular expression"
    FLAG = "true or false"


class Shape(StrEnum):
    """What a rule is put to: each row (its key can be named), or one figure of the whole table."""

    ROWS = "rows"
    FIGURE = "figure"


NUMBERS = frozenset({"int", "long", "float", "double", "decimal"})
MOMENTS = frozenset({"date", "timestamp", "timestamptz"})
ORDERED = NUMBERS | MOMENTS
TEXTS = frozenset({"string", "json"})
LISTABLE = ORDERED | TEXTS | {"boolean", "uuid"}
ANY = LISTABLE | {"time", "binary"}


@dataclass(frozen=True, slots=True)
class Permitted:
    """One expectation: how it reads, what it is put to, its arguments, and the kinds of columns that it suits.

    ``says`` is filled with the arguments; ``{range}`` stands for the bounds.
    """

    says: str
    shape: Shape
    required: Mapping[str, Kind]
    optional: Mapping[str, Kind]
    columns: frozenset[str]
    bounded: bool = False  # one bound at least must be there


_COLUMN = {"column": Kind.COLUMN}
_PAIR = {"column_A": Kind.COLUMN, "column_B": Kind.COLUMN}
_LIST = {"column_list": Kind.COLUMNS}
_STRICT = {"strict_min": Kind.FLAG, "strict_max": Kind.FLAG}
_MOSTLY = {"mostly": Kind.SHARE}


def _bounds(kind: Kind) -> dict[str, Kind]:
    return {"min_value": kind, "max_value": kind}


def _rows(
    says: str,
    columns: frozenset[str],
    required: Mapping[str, Kind] | None = None,
    optional: Mapping[str, Kind] | None = None,
    domain: Mapping[str, Kind] | None = None,
) -> Permitted:
    """A rule on each row; nulls are let through, but by the null tests."""
    bounded = "min_value" in (optional or {})
    return Permitted(
        says,
        Shape.ROWS,
        {**(_COLUMN if domain is None else domain), **(required or {})},
        {**(optional or {}), **_MOSTLY},
        columns,
        bounded,
    )


def _figure(says: str, columns: frozenset[str], kind: Kind) -> Permitted:
    """A rule on one figure of a column, between two bounds."""
    return Permitted(says, Shape.FIGURE, _COLUMN, {**_bounds(kind), **_STRICT}, columns, bounded=True)


def _distinct(says: str) -> Permitted:
    return Permitted(says, Shape.FIGURE, {**_COLUMN, "value_set": Kind.VALUES}, {}, LISTABLE)


PERMITTED: Mapping[str, Permitted] = {
    # each row
    "expect_column_values_to_not_be_null": _rows("{column} is not null", ANY),
    "expect_column_values_to_be_null": _rows("{column} is null", ANY),
    "expect_column_values_to_be_unique": _rows("{column} is unique", ANY),
    "expect_column_values_to_be_between": _rows("{column} is {range}", ORDERED, optional=_bounds(Kind.VALUE) | _STRICT),
    "expect_column_values_to_be_in_set": _rows("{column} is one of {value_set}", LISTABLE, {"value_set": Kind.VALUES}),
    "expect_column_values_to_not_be_in_set": _rows(
        "{column} is none of {value_set}", LISTABLE, {"value_set": Kind.VALUES}
    ),
    "expect_column_values_to_match_regex": _rows("{column} matches {regex}", TEXTS, {"regex": Kind.REGEX}),
    "expect_column_values_to_not_match_regex": _rows("{column} does not match {regex}", TEXTS, {"regex": Kind.REGEX}),
    "expect_column_values_to_match_like_pattern": _rows(
        "{column} is like {like_pattern}", TEXTS, {"like_pattern": Kind.TEXT}
    ),
    "expect_column_values_to_not_match_like_pattern": _rows(
        "{column} is not like {like_pattern}", TEXTS, {"like_pattern": Kind.TEXT}
    ),
    "expect_column_value_lengths_to_equal": _rows("{column} has {value} characters", TEXTS, {"value": Kind.COUNT}),
    "expect_column_value_lengths_to_be_between": _rows(
        "the length of {column} is {range}", TEXTS, optional=_bounds(Kind.COUNT) | _STRICT
    ),
    # several columns of each row
    "expect_column_pair_values_to_be_equal": _rows("{column_A} equals {column_B}", ANY, domain=_PAIR),
    "expect_column_pair_values_a_to_be_greater_than_b": _rows(
        "{column_A} is greater than {column_B}", ORDERED, optional={"or_equal": Kind.FLAG}, domain=_PAIR
    ),
    "expect_compound_columns_to_be_unique": _rows("{column_list} together are unique", ANY, domain=_LIST),
    "expect_select_column_values_to_be_unique_within_record": _rows(
        "{column_list} differ from each other", ANY, domain=_LIST
    ),
    "expect_multicolumn_sum_to_equal": _rows(
        "{column_list} add up to {sum_total}", NUMBERS, {"sum_total": Kind.NUMBER}, domain=_LIST
    ),
    # one figure of the table
    "expect_column_min_to_be_between": _figure("the smallest {column} is {range}", ORDERED, Kind.VALUE),
    "expect_column_max_to_be_between": _figure("the largest {column} is {range}", ORDERED, Kind.VALUE),
    "expect_column_sum_to_be_between": _figure("the sum of {column} is {range}", NUMBERS, Kind.NUMBER),
    "expect_column_mean_to_be_between": _figure("the mean of {column} is {range}", NUMBERS, Kind.NUMBER),
    "expect_column_unique_value_count_to_be_between": _figure(
        "the number of distinct {column} is {range}", ANY, Kind.COUNT
    ),
    "expect_column_proportion_of_unique_values_to_be_between": _figure(
        "the share of distinct {column} is {range}", ANY, Kind.SHARE
    ),
    "expect_column_proportion_of_non_null_values_to_be_between": _figure(
        "the share of {column} that is not null is {range}", ANY, Kind.SHARE
    ),
    "expect_column_distinct_values_to_be_in_set": _distinct("every distinct {column} is one of {value_set}"),
    "expect_column_distinct_values_to_contain_set": _distinct("{column} takes every value of {value_set}"),
    "expect_column_distinct_values_to_equal_set": _distinct("{column} takes exactly the values {value_set}"),
    "expect_table_row_count_to_equal": Permitted(
        "the table has {value} rows", Shape.FIGURE, {"value": Kind.COUNT}, {}, ANY
    ),
    "expect_table_row_count_to_be_between": Permitted(
        "the number of rows is {range}", Shape.FIGURE, {}, {**_bounds(Kind.COUNT), **_STRICT}, ANY, bounded=True
    ),
}
"""Expectations that are put to staged files. Those that run SQL of their own, or judge types, are not among them."""
