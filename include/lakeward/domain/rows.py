"""Rows of a lake table on one side, and SQL that leads from their fingerprints to those that differ; only these are handed out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from lakeward.domain.calendar import day_sql, period_sql, period_text
from lakeward.domain.evidence import Finding
from lakeward.domain.facts import LakeTable
from lakeward.domain.fingerprint import BUCKETS, bucket, key_number, row_hash
from lakeward.domain.kpi_resolve import ResolvedKpi
from lakeward.domain.kpi_sql import condition_sql
from lakeward.domain.kpi_text import Dialect, canonical, has_text
from lakeward.domain.sql import ident, text
from lakeward.spec.models import CalendarSpec, Grain

EXPECTED, FOUND = "#expected", "#found"
"""Names of the two sides; no table of anybody's is called so."""
HASH, DAY = "#hash", "#day"
FIGURES = (("bucket", "int"), ("n", "long"), ("fp", "decimal(38,0)"))
"""Columns of a table's fingerprints: how many rows each bucket has, and the sum of their hashes."""
Within = tuple[tuple[int, ...], ...]
"""Buckets that are looked at, of each depth."""

_BLANKS = text(r'("(?:[^"\\]|\\.)*")|\s+')
_PLAIN_KEYS = frozenset({"int", "long", "string"})


@dataclass(frozen=True, slots=True)
class Rows:
    """What is compared of a lake table, on one side.

    ``sql`` is a FROM item, ``columns`` maps the table's columns to typed SQL over it, ``names`` are those that are compared, the
    key first; ``source_types`` are theirs at the source. ``where`` is a condition, or nothing. ``date`` is the column by which a row
    is said to be of a day.
    """

    table: LakeTable
    names: tuple[str, ...]
    dialect: Dialect
    sql: str
    columns: Mapping[str, str]
    calendar: CalendarSpec
    date: str | None = None
    where: str = ""
    source_types: Mapping[str, str] = field(default_factory=dict)

    def typed(self, names: Sequence[str]) -> list[tuple[str, str]]:
        """SQL and lake type of columns; parts of documents without the blanks that each system sets otherwise."""
        return [(self._tight(name), self.table.column(name).type) for name in names]

    def _tight(self, name: str) -> str:
        column, sql = self.table.column(name), self.columns[name]
        part = column.type == "json" and (column.path or self.table.kind != "main" or column.role == "reached")
        return rf"regexp_replace({sql}, {_BLANKS}, '\1', 'g')" if part else sql

    @property
    def number(self) -> str:
        """What rows are put into buckets by: their key's number, or without a key all of them."""
        key = self.typed(self.table.key)
        return key_number(key, self.dialect) if key else self.hash

    @property
    def hash(self) -> str:
        """A row's hash."""
        required = [self.table.column(name).required for name in self.names]
        return row_hash(self.typed(self.names), self.dialect, required)

    def kept(self, *terms: str) -> str:
        """WHERE of this side and more."""
        every = [t for t in (self.where, *terms) if t]
        return f" WHERE {' AND '.join(f'({t})' for t in every)}" if every else ""

    def shown(self, name: str) -> str:
        """A value's text for people."""
        sql, kind = self.columns[name], self.table.column(name).type
        if has_text(kind):
            return canonical(sql, kind, self.dialect)
        if kind == "binary":
            return f"encode({sql}, 'hex')" if self.dialect is Dialect.POSTGRES else f"lower(hex({sql}))"
        return f"CAST({sql} AS varchar)"

    @property
    def day(self) -> str:
        """The row's day as text."""
        if self.date is None:
            return "CAST(NULL AS varchar)"
        day = day_sql(self.columns[self.date], self.table.column(self.date).type, self.calendar)
        return canonical(day, "date", self.dialect)


def compared(table: LakeTable) -> tuple[str, ...]:
    """Every column of a table, the key first."""
    return tuple(dict.fromkeys((*table.key, *(c.name for c in table.columns))))


def figures_sql(rows: Rows, depth: int = 0, within: Within = ()) -> str:
    """Fingerprints of the buckets at a depth; columns as ``FIGURES``."""
    given, number, fence = f"{rows.hash} AS h", "h", ""
    if rows.table.key:
        given, number = f"{rows.number} AS number, {given}", "number"
    if rows.dialect is Dialect.POSTGRES and rows.table.key:
        # A volatile column keeps the planner from taking the key's statistics for the buckets', and from sorting all rows.
        given += ", clock_timestamp() AS fence"
    elif rows.dialect is Dialect.POSTGRES:
        fence = " OFFSET 0"  # else each row is hashed twice
    return (
        f"SELECT {bucket(number, depth)} AS bucket, count(*) AS n, CAST(sum(h) AS decimal(38, 0)) AS fp "
        f"FROM (SELECT {given} FROM {rows.sql}{rows.kept(*_in(rows, within))}{fence}) AS q GROUP BY 1"
    )


def differing_sql() -> str:
    """Buckets of the inputs ``EXPECTED`` and ``FOUND`` that are not the same: bucket, and the rows and sums of both."""
    e, f = ident(EXPECTED), ident(FOUND)
    return (
        "SELECT coalesce(e.bucket, f.bucket) AS bucket, coalesce(e.n, 0) AS expected_n, coalesce(f.n, 0) AS found_n, "
        f"e.fp AS expected_fp, f.fp AS found_fp FROM {e} e FULL OUTER JOIN {f} f ON e.bucket = f.bucket "
        f"WHERE e.n IS DISTINCT FROM f.n OR e.fp IS DISTINCT FROM f.fp ORDER BY bucket"
    )


