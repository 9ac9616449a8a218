"""Progress in words and numbers, and what a budget has room for."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from lakeward.domain.evidence import WindowCut
from lakeward.domain.progress import progress_of, spent
from lakeward.domain.windows import Listing, Window
from lakeward.spec.models import BudgetSpec

NOW = datetime(2026, 11, 25, 22, 0, tzinfo=UTC)


def cut(rows: int, seconds: float = 10.0, gate: str = "open", size: int = 1_000_000) -> WindowCut:
    return WindowCut("c", rows, size, seconds, ended=True, gate=gate)


def month(n: int, rows: int) -> Window:
    return Window(date(2024, n, 1), date(2024, n + 1, 1), rows)


def budget(**parts: object) -> BudgetSpec:
    return BudgetSpec.model_validate(parts)


def test_rate_and_end_are_those_of_the_windows_of_this_run() -> None:
    done = {month(3, 0).name: cut(100, 1000), month(2, 0).name: cut(500)}
    listing = Listing((month(1, 2000), month(3, 100)), (), before=7)  # the third is only read again
    found = progress_of("sales", done, listing, (month(2, 0).name,))
    assert (found.done, found.rows_done, found.left, found.rows_left, found.rate) == (2, 600, 1, 2000, 50.0)
    assert (found.complete, found.remaining) == (False, timedelta(seconds=40))
    assert found.told(budget(), NOW) == (
        "2 of 3 windows, 600 of 2,600 rows, 50 rows/s, about 0:00:40 of work left, expected end 2026-11-25 22:00Z, "
        "7 rows before `from` stay behind"
    )
    assert "0:00:40 of work left, 4 runs" in found.told(budget(time="10s"), NOW)


def test_a_held_window_is_told_and_nothing_is_complete_with_it() -> None:
    found = progress_of("sales", {month(1, 0).name: cut(1, gate="held")}, Listing((), ()))
    assert (found.complete, found.held, found.left) == (False, "2024-01-01/2024-02-01", 0)
    assert progress_of("sales", {month(1, 0).name: cut(1)}, Listing((), ())).complete


@pytest.mark.parametrize(
    ("parts", "coming", "deadline", "why"),
    [
        ({}, 10**9, None, ""),
        ({"rows": 1000}, 500, None, ""),
        ({"rows": 1000}, 501, None, "500 rows are moved"),
        ({"bytes": "2MB"}, 500, None, ""),
        ({"bytes": "2MB"}, 501, None, "1.0 MB have landed"),
        ({}, 500, 10, ""),
        ({}, 501, 10, "not likely to end"),
        ({}, 1, 0, "the time budget is spent"),
    ],
)
def test_the_next_window_is_begun_as_long_as_there_is_room(
    parts: dict[str, object], coming: int, deadline: int | None, why: str
) -> None:
    end = NOW + timedelta(seconds=deadline) if deadline is not None else None
    told = spent(budget(**parts), (cut(500),), month(1, coming), NOW, end)
    assert why in told
    assert bool(told) is bool(why)
    assert bool(spent(budget(**parts), (), month(1, coming), NOW, end)) is (deadline == 0), (
        "the first has room but in time"
    )
