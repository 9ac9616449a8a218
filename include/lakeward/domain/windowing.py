"""How a group is sliced: the table that has the windows, those that follow it, and the conditions by which the source gives a window."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from lakeward.domain.calendar_sql import day_sql
from lakeward.domain.dialect import Dialect
from lakeward.domain.facts import Follower, GroupPlan, ReferencePlan, TablePlan, Windowing
from lakeward.domain.faults import Faults
from lakeward.domain.identity import cut_id
from lakeward.domain.shaping import suggest
from lakeward.domain.source_facts import SourceTable
from lakeward.domain.sql import ident, literal
from lakeward.domain.windows import FIRST, LAST, Place, Window
from lakeward.spec.models import CalendarSpec, WindowSpec
from lakeward.spec.names import home_of, split_table

_KINDS = {"date": "date", "timestamp": "timestamp", "timestamptz": "timestamptz"} | dict.fromkeys(
    ("int2", "int4", "int8", "tinyint", "smallint", "integer", "bigint"), "key"
)
_KINDS |= {"mariadb date": "date", "mariadb datetime": "timestamp"} | {
    f"mariadb {base}{sign}": "key"
    for base in ("tinyint", "smallint", "mediumint", "int", "bigint")
    for sign in ("", " unsigned")
}
_MARGIN = timedelta(days=2)
"""No zone's day is further from that of UTC."""


def plan_windowing(
    spec: WindowSpec,
    calendar: CalendarSpec,
    tables: Sequence[TablePlan],
    sources: Sequence[SourceTable],
    references: Sequence[ReferencePlan],
) -> Windowing | None:
    """Who has windows and who follows. None when a table could not be planned, which is told already.

    :raises FaultsError: the column is not there, or nothing that windows can be made of.
    """
    wanted = split_table(spec.table, home_of(tables[0].dialect.value) if tables else "public")
    found = next(((t, s) for t, s in zip(tables, sources, strict=True) if (t.schema, t.table) == wanted), None)
    if found is None:
        return None
    table, source = found
    faults = Faults()
    column = next((c for c in source.columns if c.name == spec.column), None)
    kind = _KINDS.get(column.base, "") if column else ""
    if column is None:
        names = [c.name for c in source.columns]
        faults.add(("column",), f"{source.label} has no column {spec.column!r}", suggest(spec.column, names))
    elif not kind:
        reason = f"{source.label}, column {spec.column!r}: {column.type} gives no windows"
        faults.add(("column",), reason, "Choose a date, a timestamp or a whole number.")
    elif (kind == "key") != (spec.size.unit == "key"):
        told = "`100000 keys`" if kind == "key" else "`1 month`, `1 week` or `1 day`"
        faults.add(("size",), f"{source.label}, column {spec.column!r} is a {column.type}", f"Write {told}.")
    faults.check()
    return Windowing(table.name, spec.column, kind, calendar.time_zone, _followers(table, tables, references))


def windowing_by(table: TablePlan, column: str, kind: str, calendar: CalendarSpec, group: GroupPlan) -> Windowing:
    """How a group would be sliced by a column."""
    return Windowing(table.name, column, kind, calendar.time_zone, _followers(table, group.tables, group.references))


def _followers(
    root: TablePlan, tables: Sequence[TablePlan], references: Sequence[ReferencePlan]
) -> tuple[Follower, ...]:
    """Tables that lead to the root. What sliced rows name beside that stays whole, or they would be published before it."""
    main = {lake.name: t.name for t in tables for lake in t.lake}
    whole: set[str] = set()
    while True:
        found = _leading(root, [t for t in tables if t.name not in whole], references)
        sliced, links = {root.name, *(f.table for f in found)}, {(f.table, f.to) for f in found}
        named = {
            r.to
            for r in references
            if main[r.table] in sliced and r.to in sliced - {root.name, main[r.table]} and (r.table, r.to) not in links
        }
        if not named:
            return found
        whole |= named


def _leading(root: TablePlan, tables: Sequence[TablePlan], references: Sequence[ReferencePlan]) -> tuple[Follower, ...]:
    by_name = {t.name: t for t in tables}
    placed = {root.name}
    found: list[Follower] = []
    for _ in tables:
        for r in references:
            child, parent = by_name.get(r.table), by_name.get(r.to)
            if child is None or parent is None or r.table in placed or r.to not in placed or r.origin == "parent":
                continue
            if sorted(r.to_columns) != sorted(parent.lake[0].key):  # else a row could follow several
                continue
            columns, to_columns = _at_source(child, r.columns), _at_source(parent, r.to_columns)
            if columns and to_columns:
                placed.add(r.table)
                found.append(Follower(r.table, columns, r.to, to_columns))
    return tuple(found)