def total_sql() -> str:
    """How many rows the input ``EXPECTED`` has."""
    return f"SELECT CAST(coalesce(sum(n), 0) AS BIGINT) AS n FROM {ident(EXPECTED)}"


def hashes_sql(rows: Rows, within: Within) -> str:
    """Keys, hashes and buckets of the rows in some buckets."""
    keys = [f"{rows.shown(name)} AS {ident(name)}" for name in rows.table.key]
    number = rows.number
    given = ", ".join([*keys, f"{rows.hash} AS {ident(HASH)}", f"{bucket(number, len(within) - 1)} AS bucket"])
    return f"SELECT {given} FROM {rows.sql}{rows.kept(*_in(rows, within))}"


def sums_sql() -> str:
    """Fingerprints of rows that were handed out, by the name ``EXPECTED``."""
    return f"SELECT bucket, count(*) AS n, CAST(sum({ident(HASH)}) AS DECIMAL(38, 0)) AS fp FROM {ident(EXPECTED)} GROUP BY bucket"


def apart_sql(table: LakeTable, limit: int) -> str:
    """The first keys (hashes, where there is no key) of rows that are not as often on the one side as on the other."""
    keys = [ident(name) for name in table.key]
    listed = ", ".join([*keys, ident(HASH)])
    same = " AND ".join(f"e.{n} IS NOT DISTINCT FROM f.{n}" for n in [*keys, ident(HASH)])
    counted = {s: f"(SELECT {listed}, count(*) AS n FROM {ident(s)} GROUP BY {listed})" for s in (EXPECTED, FOUND)}
    told = ", ".join(f"coalesce(e.{n}, f.{n}) AS {n}" for n in (keys or [ident(HASH)]))
    return (
        f"SELECT DISTINCT {told} FROM {counted[EXPECTED]} e FULL OUTER JOIN {counted[FOUND]} f ON {same} "
        f"WHERE e.n IS DISTINCT FROM f.n ORDER BY ALL LIMIT {limit}"
    )


def cells_sql(rows: Rows, keys: Sequence[Sequence[str | None]]) -> str:
    """All compared columns, as text, of the rows with these keys (hashes, where there is no key), wherever they stand; and their day."""
    given = ", ".join([*(f"{rows.shown(n)} AS {ident(n)}" for n in rows.names), f"{rows.day} AS {ident(DAY)}"])
    everywhere = replace(rows, where=rows.where if not rows.table.key else "")
    return f"SELECT {given} FROM {rows.sql}{everywhere.kept(keyed(rows, keys))}"


def cell_condition(r: ResolvedKpi, rows: Rows, cell: Finding) -> str:
    """What rows of a KPI's cell fulfil."""
    terms = [condition_sql(r, rows.dialect, rows.columns).removeprefix("WHERE ")]
    terms += _period(r, rows, cell)
    terms += [_same(canonical(rows.columns[d], r.type_of(d), rows.dialect), v) for d, v in cell.dimensions.items()]
    return " AND ".join(term for term in terms if term)


def _in(rows: Rows, within: Within) -> list[str]:
    return [
        f"{bucket(rows.number, depth)} IN ({', '.join(map(str, buckets))})"
        for depth, buckets in enumerate(within)
        if len(buckets) < BUCKETS
    ]


def keyed(rows: Rows, keys: Sequence[Sequence[str | None]]) -> str:
    """What rows with these keys (hashes, where there is no key) fulfil."""
    if not rows.table.key:
        return f"{rows.hash} IN ({', '.join(str(key[0]) for key in keys)})"
    kinds = [rows.table.column(name).type for name in rows.table.key]
    whole = [key for key in keys if None not in key]
    columns = [_findable(rows, name, kind) for name, kind in zip(rows.table.key, kinds, strict=True)]
    terms = []
    if whole:
        listed = ", ".join(
            f"({', '.join(_part(part, kind) for part, kind in zip(key, kinds, strict=True))})" for key in whole
        )
        terms.append(f"({', '.join(columns)}) IN (VALUES {listed})")
    terms += [
        " AND ".join(
            _same(canonical(rows.columns[n], k, rows.dialect), v)
            for n, k, v in zip(rows.table.key, kinds, key, strict=True)
        )
        for key in keys
        if None in key
    ]
    return " OR ".join(f"({term})" for term in terms)


def _findable(rows: Rows, name: str, kind: str) -> str:
    """A key's column, so that an index may serve."""
    sql = rows.columns[name]
    return sql if kind in _PLAIN_KEYS or kind.startswith("decimal") else rows.shown(name)


def _part(value: str | None, kind: str) -> str:
    plain = kind in {"int", "long"} or kind.startswith("decimal")
    return str(value) if plain else text(str(value))


def _period(r: ResolvedKpi, rows: Rows, cell: Finding) -> Iterator[str]:
    if cell.grain in {"", "total"} or r.spec.date is None:
        return
    day = day_sql(rows.columns[r.spec.date], r.type_of(r.spec.date), r.calendar)
    if cell.period is None:
        yield f"({day}) IS NULL"
    else:
        grain = Grain(cell.grain)
        period = period_text(period_sql(grain, day, r.calendar), (grain,), r.calendar, rows.dialect)
        yield f"{period} = {text(cell.period)}"


def _same(sql: str, value: str | None) -> str:
    return f"({sql}) IS NULL" if value is None else f"({sql}) = {text(value)}"
