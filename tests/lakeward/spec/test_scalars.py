"""The small words of a migration file."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from lakeward.domain.stored import from_json, to_json
from lakeward.spec.models import Filter
from lakeward.spec.scalars import LakeType, Scalar, Size, SortTerm, Span, Transform, ZoneName


@pytest.mark.parametrize(
    "value",
    [
        Decimal("1.50"),
        Decimal("12345678901234567890.123456789"),
        "1.50",
        "007",
        "2026-01-31",
        "2026-01-31T00:00:00Z",
        date(2026, 1, 31),
        datetime(2026, 1, 31),  # noqa: DTZ001 - a wall-clock time
        datetime(2026, 1, 31, 1, 2, 3, 4, tzinfo=UTC),
        True,
        "true",
        10**25,
        ("5", 5, Decimal("5.0")),
    ],
)
def test_a_frozen_filter_value_comes_back_as_what_it_was(value: Scalar | tuple[Scalar, ...]) -> None:
    before = Filter(column="x", value=value)
    after = from_json(Filter, to_json(before))
    assert after == before
    assert type(after.value) is type(before.value)


@pytest.mark.parametrize(
    ("kind", "text", "spelled"),
    [
        (LakeType, "decimal( 12, 2 )", "decimal(12,2)"),
        (Transform, "country", "identity(country)"),
        (Transform, "month(ordered_at)", "month(ordered_at)"),
        (Transform, "bucket( 16 ,id )", "bucket(16, id)"),
        (Transform, "truncate(8, odd, (name))", "truncate(8, odd, (name))"),
        (Transform, "bucket", "identity(bucket)"),
        (SortTerm, "-ordered_at", "-ordered_at"),
        (Size, "128MB", "128MB"),
        (Span, "2h", "2h"),
        (ZoneName, "Europe/Zurich", "Europe/Zurich"),
    ],
)
def test_each_word_has_one_spelling(kind: type[str], text: str, spelled: str) -> None:
    assert kind(text) == spelled


@pytest.mark.parametrize(
    ("kind", "text", "reason"),
    [
        (LakeType, "decimal(5,9)", "scale is larger"),
        (LakeType, "varchar", "not of the form"),
        (Transform, "bucket(id)", r"with a number from 1 first, as bucket\(16, id\)"),
        (Transform, "bucket[4](id)", "with a number from 1 first"),
        (Transform, "truncate(0, sku)", "with a number from 1 first"),
        (Transform, "bucket(4,)", "with a number from 1 first"),
        (Transform, "bucket(2147483648, id)", "the largest is 2147483647"),
        (Transform, "week(at)", "not of the form"),
        (Size, "0MB", "not of the form"),
        (Span, "2 hours", "not of the form"),
        (ZoneName, "Mars/Olympus", "no IANA time zone"),
    ],
)
def test_other_words_are_refused_with_what_was_expected(kind: type[str], text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        kind(text)
