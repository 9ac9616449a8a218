"""Who is sliced, who follows, and what the source is asked for."""

from __future__ import annotations

from dataclasses import replace

import psycopg
import pytest

from lakeward.domain.facts import GroupPlan, LakeColumn, LakeTable, LandedColumn, ReferencePlan, TablePlan
from lakeward.domain.faults import FaultsError
from lakeward.domain.source_facts import SourceColumn, SourceTable
from lakeward.domain.windowing import counts_sql, in_window, judged_later, lost_sql, plan_windowing
from lakeward.domain.windows import parse
from lakeward.lab import Lab
from lakeward.spec.models import CalendarSpec, WindowSpec

CALENDAR = CalendarSpec.model_validate({"time_zone": "Europe/Zurich"})


def table(name: str, columns: dict[str, str], *key: str) -> tuple[TablePlan, SourceTable]:
    """A table whose columns have the lake's names in small letters."""
    landed = tuple(LandedColumn(c, "int", kind, f'"{c}"', native=True, nullable=True) for c, kind in columns.items())
    lake = tuple(LakeColumn(c.lower(), "int", required=False, role="value", source=c) for c in columns)
    plan = TablePlan(
        "s", name, (), landed, (), (LakeTable(name.lower(), lake, key),), scan=True, ctid=True, estimated_rows=1
    )
    source = SourceTable(
        "s",
        name,
        "table",
        tuple(SourceColumn(c, kind, kind, nullable=True) for c, kind in columns.items()),
        tuple(k.upper() for k in key),
        (),
        has_children=False,
        row_security=False,
        readable=True,
        estimated_rows=1,
        bytes=1,
    )
    return plan, source


TABLES = [
    table("Customer", {"ID": "int8", "LAST": "int8"}, "id"),
    table(
        "Order",
        {
            "ID": "int8",
            "CUSTOMER": "int8",
            "AT": "timestamptz",
            "DAY": "date",
            "SEEN": "timestamp",
            "OLD": "int8",
            "T": "text",
        },
        "id",
    ),
    table("Line", {"ORDER": "int8", "N": "int4"}, "order", "n"),
    table("Pick", {"ID": "int8", "ORDER": "int8", "N": "int4"}, "id"),
    table("Note", {"ID": "int8", "N": "int4"}, "id"),
]
REFERENCES = (
    ReferencePlan("pick", ("order", "n"), "line", ("order", "n"), "source"),
    ReferencePlan("line", ("order",), "order", ("id",), "source"),
    ReferencePlan("order", ("customer",), "customer", ("id",), "source"),
    ReferencePlan("order", ("old",), "order", ("id",), "source"),
    ReferencePlan("line", ("n",), "order", ("id",), "file"),  # a second one; lines follow by the first
    ReferencePlan("customer", ("last",), "order", ("id",), "file"),
    ReferencePlan("note", ("n",), "line", ("n",), "file"),  # not to a key: a note could follow several lines
)


def spec(column: str, size: str, **more: object) -> WindowSpec:
    return WindowSpec.model_validate({"table": "s.Order", "column": column, "size": size} | more)


def group(column: str, size: str) -> GroupPlan:
    plans, sources = [t for t, _ in TABLES], [s for _, s in TABLES]
    how = plan_windowing(spec(column, size), CALENDAR, plans, sources, REFERENCES)
    return GroupPlan("g", "cut", tuple(plans), REFERENCES, 0.01, windowing=how)


def within(made: GroupPlan) -> dict[str, str]:
    return {t.name: t.within for t in made.tables}


def test_rows_follow_by_references_to_keys_over_any_distance() -> None:
    how = group("AT", "1 month").windowing
    assert how
    assert how.tables == ("order", "line", "pick")
    assert [(f.columns, f.to_columns) for f in how.followers] == [
        (("ORDER",), ("ID",)),
        (("ORDER", "N"), ("ORDER", "N")),
    ]
    assert how.basis == "order.AT in Europe/Zurich"