def _at_source(table: TablePlan, names: Sequence[str]) -> tuple[str, ...]:
    """The source's own columns; empty when one of them is a part of a document."""
    landed = {c.source: c.column for c in table.columns}
    columns = [table.lake[0].column(name) for name in names]
    plain = all(c.role == "value" and not c.path for c in columns)
    return tuple(landed[c.source] for c in columns) if plain else ()


def in_window(
    migration: str,
    group: GroupPlan,
    windows: Sequence[Window],
    name: str = "",
    run_key: str = "",
    top: int | None = None,
) -> GroupPlan:
    """The group with the rows of some windows only; tables that neither have windows nor follow stay whole.

    :param name: of the one window that is to be read at a cut; then the group has the cut's id, and only references that can be
        judged inside the window.
    """
    if (how := group.windowing) is None:
        return replace(group, cut_id=cut_id(migration, group.name, name, run_key)) if name else group
    sliced = how.tables
    tables = tuple(
        replace(t, within=_Slice(group, how, windows).of(t), scan=False, adopt=False) if t.name in sliced else t
        for t in group.tables
    )
    if not name:
        return replace(group, tables=tables)
    kept = tuple(r for r in group.references if not leaves_window(group, r))
    cut = cut_id(migration, group.name, name, run_key)
    return replace(group, tables=tables, references=kept, window=name, top=top, cut_id=cut)


def leaves_window(group: GroupPlan, reference: ReferencePlan) -> bool:
    """Whether a row may name one of another window: only the very reference that it follows by leads to its own for sure."""
    if reference.to not in group.sliced or reference.origin == "parent":
        return False
    follower = (
        next((f for f in group.windowing.followers if f.table == reference.table), None) if group.windowing else None
    )
    if follower is None or follower.to != reference.to:
        return True
    by_name = {t.name: t for t in group.tables}
    sides = ((by_name[follower.table], reference.columns), (by_name[follower.to], reference.to_columns))
    named = zip(*(_at_source(table, names) for table, names in sides), strict=False)
    return set(named) != set(zip(follower.columns, follower.to_columns, strict=True))


def followed(group: GroupPlan) -> str:
    """Which tables follow, and which are read whole, in words."""
    if (how := group.windowing) is None:
        return "read whole"
    follow = ", ".join(f"{f.table} (by {', '.join(f.columns)})" for f in how.followers)
    whole = ", ".join(t.name for t in group.tables if t.name not in how.tables)
    told = [
        f"{follow} follow{'s' if len(how.followers) == 1 else ''}" if follow else "",
        f"{whole} read whole with each window" if whole else "",
    ]
    return ", ".join(part for part in told if part) or "nothing follows"


def judged_later(group: GroupPlan) -> tuple[str, ...]:
    """References between windows, in words."""
    return tuple(
        f"{r.table} to {r.to} (by {', '.join(r.columns)}): rows of other windows may be named; not checked window by window, "
        "the comparison of all rows is what proves it"
        for r in group.references
        if leaves_window(group, r)
    )


@dataclass(frozen=True, slots=True)
class _Slice:
    """Conditions of the source's own SQL. Tables are named in full or by aliases of ours, so that no column is mistaken."""

    group: GroupPlan
    how: Windowing
    windows: Sequence[Window]

    def of(self, table: TablePlan) -> str:
        """What a table's rows fulfil that are in one of the windows."""
        at = f"{ident(table.schema)}.{ident(table.table)}"
        ranges = [(w.low, w.high) for w in self.windows if w.low is not None and w.high is not None]
        terms = [self._member(table.name, at, ranges)] if ranges else []
        if any(w.low is None for w in self.windows):
            terms.append(f"({self._member(table.name, at, None)}) IS NOT TRUE")
        return f"({' OR '.join(terms) or 'false'})"

    def _member(self, table: str, at: str, ranges: Sequence[tuple[Place, Place]] | None, depth: int = 1) -> str:
        follower = next((f for f in self.how.followers if f.table == table), None)
        if follower is None:
            return placed_sql(self.how, f"{at}.{ident(self.how.column)}", ranges)
        parent = next(t for t in self.group.tables if t.name == follower.to)
        alias = f"followed{depth}"
        pairs = zip(follower.columns, follower.to_columns, strict=True)
        same = " AND ".join(f"{alias}.{ident(there)} = {at}.{ident(here)}" for here, there in pairs)
        inside = self._member(follower.to, alias, ranges, depth + 1)
        return (
            f"EXISTS (SELECT 1 FROM {ident(parent.schema)}.{ident(parent.table)} AS {alias} WHERE {same} AND {inside})"
        )


