"""One table in a real PostgreSQL and in DuckDB, its KPIs on both, and the same figures reckoned in Python."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import duckdb
import psycopg

from lakeward.domain import kpi
from lakeward.domain.dialect import Dialect
from lakeward.domain.facts import GroupPlan, LakeColumn, LakeTable, LandedColumn, TablePlan
from lakeward.domain.spelling import spelling
from lakeward.domain.sql import ident
from lakeward.domain.tree import Expression
from lakeward.spec.models import CalendarSpec, Grain, KpiSpec

ZURICH = CalendarSpec(time_zone="Europe/Zurich")
DUCK_TYPES = {
    "long": "BIGINT",
    "int": "INTEGER",
    "string": "VARCHAR",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
    "timestamptz": "TIMESTAMPTZ",
    "time": "TIME",
    "uuid": "UUID",
    "json": "VARCHAR",
    "double": "DOUBLE",
}
PG_TYPES = {"long": "bigint", "int": "integer", "string": "text", "double": "float8"}
Figures = set[tuple[object, ...]]


def told(tree: Expression, dialect: Dialect) -> str:
    """A tree in a dialect."""
    return spelling(dialect).sql(tree)


def pg_type(lake_type: str) -> str:
    return PG_TYPES.get(lake_type, lake_type.replace("decimal", "numeric"))


def plan_of(name: str, columns: dict[str, str], *, schema: str = "pg_temp", key: tuple[str, ...] = ()) -> GroupPlan:
    """A group of one table whose columns are carried as they are."""
    landed = tuple(LandedColumn(n, t, pg_type(t), ident(n), native=True, nullable=True) for n, t in columns.items())
    lake = LakeTable(name, tuple(LakeColumn(n, t, False, "value", n) for n, t in columns.items()), key)
    return GroupPlan("shop", "0" * 16, (TablePlan(schema, name, (), landed, (), (lake,), True, True, 0),), (), 0.01)


def spec(measure: str, table: str = "facts", **more: object) -> KpiSpec:
    return KpiSpec.model_validate({"name": "figure", "table": table, "measure": measure} | more)


@dataclass
class Both:
    """A connection to each."""

    pg: psycopg.Connection[tuple[object, ...]]
    duck: duckdb.DuckDBPyConnection

    def create(self, name: str, columns: dict[str, str]) -> None:
        self.pg.execute(f"DROP TABLE IF EXISTS pg_temp.{ident(name)}")
        self.pg.execute(
            f"CREATE TEMP TABLE {ident(name)} ({', '.join(f'{ident(c)} {pg_type(t)}' for c, t in columns.items())})"
        )
        kinds = ", ".join(f"{ident(c)} {DUCK_TYPES.get(t, t)}" for c, t in columns.items())
        self.duck.execute(f"CREATE OR REPLACE TABLE {ident(name)} ({kinds})")

    def fill(self, name: str, rows: Sequence[Sequence[object]]) -> None:
        """Put rows into both, values as text, so that no driver comes between."""
        if not rows:
            return
        marks = ", ".join(["%s"] * len(rows[0]))
        words = [[None if v is None else str(v) for v in row] for row in rows]
        types = [
            r[0]
            for r in self.pg.execute(
                f"SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'pg_temp.{ident(name)}'::regclass AND attnum > 0 ORDER BY attnum"
            )
        ]
        casts = ", ".join(f"%s::text::{t}" for t in types)
        with self.pg.cursor() as cursor:
            cursor.executemany(f"INSERT INTO pg_temp.{ident(name)} VALUES ({casts})", words)
        self.duck.executemany(f"INSERT INTO {ident(name)} VALUES ({marks.replace('%s', '?')})", words)

    def figures(self, r: kpi.ResolvedKpi) -> tuple[Figures, Figures]:
        """The source's figures and the lake's, whose fingerprints are the same wherever the figures are."""
        source, lake = self._source(r), self._lake(r)
        assert (source == lake) or (without(source) != without(lake))
        return without(source), without(lake)

    def source(self, r: kpi.ResolvedKpi) -> Figures:
        return without(self._source(r))

    def _source(self, r: kpi.ResolvedKpi) -> Figures:
        return unique(self.pg.execute(kpi.source_sql(r)).fetchall())

    def _lake(self, r: kpi.ResolvedKpi) -> Figures:
        return unique(self.duck.execute(kpi.lake_sql(r, r.table.name)).fetchall())

    def lake(self, r: kpi.ResolvedKpi) -> Figures:
        return without(self._lake(r))


def unique(rows: Sequence[tuple[object, ...]]) -> Figures:
    """Rows as a set; a cell that comes twice is a fault."""
    found = {tuple(v) for v in rows}
    assert len(found) == len({row[:-3] for row in found}) == len(rows)
    return found


@contextmanager
def both() -> Iterator[Both]:
    """Connections to the lab's PostgreSQL, with settings that our SQL must not depend on, and to DuckDB."""
    with psycopg.connect(os.environ["LAKEWARD_LAB_POSTGRES"], autocommit=True) as pg, duckdb.connect() as duck:
        pg.execute("SET TimeZone = 'America/New_York'; SET DateStyle = 'German'; SET extra_float_digits = 0")
        duck.execute("SET TimeZone = 'UTC'")
        yield Both(pg, duck)