def test_only_references_that_a_window_can_judge_are_left() -> None:
    whole = group("AT", "1 month")
    made = in_window("m", whole, (parse("2024-03-01/2024-04-01"),), "2024-03-01/2024-04-01", "run")
    assert [(r.table, r.to) for r in made.references] == [("pick", "line"), ("line", "order"), ("order", "customer")]
    assert [line.partition(":")[0] for line in judged_later(whole)] == [
        "order to order (by old)",
        "line to order (by n)",
        "customer to order (by last)",
        "note to line (by n)",
    ]
    assert made.sliced == {"order", "line", "pick"}
    assert made.cut_id != in_window("m", whole, (), "2024-04-01/2024-05-01", "run").cut_id


@pytest.mark.parametrize(
    ("column", "window", "told"),
    [
        (
            "DAY",
            "2024-03-01/2024-04-01",
            """("s"."Order"."DAY" >= date '2024-03-01' AND "s"."Order"."DAY" < date '2024-04-01')""",
        ),
        ("SEEN", "2024-03-01/2024-04-01", "\"SEEN\" >= timestamp '2024-03-01 00:00:00' AND"),
        ("AT", "2024-03-01/2024-04-01", "AT TIME ZONE 'Europe/Zurich') AS DATE) >= date '2024-03-01'"),
        ("AT", "2024-03-01/2024-04-01", "\"AT\" >= timestamptz '2024-02-28 00:00:00+00'"),
        ("ID", "-10/5", '("s"."Order"."ID" >= -10 AND "s"."Order"."ID" < 5)'),
        ("ID", "unplaced", '("s"."Order"."ID" IS NOT NULL) IS NOT TRUE'),
    ],
)
def test_the_source_is_asked_for_half_open_slices(column: str, window: str, told: str) -> None:
    made = in_window("m", group(column, "10 keys" if column == "ID" else "1 month"), (parse(window),), window, "run")
    conditions = within(made)
    assert told in conditions["order"]
    assert (conditions["customer"], conditions["note"]) == ("", "")
    line = 'EXISTS (SELECT 1 FROM "s"."Order" AS followed1 WHERE followed1."ID" = "s"."Line"."ORDER" AND '
    assert line in conditions["line"]
    assert (
        'EXISTS (SELECT 1 FROM "s"."Order" AS followed2 WHERE followed2."ID" = followed1."ORDER" AND '
        in conditions["pick"]
    )
    assert [t.scan for t in made.tables] == [True, False, False, False, True]


def test_rows_are_counted_in_one_reading() -> None:
    made = group("ID", "10 keys")
    assert made.windowing
    sql = counts_sql(made, made.windowing, spec("ID", "10 keys", **{"from": 3, "until": 99}))
    assert 'WHEN "ID" < 3 THEN -1 WHEN "ID" >= 99 THEN 1 ELSE 0' in sql
    assert sql.count("FROM") == 1
    assert lost_sql(made, made.windowing).count("IS NOT TRUE") == 2


@pytest.mark.parametrize(
    ("column", "size", "told"),
    [
        ("ATT", "1 month", "s.Order has no column 'ATT'"),
        ("T", "1 month", "column 'T': text gives no windows"),
        ("AT", "10 keys", "Write `1 month`"),
        ("ID", "1 day", "Write `100000 keys`"),
    ],
)
def test_a_column_that_gives_no_windows_is_refused(column: str, size: str, told: str) -> None:
    with pytest.raises(FaultsError) as refused:
        group(column, size)
    assert any(told in f"{t.reason} {t.todo}" for t in refused.value.troubles)


def test_the_outermost_keys_are_counted(lab: Lab) -> None:
    plan, source = table("Key", {"ID": "int8"}, "id")
    plan, wanted = replace(plan, schema="pg_temp"), spec("ID", "100000 keys", table="pg_temp.Key")
    how = plan_windowing(wanted, CALENDAR, [plan], [source], ())
    assert how
    with psycopg.connect(lab.env()["LAKEWARD_LAB_POSTGRES"]) as connection:
        connection.execute('CREATE TEMP TABLE "Key" ("ID" bigint)')
        connection.execute('INSERT INTO "Key" VALUES (-9223372036854775808), (9223372036854775807), (-1), (0), (NULL)')
        counts = connection.execute(counts_sql(GroupPlan("g", "cut", (plan,), (), 0.01), how, wanted)).fetchall()
    slices = [-9223372036854800000, -100000, 0, 9223372036854700000]
    assert set(counts) == {(None, 0, 1), *((str(at), 0, 1) for at in slices)}
