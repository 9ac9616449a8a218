"""Figures of a real source against a real lake: equal, and with one mistake each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from uuid import uuid4

import pyarrow.parquet as pq
import pytest
from parity_world import AT, SOURCE, World, admin, world

from lakeward.adapters.ledger import MemoryLedger
from lakeward.domain import kpi
from lakeward.domain.evidence import Finding, Outcome, Pointer, Verdict
from lakeward.domain.identity import pointer_key, verdict_key
from lakeward.domain.sides import LAKE
from lakeward.domain.stored import from_json, to_json
from lakeward.errors import DataError, LakeError, SourceError, SourceLostError
from lakeward.lab import Lab
from lakeward.ports import Engine
from lakeward.reader import resolve
from lakeward.spec.models import KpiSpec
from lakeward.steps.compare import compare
from lakeward.steps.compare_now import compare_now
from lakeward.steps.drill import drill, drill_kpi, resolved_kpi
from lakeward.steps.figures import reckoning
from lakeward.steps.measure import lake_inputs

RUNS = count()
CENT = {
    "sales_lines": "SELECT * REPLACE (CASE WHEN sales_id = 7 AND position = 1 THEN price + 0.01 ELSE price END AS price) FROM rows"
}
FAULTS = {  # one sale moved a day, one lost its status, two are missing, one is there twice; one visit is counted twice
    "sales": ", changed AS (SELECT * REPLACE (CASE WHEN id = 11 THEN sold_at + INTERVAL 1 DAY ELSE sold_at END AS sold_at, "
    "CASE WHEN id = 2 THEN NULL ELSE status END AS status) FROM rows) SELECT * FROM changed WHERE id NOT IN (20, 300) "
    "UNION ALL SELECT * REPLACE (1000 AS id) FROM rows WHERE id = 21",
    "visits": "SELECT * FROM rows UNION ALL FROM (SELECT * FROM rows WHERE page = 'p1' AND cents = 3 LIMIT 1)",
}


@pytest.fixture(scope="module")
def shop(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("parity"), uuid4().hex) as found:
        yield found


@pytest.fixture
def source(shop: World) -> Iterator[None]:
    """Changes of the source are taken back after the test."""
    yield
    with admin() as connection:
        connection.execute(SOURCE)


PUBLISHED: dict[str, Pointer] = {}


def publish(shop: World, changed: dict[str, str] | None = None, landing: str = "as it was") -> None:
    """Let the pointer show the lake with these mistakes; what was laid there before is not written again."""
    key = f"{shop.plan.run_key} {changed} {landing}"
    if key not in PUBLISHED:
        PUBLISHED[key] = shop.publish(changed, f"{next(RUNS):04}")
    shop.ports.store.put(pointer_key("parity", "shop"), to_json(PUBLISHED[key]))


def by_name(verdicts: tuple[Verdict, ...]) -> dict[str, Verdict]:
    return {f"rows {v.subject}" if v.kind == "rows" else v.subject: v for v in verdicts}


def failing(verdicts: tuple[Verdict, ...]) -> set[str]:
    return {v.subject for v in verdicts if v.outcome is not Outcome.PASS}


class Idle(Engine):
    """An engine that must not be asked."""

    def stream(self, *args: object) -> object:
        raise AssertionError("measured again")

    table = stream


def test_equal_figures_pass_are_stored_and_then_only_read(shop: World) -> None:
    publish(shop)
    seen: list[str] = []
    verdicts = compare(
        shop.plan, "shop", shop.ports, AT, lambda what, done, total: seen.append(f"{what} {done}/{total}")
    )
    assert [(v.kind, v.subject, v.outcome) for v in verdicts] == [
        *(("kpi", name, Outcome.PASS) for name in ("revenue", "shipping", "lines", "fees", "buyers", "visits")),
        *(("rows", name, Outcome.PASS) for name in ("sales", "sales_lines", "sales_fees", "visits")),
        ("counts", "shop", Outcome.PASS),
    ]
    assert all(v.checked > 0 and v.failed == 0 and v.decided_at == AT for v in verdicts)
    assert seen[0] == "compare revenue 0/11"
    assert seen[-1] == "compare 11/11"
    for v in verdicts:
        found = shop.ports.store.get(verdict_key("parity", "shop", v.cut_id, v.kind, v.subject, v.inputs_hash))
        assert found
        assert from_json(Verdict, found[0]) == v
    shop.ports.store.delete([verdict_key("parity", "shop", v.cut_id, v.kind, v.subject, v.inputs_hash)])
    idle = replace(shop.ports, engine=Idle())
    assert compare(shop.plan, "shop", idle, AT + timedelta(days=1)) == verdicts
    assert shop.ports.store.get(verdict_key("parity", "shop", v.cut_id, v.kind, v.subject, v.inputs_hash))


def test_both_figures_are_kept_and_are_those_of_the_source(shop: World) -> None:
    publish(shop)
    revenue = by_name(compare(shop.plan, "shop", shop.ports, AT))["revenue"]
    source, lake = (pq.read_table(f.url) for f in revenue.files)
    with admin() as connection:
        total = connection.execute("SELECT sum(amount), count(*) FROM parity.sales").fetchone()
        days = connection.execute(
            "SELECT (sold_at AT TIME ZONE 'Europe/Zurich')::date::text, sum(amount) FROM parity.sales GROUP BY 1"
        ).fetchall()
    for table in (source, lake):
        cells = {(c["grain"], c["period"]): c for c in table.to_pylist() if c["dims"] == ""}
        assert (cells["total", None]["value"], cells["total", None]["n"]) == total
        assert {(day, cells["day", day]["value"]) for day, _ in days} == set(days)


def test_one_cent_in_one_line_is_found_in_its_cells_and_its_row(shop: World) -> None:
    publish(shop, CENT)
    verdicts = compare(shop.plan, "shop", shop.ports, AT)
    assert failing(verdicts) == {"lines", "sales_lines"}
    lines = by_name(verdicts)["lines"]
    assert (lines.outcome, lines.failed, len(lines.findings)) == (Outcome.FAIL, 2, 2)
    assert {(f.grain, f.period, *f.dimensions.items()) for f in lines.findings} == {
        ("total", None),
        ("total", None, ("sku", "S0")),
    }
    assert all(Decimal(f.found or 0) - Decimal(f.expected or 0) == Decimal("0.02") for f in lines.findings)
    assert {f.leg for f in lines.findings} == {"landing-lake"}
    assert "the landing still gives the source's figures" in lines.summary
    assert lines.findings[0].dimensions == {}
    drilled = drill_kpi(shop.plan, lines, shop.ports, now=False)
    assert [(f.dimensions, f.kind, f.key, f.column, f.expected, f.found) for f in drilled] == [
        ({"sku": "S0"}, "changed_value", (7, 1), "price", "0.90", "0.91")
    ]
    rows = by_name(verdicts)["rows sales_lines"]
    assert [(f.kind, f.key, f.column, f.types, f.kpis) for f in rows.findings] == [
        ("changed_value", (7, 1), "price", ("jsonb", "decimal(10,2)"), ("lines",))
    ]


def drill_day(shop: World, day: str, dimensions: dict[str, str | None] | None = None) -> list[tuple[object, ...]]:
    cell = Finding("revenue", "landing-lake", "day", day, dimensions or {})
    return [(f.kind, f.key, f.column, f.expected, f.found) for f in drilled(shop, cell)]


def drilled(shop: World, cell: Finding) -> tuple[Finding, ...]:
    group = shop.plan.group("shop")
    return drill(shop.plan, group, resolved_kpi(shop.plan, group, "revenue"), cell, shop.ports, now=False).findings


def test_rows_behind_a_cell_changed_moved_missing_and_extra(shop: World) -> None:
    publish(shop, FAULTS)
    verdicts = by_name(compare(shop.plan, "shop", shop.ports, AT))
    assert verdicts["revenue"].outcome is Outcome.FAIL
    moved = ("shifted_period", (11,), "sold_at", "2025-01-04 04:30:00.000000Z", "2025-01-05 04:30:00.000000Z")
    assert drill_day(shop, "2025-01-04") == [moved]
    assert drill_day(shop, "2025-01-05") == [moved]
    assert drill_day(shop, "2025-01-06") == [("missing", (20,), "", None, None)]
    assert drill_day(shop, "2025-01-07") == [("extra", (1000,), "", None, None)]
    assert drill_day(shop, "2025-01-01", {"status": ""}) == [("encoding", (2,), "status", "", None)]
    assert drill_day(shop, "2025-01-01", {"status": None}) == [("encoding", (2,), "status", "", None)]
    assert drill_day(shop, "2025-01-10") == []
    everything = drilled(shop, Finding("revenue", "landing-lake", "total"))
    assert {f.key for f in everything} == {(11,), (20,), (300,), (1000,), (2,)}
    assert {f.key for f in verdicts["rows sales"].findings} == {f.key for f in everything}


def test_the_finest_cells_are_drilled_first(shop: World) -> None:
    publish(shop, FAULTS)
    revenue = by_name(compare(shop.plan, "shop", shop.ports, AT))["revenue"]
    found = drill_kpi(shop.plan, revenue, shop.ports, now=False, cells=3)
    assert {(f.grain, len(f.dimensions)) for f in found} == {("day", 2)}
    assert all(f.key and f.kpis == ("revenue",) for f in found)


def test_a_lost_row_fails_the_counts(shop: World) -> None:
    publish(shop, FAULTS)
    counts = by_name(compare(shop.plan, "shop", shop.ports, AT))["shop"]
    assert (counts.kind, counts.outcome, counts.failed) == ("counts", Outcome.FAIL, 2)
    said = "600 read (600) less quarantine, but 599 in the lake and 0 in quarantine"
    assert counts.findings[0] == Finding("sales", "landing-lake", "total", None, {}, "600", "599", said)


def test_a_table_without_a_key_only_warns_where_it_is_declared_so(shop: World) -> None:
    publish(shop, FAULTS)
    visits = by_name(compare(shop.plan, "shop", shop.ports, AT))["visits"]
    assert visits.outcome is Outcome.WARN
    (row,) = drill_kpi(shop.plan, visits, shop.ports, now=False)
    assert (row.grain, row.dimensions) == ("day", {"page": "p1"})
    assert (row.kind, row.key, row.times, row.values["cents"], row.values["page"]) == ("duplicated", (), 1, "3", "p1")


def test_a_landing_that_differs_from_the_source_is_named(shop: World) -> None:
    landed = next(t for t in shop.manifest.tables if t.table == "sales").files[0]
    original = pq.read_table(landed.url)
    amounts = original.column("amount").to_pylist()
    amounts[3] += Decimal("0.01")
    import pyarrow as pa

    index = original.schema.get_field_index("amount")
    pq.write_table(
        original.set_column(index, original.schema.field(index), pa.array(amounts, original.schema.field(index).type)),
        landed.url,
    )
    try:
        publish(shop, landing="one cent off")
        revenue = by_name(compare(shop.plan, "shop", shop.ports, AT))["revenue"]
    finally:
        pq.write_table(original, landed.url)
    assert revenue.outcome is Outcome.FAIL
    assert {f.leg for f in revenue.findings} == {"source-landing"}


def test_findings_are_few_sorted_and_their_table_is_whole(shop: World) -> None:
    publish(shop, {"sales": "SELECT * REPLACE (amount + id AS amount) FROM rows"})
    revenue = by_name(compare(shop.plan, "shop", shop.ports, AT))["revenue"]
    assert revenue.failed == revenue.checked == 2090
    assert len(revenue.findings) == 100
    order = {"total": 0, "month": 1, "week": 2, "day": 3}
    ranks = [(order[f.grain], len(f.dimensions)) for f in revenue.findings]
    assert ranks == sorted(ranks)
    months = [
        abs(Decimal(f.found or 0) - Decimal(f.expected or 0))
        for f in revenue.findings
        if f.grain == "month" and not f.dimensions
    ]
    assert months == sorted(months, reverse=True)
    whole = pq.read_table(next(f.url for f in revenue.files if f.url.endswith("-differences.parquet")))
    assert whole.num_rows == revenue.failed


def test_what_cannot_be_measured_is_recorded_then_raised_after_all_were_tried(shop: World) -> None:
    publish(shop)
    ports = replace(shop.ports, ledger=MemoryLedger())
    pointer = resolve(shop.ports.store, "parity", "shop")
    lost = {name: 1 if name.endswith("sales_lines") else pin for name, pin in pointer.tables.items()}
    shop.ports.store.put(pointer_key("parity", "shop"), to_json(replace(pointer, tables=lost)))
    with pytest.raises(
        LakeError,
        match=r"no figures of lines, sales_lines, shop\. lines could not be measured: .*no longer has snapshot 1",
    ):
        compare(shop.plan, "shop", ports, AT)
    newest = by_name(ports.ledger.verdicts("parity", shop.plan.group("shop").cut_id))
    assert newest["lines"].outcome is Outcome.ERROR
    assert (newest["shop"].outcome, newest["visits"].outcome) == (Outcome.ERROR, Outcome.PASS)
    publish(shop)
    assert failing(compare(shop.plan, "shop", ports, AT + timedelta(minutes=1))) == set()


def test_changed_source_figures_are_refused(shop: World) -> None:
    publish(shop)
    figures = next(f for f in shop.manifest.figures if f.url.endswith("/fees.parquet"))
    before = Path(figures.url).read_bytes()
    key = figures.url.removeprefix(shop.ports.store.url("x")[:-1])
    table = pq.read_table(figures.url)
    pq.write_table(table.slice(1), figures.url)
    try:
        with pytest.raises(LakeError, match="were changed since they were taken"):
            compare(shop.plan, "shop", replace(shop.ports, ledger=MemoryLedger()), AT)
    finally:
        shop.ports.store.put(key, before)


def test_another_published_cut_is_refused(shop: World) -> None:
    publish(shop)
    pointer = resolve(shop.ports.store, "parity", "shop")
    shop.ports.store.put(pointer_key("parity", "shop"), to_json(replace(pointer, cut_id="f" * 16)))
    with pytest.raises(LakeError, match=f"published at cut {'f' * 16}"):
        compare(shop.plan, "shop", shop.ports, AT)


def test_now_sees_what_the_source_did_since(shop: World, source: None) -> None:
    publish(shop)
    before = compare_now(shop.plan, shop.ports, AT)
    assert failing(before) == set()
    assert {v.subject for v in before if v.kind == "rows"} == {"sales", "sales_lines", "sales_fees", "visits"}
    with admin() as connection:
        connection.execute("UPDATE parity.sales SET amount = amount - 0.01 WHERE id = 42")
        connection.execute(
            "UPDATE parity.sales SET payload = jsonb_set(payload, '{lines,1,sku}', '\"S9\"') WHERE id = 43"
        )
    verdicts = compare_now(shop.plan, shop.ports, AT + timedelta(minutes=1))
    assert failing(verdicts) == {"revenue", "lines", "sales", "sales_lines"}
    revenue = by_name(verdicts)["revenue"]
    (row,) = drill_kpi(shop.plan, revenue, shop.ports, now=True, cells=1)
    assert (row.grain, row.kind, row.key, row.column) == ("day", "changed_value", (42,), "amount")
    assert Decimal(row.found or 0) - Decimal(row.expected or 0) == Decimal("0.01")
    assert shop.ports.ledger.verdict("parity", "shop", "kpi", "revenue", revenue.inputs_hash) is None


def test_now_takes_one_kpi_and_late_periods_only(shop: World, source: None) -> None:
    publish(shop)
    with admin() as connection:
        connection.execute("UPDATE parity.sales SET amount = amount + 1 WHERE id = 1")
    only = {"kpis": ["revenue"], "groups": ["shop"]}
    (late,) = compare_now(shop.plan, shop.ports, AT + timedelta(minutes=2), **only, since=date(2025, 3, 1))
    (early,) = compare_now(shop.plan, shop.ports, AT + timedelta(minutes=3), **only, since=date(2025, 1, 1))
    assert (late.subject, late.outcome) == ("revenue", Outcome.PASS)
    assert 0 < late.checked < early.checked
    assert early.outcome is Outcome.FAIL


@pytest.mark.parametrize("times", [1, 2])
def test_a_source_that_is_lost_midway_is_asked_once_more(shop: World, times: int) -> None:
    publish(shop)
    lost: list[str] = []

    def cut_off(what: str, done: int, total: int) -> None:
        if what == "compare shipping" and len(lost) < times:
            lost.append(what)
            with admin() as connection:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'lakeward_reader'"
                )

    at = AT + timedelta(minutes=10 + times)
    if times == 1:
        assert failing(compare_now(shop.plan, shop.ports, at, progress=cut_off)) == set()
    else:
        with pytest.raises(SourceLostError, match="could not be measured"):
            compare_now(shop.plan, shop.ports, at, progress=cut_off)
    assert len(lost) == times


def test_a_figure_that_has_no_room_names_its_kpi_on_both_sides(shop: World) -> None:
    publish(shop)
    spec = KpiSpec.model_validate({"name": "huge", "table": "sales", "measure": f"sum({' * '.join(['amount'] * 18)})"})
    r = kpi.resolve(spec, shop.plan.group("shop"), shop.plan.migration.calendar)
    with pytest.raises(SourceError, match=r"^KPI huge, sum\(amount \* .*overflow") as at_source, reckoning(r):
        shop.ports.source.query(kpi.source_sql(r))
    with pytest.raises(DataError, match=r"^KPI huge, sum\(amount") as in_lake, reckoning(r):
        shop.ports.engine.table(
            kpi.lake_sql(r, LAKE), lake_inputs(shop.ports, r, resolve(shop.ports.store, "parity", "shop").tables)
        )
    for error in (at_source, in_lake):
        assert "at most 38 digits" in error.value.todo