def placed_sql(how: Windowing, column: str, ranges: Sequence[tuple[Place, Place]] | None) -> str:
    """Whether a value lies in one of the half-open ranges; in any at all, when there are none."""
    if how.kind == "key":
        return (
            _any(f"{column} >= {low} AND {column} < {high}" for low, high in ranges)
            if ranges
            else f"{column} IS NOT NULL"
        )
    return _any(_days(how, column, low, high) for low, high in (ranges or [(FIRST, LAST)]))


def _any(terms: Iterable[str]) -> str:
    return f"({' OR '.join(f'({term})' for term in terms)})"


def _days(how: Windowing, column: str, low: Place, high: Place) -> str:
    """Days of the calendar, whatever its clock does at midnight; the bounds in UTC are there for an index."""
    if not isinstance(low, date) or not isinstance(high, date):
        raise TypeError(f"{low}/{high} are no days")
    if how.kind == "date":
        return f"{column} >= {literal(low)} AND {column} < {literal(high)}"
    if how.kind == "timestamp":
        return f"{column} >= timestamp '{low} 00:00:00' AND {column} < timestamp '{high} 00:00:00'"
    day = local_day(how, column)
    wide = f"{column} >= timestamptz '{low - _MARGIN} 00:00:00+00' AND {column} < timestamptz '{high + _MARGIN} 00:00:00+00'"
    return f"{wide} AND {day} >= {literal(low)} AND {day} < {literal(high)}"


def local_day(how: Windowing, column: str) -> str:
    """The calendar's day of a value."""
    return day_sql(column, how.kind, CalendarSpec.model_validate({"time_zone": how.zone}))


def counts_sql(group: GroupPlan, how: Windowing, spec: WindowSpec) -> str:
    """Rows by day, or by slice of keys, in one reading: ``at`` (a date, digits, or null without a place), ``side`` and ``n``."""
    table = next(t for t in group.tables if t.name == how.table)
    column = ident(how.column)
    if how.kind == "key":
        value = column
        at = _slice(column, spec.size.number, table.dialect)
    else:
        at = value = local_day(how, column)
    before = f"WHEN {value} < {literal(spec.from_)} THEN -1 " if spec.from_ is not None else ""
    after = f"WHEN {value} >= {literal(spec.until)} THEN 1 " if spec.until is not None else ""
    placed = placed_sql(how, column, None)
    side = f"CASE WHEN {placed} THEN CASE {before}{after}ELSE 0 END ELSE 0 END" if before or after else "0"
    return (
        f"SELECT CASE WHEN {placed} THEN {at} END AS at, {side} AS side, count(*) AS n "
        f"FROM {ident(table.schema)}.{ident(table.table)} {table.where()} GROUP BY 1, 2"
    )


def _slice(column: str, size: int, dialect: Dialect) -> str:
    """Text of the first key of the slice that a key is in; it may lie before any key of 64 bits."""
    if dialect is Dialect.DUCKDB:
        key = f"CAST({column} AS HUGEINT)"
        return f"CAST({key} - (({key} % {size}) + {size}) % {size} AS VARCHAR)"
    if dialect is Dialect.MARIADB:  # whose quotients are rounded
        key = f"CAST({column} AS DECIMAL(30,0))"
        return f"CAST({key} - (({key} % {size}) + {size}) % {size} AS CHAR)"
    return f"CAST(floor(CAST({column} AS numeric) / {size}) * {size} AS text)"


def lost_sql(group: GroupPlan, how: Windowing) -> str:
    """How many rows follow nobody that has a place, of all tables that follow."""
    terms = []
    for follower in how.followers:
        table = next(t for t in group.tables if t.name == follower.table)
        unplaced = replace(table, within=_Slice(group, how, (Window(None, None),)).of(table))
        terms.append(f"(SELECT count(*) FROM {ident(table.schema)}.{ident(table.table)} {unplaced.where()})")
    return f"SELECT CAST({' + '.join(terms) or '0'} AS bigint) AS n"
