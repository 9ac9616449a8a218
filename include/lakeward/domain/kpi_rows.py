"""From a cell that differs to the rows that make it differ: their keys and the columns that enter the figure, as text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from lakeward.domain.calendar import day_sql, period_sql
from lakeward.domain.evidence import Finding
from lakeward.domain.kpi_resolve import ResolvedKpi
from lakeward.domain.kpi_sql import condition_sql
from lakeward.domain.kpi_text import Dialect, canonical, has_text
from lakeward.domain.sql import ident, text
from lakeward.spec.models import Grain

EXPECTED, FOUND = "#expected", "#found"
"""Names of the two sides; no table of anybody's is called so."""
Key = tuple[str | None, ...]
Row = tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class RowDifference:
    """What a row does to a figure. ``kind``: changed (one column of it), missing or extra in the lake (``values`` are its columns).

    ``times`` counts equal rows of a table without a key.
    """

    kind: str
    key: dict[str, str | None]
    column: str = ""
    expected: str | None = None
    found: str | None = None
    values: dict[str, str | None] = field(default_factory=dict)
    times: int = 1


def row_columns(r: ResolvedKpi) -> tuple[str, ...]:
    """The lake table's key, then the columns that enter the figure."""
    return tuple(dict.fromkeys((*r.table.key, *r.columns)))


def cell_sql(r: ResolvedKpi, dialect: Dialect, rows: str, columns: Mapping[str, str], cell: Finding) -> str:
    """The rows of a cell, columns of ``row_columns`` as canonical text."""
    day = f", {day_sql(columns[r.spec.date], r.type_of(r.spec.date), r.calendar)} AS day" if r.spec.date else ""
    inner = f"SELECT {_texts(r, dialect, columns)}{day} FROM {rows} {condition_sql(r, dialect, columns)}"
    terms = [*_period(r, dialect, cell), *(_same(f"q.{ident(d)}", v) for d, v in cell.dimensions.items())]
    names = ", ".join(f"q.{ident(name)}" for name in row_columns(r))
    kept = f" WHERE {' AND '.join(terms)}" if terms else ""
    return f"SELECT {names} FROM ({inner}) AS q{kept}"


def keyed_sql(r: ResolvedKpi, dialect: Dialect, rows: str, columns: Mapping[str, str], keys: Sequence[Key]) -> str:
    """The rows with these keys, wherever they are, columns as in ``cell_sql``."""
    each = (
        " AND ".join(
            _key_term(r, dialect, name, columns[name], part) for name, part in zip(r.table.key, key, strict=True)
        )
        for key in keys
    )
    return f"SELECT {_texts(r, dialect, columns)} FROM {rows} WHERE {' OR '.join(f'({term})' for term in each)}"


def apart_sql(r: ResolvedKpi) -> str:
    """Of two inputs of such rows, those that are not as often in the one as in the other: their columns, then the two counts."""
    names = [ident(name) for name in row_columns(r)]
    listed = ", ".join(names)
    same = " AND ".join(f"e.{n} IS NOT DISTINCT FROM f.{n}" for n in names)
    counted = {
        side: f"(SELECT {listed}, count(*) AS n FROM {ident(side)} GROUP BY {listed})" for side in (EXPECTED, FOUND)
    }
    both = ", ".join(f"coalesce(e.{n}, f.{n}) AS {n}" for n in names)
    return (
        f"SELECT {both}, coalesce(e.n, 0) AS {ident('expected #')}, coalesce(f.n, 0) AS {ident('found #')} FROM {counted[EXPECTED]} e "
        f"FULL OUTER JOIN {counted[FOUND]} f ON {same} WHERE e.n IS DISTINCT FROM f.n"
    )


def differing_keys_sql(r: ResolvedKpi, limit: int) -> str:
    """The first keys among the rows that are apart."""
    keys = ", ".join(ident(name) for name in r.table.key)
    return f"SELECT DISTINCT {keys} FROM ({apart_sql(r)}) ORDER BY {keys} LIMIT {limit}"


