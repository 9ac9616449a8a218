"""Rows of a lake table on one side, and SQL that leads from their fingerprints to those that differ; only these are handed out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sqlglot import exp

from lakeward.domain.calendar_sql import day_of, period_of_day, period_text
from lakeward.domain.dialect import Dialect
from lakeward.domain.evidence import Finding
from lakeward.domain.facts import LakeTable
from lakeward.domain.filter_sql import condition
from lakeward.domain.fingerprint import BUCKETS, bucket, key_number, row_hash
from lakeward.domain.kpi_resolve import ResolvedKpi
from lakeward.domain.kpi_text import canonical, has_text
from lakeward.domain.spelling import Spelling, spelling
from lakeward.domain.sql import ident
from lakeward.domain.tree import (
    Expression,
    Select,
    call,
    cast,
    equal,
    every,
    grouped,
    is_null,
    name,
    named,
    nested,
    null,
    number,
    one_of,
    raw,
    select,
    some,
    word,
)
from lakeward.spec.models import CalendarSpec, Grain

EXPECTED, FOUND = "#expected", "#found"
"""Names of the two sides; no table of anybody's is called so."""
HASH, DAY = "#hash", "#day"
FIGURES = (("bucket", "int"), ("n", "long"), ("fp", "decimal(38,0)"))
"""Columns of a table's fingerprints: how many rows each bucket has, and the sum of their hashes."""
Within = tuple[tuple[int, ...], ...]
"""Buckets that are looked at, of each depth."""

_BLANKS = r'("(?:[^"\\]|\\.)*")|\s+'
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

    @property
    def spelled(self) -> Spelling:
        """How the side's engine says it."""
        return spelling(self.dialect)

    def value(self, column: str) -> Expression:
        """A column's value."""
        return raw(self.columns[column])

    def typed(self, names: Sequence[str]) -> list[tuple[Expression, str]]:
        """Values and lake types of columns; parts of documents without the blanks that each system sets otherwise."""
        return [(self._tight(name), self.table.column(name).type) for name in names]

    def _tight(self, column: str) -> Expression:
        of, value = self.table.column(column), self.value(column)
        part = of.type == "json" and (of.path or self.table.kind != "main" or of.role == "reached")
        return self.spelled.matched(value, _BLANKS, r"\1") if part else value

    @property
    def number(self) -> Expression:
        """What rows are put into buckets by: their key's number, or without a key all of them."""
        key = self.typed(self.table.key)
        return (
            key_number(key, self.dialect, [self.table.column(n).required for n in self.table.key]) if key else self.hash
        )

    @property
    def hash(self) -> Expression:
        """A row's hash."""
        required = [self.table.column(name).required for name in self.names]
        return row_hash(self.typed(self.names), self.dialect, required)

    def kept(self, items: Sequence[Expression], *terms: Expression) -> Select:
        """SELECT of this side's rows that fulfil its condition, and more."""
        whole = [*([exp.Paren(this=raw(self.where))] if self.where else []), *terms]
        return select(items, self.sql, every(*whole) if whole else None)

    def shown(self, column: str) -> Expression:
        """A value's text for people."""
        value, kind = self.value(column), self.table.column(column).type
        if has_text(kind):
            return canonical(value, kind, self.dialect)
        return self.spelled.hex(value) if kind == "binary" else self.spelled.text(value)

    @property
    def day(self) -> Expression:
        """The row's day as text."""
        if self.date is None:
            return self.spelled.text(null())
        day = day_of(self.value(self.date), self.table.column(self.date).type, self.calendar, self.dialect)
        return canonical(day, "date", self.dialect)


def compared(table: LakeTable) -> tuple[str, ...]:
    """Every column of a table that the source has too, the key first."""
    return tuple(dict.fromkeys((*table.key, *(c.name for c in table.columns if c.role != "gone"))))


