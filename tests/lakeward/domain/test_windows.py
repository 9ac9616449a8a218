"""Windows part time and keys without gaps or overlaps, whatever was done before and however sizes changed."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakeward.domain.windows import (
    UNPLACED,
    Count,
    Window,
    bounds,
    chosen,
    fold,
    has_ended,
    holds,
    is_marked,
    is_of,
    list_windows,
    parse,
    token,
)
from lakeward.spec.models import CalendarSpec, WindowSpec

ZURICH = CalendarSpec.model_validate({"time_zone": "Europe/Zurich", "week_starts": "sunday"})
SIZES = ["1 month", "2 months", "5 months", "1 week", "3 weeks", "1 day", "10 days"]
DAYS = st.dates(date(2, 1, 1), date(9997, 12, 31))


def spec(size: str, **more: object) -> WindowSpec:
    return WindowSpec.model_validate({"table": "t", "column": "c", "size": size} | more)


def names(windows: tuple[Window, ...]) -> list[str]:
    return [window.name for window in windows]


@given(DAYS, st.sampled_from(SIZES))
def test_every_day_is_in_the_window_that_its_bounds_name(day: date, size: str) -> None:
    low, high = bounds(spec(size), ZURICH, day)
    assert low <= day < high  # type: ignore[operator]
    for other in (low, high - timedelta(days=1)):  # type: ignore[operator]
        assert bounds(spec(size), ZURICH, other) == (low, high)


def test_months_weeks_and_keys_begin_where_people_say() -> None:
    day = date(2024, 5, 15)  # a Wednesday
    assert bounds(spec("1 month"), ZURICH, day) == (date(2024, 5, 1), date(2024, 6, 1))
    assert bounds(spec("3 months"), ZURICH, day) == (date(2024, 4, 1), date(2024, 7, 1))
    assert bounds(spec("1 week"), ZURICH, day) == (date(2024, 5, 12), date(2024, 5, 19))
    assert bounds(spec("10 keys"), ZURICH, -1) == (-10, 0)
    narrow = spec("1 month", **{"from": date(2024, 5, 10), "until": date(2024, 5, 20)})
    assert bounds(narrow, ZURICH, day) == (date(2024, 5, 10), date(2024, 5, 20))


@given(
    st.lists(st.dates(date(2020, 1, 1), date(2021, 12, 31)), min_size=1, max_size=30),
    st.lists(st.sampled_from(SIZES), min_size=1, max_size=4),
    st.data(),
)
def test_whatever_sizes_are_declared_one_after_the_other_every_day_is_read_once(
    days: list[date], sizes: list[str], data: st.DataObject
) -> None:
    counts = [Count(day, 0, 1) for day in set(days)]
    done: dict[str, int] = {}
    for size in [*sizes, sizes[0]]:
        left = list_windows(spec(size), ZURICH, counts, done).left
        taken = left if size is sizes[0] and size == sizes[-1] else left[: data.draw(st.integers(0, len(left)))]
        done |= {window.name: window.rows for window in taken}
    done |= {w.name: w.rows for w in list_windows(spec(sizes[0]), ZURICH, counts, done).left}
    for day in days:
        holding = [n for n in done if (w := parse(n)).low <= day < w.high]  # type: ignore[operator]
        assert len(holding) == 1
    assert list_windows(spec(sizes[0]), ZURICH, counts, done).left == ()


def test_order_rows_and_what_stays_behind_are_told() -> None:
    counts = [
        Count(date(2024, 1, 5), 0, 3),
        Count(date(2024, 3, 5), 0, 4),
        Count(date(2024, 3, 6), 0, 1),
        Count(date(2019, 1, 1), -1, 7),
        Count(date(2030, 1, 1), 1, 2),
        Count(None, 0, 2),
    ]
    newest = list_windows(spec("1 month"), ZURICH, counts, {})
    assert [(w.name, w.rows) for w in newest.left] == [
        ("2024-03-01/2024-04-01", 5),
        ("2024-01-01/2024-02-01", 3),
        (UNPLACED, 2),
    ]
    assert (newest.before, newest.after) == (7, 2)
    oldest = list_windows(
        spec("1 month", order="oldest_first"), ZURICH, counts, {"2024-03-01/2024-04-01": 5, UNPLACED: 2}
    )
    assert (names(oldest.left), names(oldest.done)) == (
        ["2024-01-01/2024-02-01"],
        ["2024-03-01/2024-04-01", UNPLACED],
    )
    open_end = list_windows(spec("1 month"), ZURICH, counts, {"2024-03-01/2024-04-01": 5}, ["2024-03-01/2024-04-01"])
    assert names(open_end.left) == ["2024-01-01/2024-02-01", UNPLACED, "2024-03-01/2024-04-01"]


def test_keys_are_cut_about_what_is_done() -> None:
    counts = [Count(0, 0, 10), Count(10, 0, 10), Count(-10, 0, 1)]
    listing = list_windows(spec("10 keys", order="oldest_first"), ZURICH, counts, {"4/12": 8})
    assert names(listing.left) == ["-10/0", "0/4", "12/20"]
    assert listing.top == 10


def test_a_window_has_ended_a_day_after_its_last_in_the_calendars_zone() -> None:
    month, window = spec("1 month"), parse("2024-03-01/2024-04-01")
    before = datetime(2024, 4, 1, 21, 59, tzinfo=UTC)  # a minute before the second of April in Zurich
    assert not has_ended(window, month, ZURICH, before, None)
    assert has_ended(window, month, ZURICH, before + timedelta(minutes=1), None)
    keys = spec("10 keys", until=95)
    assert has_ended(parse("80/90"), keys, ZURICH, before, 90)
    assert not has_ended(parse("80/90"), keys, ZURICH, before, 80)
    assert has_ended(parse("90/95"), keys, ZURICH, before, 90)
    assert has_ended(parse(UNPLACED), keys, ZURICH, before, 90)


def test_windows_are_named_by_what_people_type() -> None:
    counts = [Count(date(2024, m, 5), 0, 1) for m in (1, 2, 3)]
    listing = list_windows(spec("1 month"), ZURICH, counts, {"2024-03-01/2024-04-01": 1})
    assert names(chosen("2024-02", listing)) == ["2024-02-01/2024-03-01"]
    assert names(chosen("2024-03-01", listing)) == ["2024-03-01/2024-04-01"]
    assert names(chosen("2024-03-01/2024-04-01", listing)) == ["2024-03-01/2024-04-01"]
    assert len(chosen("2024", listing)) == 3
    assert names(chosen("2024-02-29", listing)) == ["2024-02-01/2024-03-01"], "any day of it, as findings tell them"
    for word in ("202", "2024-2", "2024-13", "2024-02-30", "2023", "0000", "x"):
        assert chosen(word, listing) == ()
    wide = list_windows(spec("3 months"), ZURICH, [Count(date(2023, 12, 1), 0, 1), *counts], {})
    assert names(chosen("2024-02", wide)) == ["2024-01-01/2024-04-01"]
    keys = list_windows(spec("10 keys"), ZURICH, [Count(0, 0, 1), Count(100, 0, 1)], {})
    assert names(chosen("100", keys)) == ["100/110"]
    assert chosen("109", keys) == (), "a number of four digits is a year"


@given(st.lists(st.integers(-50, 50), max_size=40), st.integers(1, 7))
def test_the_record_holds_exactly_what_landed(lows: list[int], size: int) -> None:
    landed = [f"{low * size}/{low * size + size}" for low in lows]
    record = ""
    for name in landed:
        record = fold(record, [name])
    for low in range(-51, 52):
        name = f"{low * size}/{low * size + size}"
        assert holds(record, name) == (name in landed)
    assert len(record.split()) <= max(len(set(lows)), 0)


def test_the_record_is_as_short_as_it_can_be() -> None:
    assert fold("2024-02-01/2024-03-01", ["2024-01-01/2024-02-01", UNPLACED]) == "2024-01-01/2024-03-01 unplaced"
    assert holds("2024-01-01/2024-03-01 unplaced", UNPLACED)
    assert not holds("2024-01-01/2024-03-01", UNPLACED)
    assert not holds("", "1/2")


def test_files_tell_their_window() -> None:
    url = f"s3://lake/t/data/{token('1/2')}try1-00000.parquet"
    assert is_marked(url)
    assert is_of(url, "2/3", "1/2")
    assert not is_of(url, "2/3")
    assert not is_marked("s3://lake/w0123456789ab-x/try1.parquet")


@pytest.mark.parametrize("name", ["", "2024-01", "a/b"])
def test_what_is_no_window_has_no_place(name: str) -> None:
    with pytest.raises(ValueError, match="isoformat"):
        parse(name)
