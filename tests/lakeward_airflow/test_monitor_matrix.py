"""The parity matrix from stored figures, and by windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from io import BytesIO

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakeward.adapters.objects import MemoryStore
from lakeward.domain.evidence import Finding, Outcome, Pointer, State, Verdict, WindowCut
from lakeward.domain.file_facts import FileFact
from lakeward.domain.standing import Card, GroupCard, Judged, KpiCard
from lakeward.spec.models import LandingSpec
from lakeward_airflow.monitor.matrix import MOST, TOTAL, matrix_of, windows_of

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
REVENUE = KpiCard("revenue", "sales", "Revenue", "sum(total)", "sum", ("day", "month"), ("country",))
LIMIT = KpiCard("limit", "sales", "Limit", "max(limit)", "max", (), ())
CARD = Card(
    "retail",
    "retail.yaml",
    "lift_and_shift",
    "",
    "x",
    "UTC",
    LandingSpec(path="/x"),
    (GroupCard("sales", ("orders",)),),
    (REVENUE, LIMIT),
)
Row = tuple[str, str | None, str, str]


def stored(store: MemoryStore, key: str, rows: Sequence[Row]) -> FileFact:
    table = pa.table(
        {
            "grain": [row[0] for row in rows],
            "period": pa.array([row[1] for row in rows], pa.string()),
            "dims": [row[2] for row in rows],
            "value": pa.array([Decimal(row[3]) for row in rows], pa.decimal128(38, 2)),
            "n": [1 for _ in rows],
        }
    )
    out = BytesIO()
    pq.write_table(table, out)
    store.put(key, out.getvalue())
    return FileFact(store.url(key), len(rows), len(out.getvalue()), store.etag(key) or "")


def verdict(store: MemoryStore, source: Sequence[Row], lake: Sequence[Row], wrong: Sequence[Row] = ()) -> Verdict:
    files = [stored(store, "s.parquet", source), stored(store, "l.parquet", lake)]
    if wrong:
        files.append(stored(store, "revenue-differences.parquet", wrong))
    found = tuple(Finding("revenue", "source-lake", row[0], row[1]) for row in wrong)
    outcome = Outcome.FAIL if wrong else Outcome.PASS
    return Verdict(
        *(
            "kpi",
            "revenue",
            "retail",
            "sales",
            "c",
            outcome,
            "h",
            "said",
            len(source),
            len(wrong),
            AT,
            found,
            tuple(files),
        )
    )


BASE: list[Row] = [
    ("total", None, "", "9999999999999999999.99"),
    ("month", "2026-01-01", "", "1.00"),
    ("month", "2026-02-01", "", "2.00"),
    ("month", None, "", "0.10"),
    ("month", "2026-01-01", "country", "1.00"),
    ("day", "2026-01-31", "", "1.00"),
]


def states(found: object, name: str = "revenue") -> dict[str, str]:
    (line,) = (line for line in found.lines if line.kpi.name == name)  # type: ignore[attr-defined]
    return {period: cell.state for period, cell in line.cells.items()}


def test_figures_are_exact_text_of_both_sides() -> None:
    store = MemoryStore()
    found = matrix_of(CARD, [verdict(store, BASE, BASE)], store)
    assert (found.grain, found.grains, found.periods) == (
        "month",
        ("month", "day"),
        (TOTAL, "2026-01-01", "2026-02-01", "no date"),
    )
    assert set(states(found).values()) == {"equal"}
    total = found.lines[0].cells[TOTAL]
    assert (total.source, total.lake) == ("9,999,999,999,999,999,999.99",) * 2
    assert (found.lines[1].cells, found.lines[1].note) == ({}, "not compared yet")
    assert matrix_of(CARD, [verdict(store, BASE, BASE)], store, "day").periods == (TOTAL, "2026-01-31")


def test_what_differs_what_is_open_and_a_breakdown_are_told_apart() -> None:
    store = MemoryStore()
    lake = [row if row[:2] != ("month", "2026-02-01") else (*row[:3], "2.01") for row in BASE]
    wrong = [BASE[2], ("month", "2026-01-01", "country", "0.00")]
    one = verdict(store, BASE, lake, wrong)
    found = matrix_of(CARD, [one], store)
    assert states(found) == {TOTAL: "equal", "2026-01-01": "within", "2026-02-01": "differs", "no date": "equal"}
    assert found.lines[0].cells["2026-02-01"].lake == "2.01"
    opened = matrix_of(CARD, [replace(one, open_from={"month": "2026-02-01"})], store)
    assert states(opened)["2026-02-01"] == "open"


def test_the_coarsest_grain_that_shows_a_difference_is_shown() -> None:
    store = MemoryStore()
    assert matrix_of(CARD, [verdict(store, BASE, BASE, [BASE[5]])], store).grain == "day"


def test_of_many_periods_the_latest_are_shown_and_all_that_differ() -> None:
    store = MemoryStore()
    days = [("day", f"2026-{month:02}-{day:02}", "", "1.00") for month in (1, 2, 3) for day in range(1, 29)]
    found = matrix_of(CARD, [verdict(store, days, days, [days[0]])], store, "day")
    assert found.periods[:2] == (TOTAL, "2026-01-01")
    assert (len(found.periods), found.left) == (MOST + 2, len(days) - MOST - 1)


@pytest.mark.parametrize(("data", "said"), [(None, "are gone"), (b"PAR1", "were changed since")])
def test_figures_that_are_not_what_was_compared_are_not_shown(data: bytes | None, said: str) -> None:
    store = MemoryStore()
    one = verdict(store, [*BASE, ("day", str(said), "", "7.00")], BASE)
    store.delete(["s.parquet"])
    if data:
        store.put("s.parquet", data)
    (line, _) = matrix_of(CARD, [one], store).lines
    assert (line.cells, said in line.note) == ({}, True)


def test_windows_show_their_newest_outcomes() -> None:
    windows = {
        name: WindowCut(f"c{name[:4]}", 1, 1, 1.0, ended=True)
        for name in ("2025-01-01/2026-01-01", "2026-01-01/2027-01-01")
    }
    pointer = Pointer("retail", "sales", State.LEGACY, 1, "c2026", {}, "", AT, "", "", windows=windows)
    judged = [
        Judged("retail", "sales", "kpi", "revenue", f"c{year}", outcome, AT)
        for year, outcome in ((2025, Outcome.PASS), (2026, Outcome.FAIL), (2024, Outcome.PASS))
    ]
    found = windows_of(CARD, judged, {"sales": pointer})
    assert found is not None
    assert found.periods == tuple(windows)
    assert states(found) == dict(zip(windows, ("equal", "differs"), strict=True))
    assert [cell.cut for cell in found.lines[0].cells.values()] == ["c2025", "c2026"]
    assert windows_of(CARD, judged, {}) is None