def differing_rows_sql(r: ResolvedKpi, limit: int) -> str:
    """The first rows that are apart, of a table without a key."""
    return f"SELECT * FROM ({apart_sql(r)}) ORDER BY ALL LIMIT {limit}"


def unkeyed(r: ResolvedKpi, apart: Sequence[Mapping[str, object]]) -> tuple[RowDifference, ...]:
    """Rows of a table without a key, as ``differing_rows_sql`` gives them."""
    found = []
    for row in apart:
        surplus = int(str(row["found #"])) - int(str(row["expected #"]))
        values = {name: _word(row[name]) for name in row_columns(r)}
        found.append(RowDifference("extra" if surplus > 0 else "missing", {}, values=values, times=abs(surplus)))
    return tuple(found)


def pair(r: ResolvedKpi, expected: Sequence[Row], found: Sequence[Row]) -> tuple[RowDifference, ...]:
    """What differs between rows of the same keys, in the order of the keys."""
    width = len(r.table.key)
    sides = [_by_key(rows, width) for rows in (expected, found)]
    keys = sorted({*sides[0], *sides[1]}, key=lambda k: tuple((part is not None, part or "") for part in k))
    return tuple(d for key in keys for d in _pair(r, key, sides[0].get(key, Counter()), sides[1].get(key, Counter())))


def _by_key(rows: Sequence[Row], width: int) -> dict[Key, Counter[Row]]:
    grouped: dict[Key, Counter[Row]] = {}
    for row in rows:
        grouped.setdefault(row[:width], Counter())[row[width:]] += 1
    return grouped


def _pair(r: ResolvedKpi, key: Key, expected: Counter[Row], found: Counter[Row]) -> Iterator[RowDifference]:
    names = row_columns(r)[len(key) :]
    named = dict(zip(r.table.key, key, strict=True))
    gone, come = expected - found, found - expected
    if gone.total() == come.total() == 1:
        for name, before, after in zip(names, next(iter(gone)), next(iter(come)), strict=True):
            if before != after:
                yield RowDifference("changed", named, name, before, after)
        return
    for kind, rows in (("missing", gone), ("extra", come)):
        for row, times in rows.items():
            yield RowDifference(kind, named, values=dict(zip(names, row, strict=True)), times=times)


def _texts(r: ResolvedKpi, dialect: Dialect, columns: Mapping[str, str]) -> str:
    return ", ".join(f"{_text(r, dialect, name, columns[name])} AS {ident(name)}" for name in row_columns(r))


def _text(r: ResolvedKpi, dialect: Dialect, name: str, sql: str) -> str:
    kind = r.type_of(name)
    # Only whether it is there enters a figure.
    return canonical(sql, kind, dialect) if has_text(kind) else f"CASE WHEN {sql} IS NOT NULL THEN 'not null' END"


def _period(r: ResolvedKpi, dialect: Dialect, cell: Finding) -> Iterator[str]:
    if cell.grain in {"", "total"}:
        return
    if cell.period is None:
        yield "q.day IS NULL"
    else:
        first = period_sql(Grain(cell.grain), "q.day", r.calendar)
        yield f"{canonical(first, 'date', dialect)} = {text(cell.period)}"


def _same(sql: str, value: str | None) -> str:
    return f"{sql} IS NULL" if value is None else f"{sql} = {text(value)}"


def _key_term(r: ResolvedKpi, dialect: Dialect, name: str, sql: str, part: str | None) -> str:
    kind = r.type_of(name)
    if part is not None and (kind in {"int", "long"} or kind.startswith("decimal")):
        return f"{sql} = {part}"  # an index may serve
    if kind == "string":
        return _same(sql, part)
    return _same(f"({canonical(sql, kind, dialect)})", part)


def _word(value: object) -> str | None:
    return None if value is None else str(value)