def without(figures: Figures) -> Figures:
    """Figures without their fingerprints."""
    return {row[:-1] for row in figures}


# --- the same in Python ------------------------------------------------------------------------------------------------


def period_of(moment: object, grain: Grain, calendar: CalendarSpec) -> str | None:
    """First day of the period, as the figures spell it."""
    if moment is None:
        return None
    day = moment
    if isinstance(moment, datetime):
        day = (moment.astimezone(ZoneInfo(calendar.time_zone)) if moment.tzinfo else moment).date()
    assert isinstance(day, date)
    if grain is Grain.MONTH:
        day = day.replace(day=1)
    if grain is Grain.WEEK:
        names = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
        day -= timedelta(days=(day.weekday() - names.index(calendar.week_starts)) % 7)
    return day.isoformat()


def reckon(r: kpi.ResolvedKpi, rows: Sequence[dict[str, object]], argument: object) -> Figures:
    """The figures by plain loops over Python's Decimal; ``argument`` gives a row's value, or None."""
    cells: dict[tuple[object, ...], list[object]] = {}
    names = [f"d{i + 1}" for i in range(len(r.spec.dimensions))]
    sets = [(), *((n,) for n in names), *([tuple(names)] if len(names) > 1 else [])]
    for row in rows:
        dims = dict(zip(names, (None if row[d] is None else spell(row[d]) for d in r.spec.dimensions), strict=True))
        periods: list[tuple[str, str | None]] = [("total", None)]
        if r.spec.date:
            periods += [(g.value, period_of(row[r.spec.date], g, r.calendar)) for g in r.spec.grains]
        for grain, period in periods:
            for over in sets:
                key = (grain, period, ",".join(over), *(dims[n] if n in over else None for n in names))
                cells.setdefault(key, []).append(argument(row))  # type: ignore[operator]
    if not rows and r.measure.function != "count_distinct":
        cells["total", None, "", *[None] * len(names)] = []
    return {(*key, *value_of(r, values)) for key, values in cells.items()}


def value_of(r: kpi.ResolvedKpi, values: Sequence[object]) -> tuple[object, int]:
    there = [v for v in values if v is not None]
    match r.measure.function:
        case "count":
            return Decimal(len(there)), len(there)
        case "count_distinct":
            return Decimal(len(set(there))), len(there)
        case "sum" | "avg":
            return (sum(there, Decimal(0)) if there else None), len(there)  # type: ignore[call-overload]
        case "min":
            return (min(there) if there else None), len(there)  # type: ignore[type-var]
        case _:
            return (max(there) if there else None), len(there)  # type: ignore[type-var]


def spell(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