def figures_sql(rows: Rows, depth: int = 0, within: Within = ()) -> str:
    """Fingerprints of the buckets at a depth; columns as ``FIGURES``."""
    keyed_by = [named(rows.number, "number")] if rows.table.key else []
    given: list[Expression] = [*keyed_by, named(rows.hash, "h")]
    kept = rows.kept(given, *_in(rows, within))
    of = rows.spelled.counted_apart(kept) if keyed_by else rows.spelled.fence(kept)
    told = [
        named(bucket(name("number" if keyed_by else "h"), depth), "bucket"),
        named(call("count", raw("*")), "n"),
        named(cast(call("sum", name("h")), "DECIMAL(38, 0)"), "fp"),
    ]
    return rows.spelled.sql(grouped(select(told, nested(of, "q")), [number(1)]))


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
    given = [named(rows.shown(key), key) for key in rows.table.key]
    given += [named(rows.hash, HASH), named(bucket(rows.number, len(within) - 1), "bucket")]
    return rows.spelled.sql(rows.kept(given, *_in(rows, within)))


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
    given = [*(named(rows.shown(n), n) for n in rows.names), named(rows.day, DAY)]
    everywhere = replace(rows, where=rows.where if not rows.table.key else "")
    return rows.spelled.sql(everywhere.kept(given, _among(rows, keys)))


def cell_condition(r: ResolvedKpi, rows: Rows, cell: Finding) -> str:
    """What rows of a KPI's cell fulfil; empty where every row is in it."""
    terms = [condition(f, rows.value(f.column), r.type_of(f.column), rows.dialect) for f in r.filters]
    terms += _period(r, rows, cell)
    terms += [_same(canonical(rows.value(d), r.type_of(d), rows.dialect), v) for d, v in cell.dimensions.items()]
    return rows.spelled.sql(every(*terms)) if terms else ""


def _in(rows: Rows, within: Within) -> list[Expression]:
    return [
        one_of(bucket(rows.number, depth), [number(b) for b in buckets])
        for depth, buckets in enumerate(within)
        if len(buckets) < BUCKETS
    ]


def keyed(rows: Rows, keys: Sequence[Sequence[str | None]]) -> str:
    """What rows with these keys (hashes, where there is no key) fulfil."""
    return rows.spelled.sql(_among(rows, keys))


def _among(rows: Rows, keys: Sequence[Sequence[str | None]]) -> Expression:
    if not rows.table.key:
        return one_of(rows.hash, [number(key[0]) for key in keys])
    kinds = [rows.table.column(column).type for column in rows.table.key]
    whole = [key for key in keys if None not in key]
    terms: list[Expression] = []
    if whole:
        columns = [_findable(rows, column, kind) for column, kind in zip(rows.table.key, kinds, strict=True)]
        listed = [[_part(part, kind) for part, kind in zip(key, kinds, strict=True)] for key in whole]
        terms.append(rows.spelled.among(columns, listed))
    for key in keys:
        if None in key:
            texts = [canonical(rows.value(c), k, rows.dialect) for c, k in zip(rows.table.key, kinds, strict=True)]
            terms.append(every(*(_same(text, part) for text, part in zip(texts, key, strict=True))))
    return some(*(exp.Paren(this=term) for term in terms))


def _findable(rows: Rows, column: str, kind: str) -> Expression:
    """A key's column, so that an index may serve."""
    return rows.value(column) if kind in _PLAIN_KEYS or kind.startswith("decimal") else rows.shown(column)


def _part(value: str | None, kind: str) -> Expression:
    plain = kind in {"int", "long"} or kind.startswith("decimal")
    return exp.Literal.number(str(value)) if plain else word(str(value))


def _period(r: ResolvedKpi, rows: Rows, cell: Finding) -> Iterator[Expression]:
    if cell.grain in {"", "total"} or r.spec.date is None:
        return
    day = exp.Paren(this=day_of(rows.value(r.spec.date), r.type_of(r.spec.date), r.calendar, rows.dialect))
    if cell.period is None:
        yield is_null(day)
    else:
        grain = Grain(cell.grain)
        period = period_of_day(grain, day, r.calendar, rows.dialect)
        yield equal(period_text(period, (grain,), r.calendar, rows.dialect), word(cell.period))


def _same(text: Expression, value: str | None) -> Expression:
    text = exp.Paren(this=text)
    return is_null(text) if value is None else equal(text, word(value))
