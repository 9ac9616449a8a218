"""Report queries: what may stand in them, and what both sides are given to run."""

from __future__ import annotations

from dataclasses import replace

import pytest
from test_kpi_joins import GROUP

from lakeward.domain.dialect import Dialect
from lakeward.domain.reports import report_of, report_troubles
from lakeward.spec.meters import ReportSpec

DAILY = ReportSpec(
    name="daily",
    group=GROUP.name,
    source="SELECT client_id, sum(total) / 2 AS half FROM pg_temp.orders GROUP BY client_id ORDER BY half DESC LIMIT 10",
    lake="SELECT o.client_id, sum(o.total) AS half FROM orders o JOIN clients ON clients.id = o.client_id GROUP BY o.client_id",
)


def test_both_sides_are_rendered_anew_and_the_lakes_tables_are_views() -> None:
    report = report_of(DAILY, GROUP)
    assert report.source.endswith("ORDER BY half DESC LIMIT 10")
    assert '"pg_temp"."orders"' in report.source
    assert 'FROM "#orders#" AS o JOIN "#clients#" AS "clients"' in report.lake
    assert {view: table.name for view, table in report.inputs.items()} == {"#orders#": "orders", "#clients#": "clients"}
    assert list(report_troubles([DAILY], [GROUP])) == []


@pytest.mark.parametrize(
    ("side", "sql", "told"),
    [
        ("source", "DELETE FROM pg_temp.orders", "exactly one SELECT"),
        ("source", "SELECT pg_sleep(100)", "may not stand there"),
        ("source", "SELECT 1; SELECT 2", "exactly one SELECT"),
        ("source", "SELECT id FROM pg_catalog.pg_authid", "no table of the group"),
        ("source", "SELECT id FROM pg_temp.orders FOR UPDATE", "may not stand there"),
        ("lake", "SELECT content FROM read_text('/etc/passwd')", "may not stand there"),
        ("lake", "SELECT id FROM 'x.parquet'", "no table of the group"),
        ("lake", "COPY orders TO 'x'", "exactly one SELECT"),
    ],
)
def test_what_is_no_plain_select_over_the_groups_tables_is_refused(side: str, sql: str, told: str) -> None:
    (trouble,) = report_troubles([DAILY, DAILY.model_copy(update={side: sql})], [GROUP])
    assert trouble.path == (1, side)
    assert told in trouble.reason


def test_a_group_that_is_not_there_and_another_source_are_named() -> None:
    lost = DAILY.model_copy(update={"group": GROUP.name + "s"})
    elsewhere = replace(GROUP, tables=tuple(replace(t, dialect=Dialect.MARIADB) for t in GROUP.tables))
    (trouble,) = report_troubles([lost], [GROUP])
    assert trouble.path == (0, "group")
    (trouble,) = report_troubles([DAILY], [elsewhere])
    assert "PostgreSQL" in trouble.reason
