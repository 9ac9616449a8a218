"""A group whose windows are done follows its source: what a round reads there, and how it finds what differs in the lake.

Rows are sought by their key's number (``domain/fingerprint.py``), which both systems reckon alike: fingerprints lead to buckets,
these to numbers, and only rows with such numbers leave the source. What is exchanged in the lake goes by whole keys. Rows
without a key are sought and exchanged by their hash, so that equal ones stay as many as they are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from lakeward.domain.dialect import Dialect
from lakeward.domain.duck import Rows as Which
from lakeward.domain.facts import GroupPlan, LakeTable, TablePlan, Watermark, Windowing
from lakeward.domain.faults import Faults
from lakeward.domain.file_facts import Mark
from lakeward.domain.fingerprint import BUCKETS, bucket
from lakeward.domain.flatten import table_sql
from lakeward.domain.identity import WHOLE, cut_id
from lakeward.domain.kpi_lake import lake_view
from lakeward.domain.repair import parents
from lakeward.domain.rows import EXPECTED, Rows, compared
from lakeward.domain.shaping import suggest
from lakeward.domain.source_facts import SourceTable
from lakeward.domain.sql import ident
from lakeward.domain.tree import Expression, named, number, one_of
from lakeward.domain.windowing import in_window
from lakeward.domain.windows import FIRST, LAST, Window
from lakeward.spec.models import CalendarSpec, CatchUpSpec, WindowSpec
from lakeward.spec.names import home_of, split_table

CATCH_UP = "catch-up"
"""What a group's claim calls a round under way, and the ledger the step."""
TOUCHED, NUMBERS = "#touched", "#numbers"
"""Names under which SQL sees the keys whose rows are exchanged, and the numbers of keys that differ."""
LISTED = 20_000
"""Numbers that a statement names one by one; of more, whole buckets are read."""
_SHIFTED = timedelta(hours=2)
"""Times without a zone are read so much further back: clocks that are set back tell an hour twice."""
_KEYS = 2**63
_TYPES = {"timestamp": "timestamp", "timestamptz": "timestamptz"} | dict.fromkeys(
    ("int2", "int4", "int8", "tinyint", "smallint", "integer", "bigint"), "number"
)


def plan_watermarks(
    spec: CatchUpSpec, zone: str, tables: Sequence[TablePlan], sources: Sequence[SourceTable]
) -> tuple[Watermark, ...]:
    """The columns that the file names, as the source has them.

    :raises FaultsError: a column is not there or no watermark, or rows of a table can't be told apart.
    """
    faults, found = Faults(), []
    home = home_of(tables[0].dialect.value) if tables else "public"
    for table in tables:
        if told := untold(table):
            faults.add((), *told)
    for n, one in enumerate(spec.watermarks):
        wanted = split_table(one.table, home)
        pair = next(((t, s) for t, s in zip(tables, sources, strict=True) if (t.schema, t.table) == wanted), None)
        if pair is None:
            reason, names = f"the group has no table {one.table!r}", [t.label for t in tables]
            faults.add(("watermarks", n, "table"), reason, suggest(one.table, names))
            continue
        table, source = pair
        column = next((c for c in source.columns if c.name == one.column), None)
        kind = _TYPES.get(column.base, "") if column else ""
        if column is None:
            reason = f"{source.label} has no column {one.column!r}"
            faults.add(("watermarks", n, "column"), reason, suggest(one.column, [c.name for c in source.columns]))
        elif not kind:
            reason = f"{source.label}, column {one.column!r}: {column.type} is no watermark"
            faults.add(("watermarks", n, "column"), reason, "Choose a timestamp or a whole number that only grows.")
        else:
            overlap = one.overlap_numbers if kind == "number" else int(one.overlap.delta.total_seconds())
            found.append(Watermark(table.name, one.column, kind, zone, overlap))
    faults.check()
    return tuple(found)


def caught_up(migration: str, group: GroupPlan, spec: WindowSpec | None, run_key: str) -> GroupPlan:
    """The group at a cut over all of its rows, those that stay behind on purpose left out; no windows any more."""
    how = group.windowing
    if how is not None and spec is not None and (spec.from_ is not None or spec.until is not None):
        group = in_window(migration, group, (_every(how, spec), Window(None, None)))
    tables = tuple(replace(table, scan=False) for table in group.tables)
    cut = cut_id(migration, group.name, CATCH_UP, run_key)
    return replace(group, cut_id=cut, tables=tables, windowing=None, window=WHOLE, top=None)


def _every(how: Windowing, spec: WindowSpec) -> Window:
    first, last = (-_KEYS, _KEYS) if how.kind == "key" else (FIRST, LAST)
    return Window(spec.from_ if spec.from_ is not None else first, spec.until if spec.until is not None else last)


# --- from where on ------------------------------------------------------------------------------------------------------


def since(watermark: Watermark, mark: Mark) -> str | None:
    """What rows fulfil that the cut of a mark could not see, in the source's SQL; None when the mark tells nothing of the table."""
    column = ident(watermark.column)
    if watermark.kind == "number":
        tops = [values[watermark.table] for at, values in mark.tops if at <= mark.since and watermark.table in values]
        return f"{column} > {tops[-1] - watermark.overlap}" if tops else None
    from_ = mark.since - timedelta(seconds=watermark.overlap)
    if watermark.kind == "timestamp":
        local = (from_ - _SHIFTED).astimezone(ZoneInfo(watermark.zone)).replace(tzinfo=None)
        return f"{column} >= timestamp '{local}'"
    return f"{column} >= timestamptz '{from_.isoformat()}'"


def tops_sql(watermark: Watermark, table: TablePlan) -> str:
    """The largest number of a watermark."""
    return f"SELECT max({ident(watermark.column)}) AS top FROM {ident(table.schema)}.{ident(table.table)}"


def later_mark(before: Mark | None, at: datetime, oldest: datetime, taken_at: datetime, tops: dict[str, int]) -> Mark:
    """The mark of a cut: what may still count of the tops that were taken before it, and those of now.

    :param taken_at: no number that the cut's snapshot shows was drawn later; ``at`` is before the snapshot.
    """
    there = before.tops if before else ()
    counts = [one for one in there if one[0] <= oldest][-1:]
    later = [one for one in there if one[0] > oldest]
    return Mark(at, oldest, (*counts, *later, *(((taken_at, tops),) if tops else ())))


# --- what differs -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Keyed:
    """A lake table of which rows are told apart by the key of the source's row that they come from."""

    plan: TablePlan
    table: LakeTable
    calendar: CalendarSpec

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that name the source's row; none when it has no key."""
        if self.plan.lake[0].key or len(self.plan.lake) > 1:
            return parents(self.plan, self.table)
        return ()

    def number(self, rows: Rows) -> Expression:
        """The number of the source's row."""
        return replace(rows, table=replace(rows.table, key=self.names)).number

    @property
    def rows(self) -> Rows:
        """Rows with the lake's own column names, in DuckDB, whatever they are selected from."""
        columns = {column.name: ident(column.name) for column in self.table.columns}
        return Rows(self.table, compared(self.table), Dialect.DUCKDB, "", columns, self.calendar)

    @property
    def key(self) -> tuple[str, ...]:
        """What ``TOUCHED`` holds of a row."""
        return tuple(ident(name) for name in self.names) or (self.rows.spelled.sql(self.rows.hash),)

    @property
    def selected(self) -> str:
        """The key, as ``TOUCHED`` calls its columns."""
        return ", ".join(f"{sql} AS {_nth(n)}" for n, sql in enumerate(self.key))

    @property
    def touched(self) -> str:
        """What rows fulfil whose key is in ``TOUCHED``."""
        return self.matching(ident(TOUCHED))

    def matching(self, relation: str) -> str:
        """What rows fulfil whose key is in a relation that calls its columns so."""
        same = " AND ".join(f"k.{_nth(n)} IS NOT DISTINCT FROM {sql}" for n, sql in enumerate(self.key))
        return f"EXISTS (SELECT 1 FROM {relation} AS k WHERE {same})"


def _nth(n: int) -> str:
    return ident(f"#k{n}")


def untold(plan: TablePlan) -> tuple[str, str] | None:
    """Why rows of a source table can't be told apart in the lake, and what to do; None when they can."""
    main = plan.lake[0]
    if main.key or not (len(plan.lake) > 1 or any(column.path or column.role != "value" for column in main.columns)):
        return None
    reason = f"{plan.label} has no key, and documents of it are taken apart, so that a row that changes can't be told from others"
    return reason, "Name columns that tell its rows apart under `key`, or leave `catch_up` out."


def numbers_sql(keyed: Keyed, rows: Rows, buckets: Collection[int]) -> str:
    """Number and hash of every row in some of the table's buckets."""
    terms = [one_of(bucket(rows.number), [number(one) for one in buckets])] if len(buckets) < BUCKETS else []
    return rows.spelled.sql(rows.kept([named(keyed.number(rows), "number"), named(rows.hash, "h")], *terms))


def apart_sql(found: str) -> str:
    """Numbers under which the input ``EXPECTED`` has other rows than SQL of the same shape gives."""
    return (
        f"SELECT number FROM (SELECT number, 1 AS side, h FROM {ident(EXPECTED)} UNION ALL SELECT number, -1, h FROM ({found})) "
        "GROUP BY number HAVING sum(side) <> 0 OR sum(side * CAST(h AS HUGEINT)) <> 0"
    )


def any_of_sql(inputs: Iterable[str]) -> str:
    """The numbers of several inputs, each once."""
    return " UNION ".join(f"SELECT number FROM {ident(name)}" for name in inputs)


def numbered(keyed: Keyed, numbers: Sequence[int], *, listed: bool) -> str:
    """What rows of the source's table fulfil that have one of the numbers; or, not ``listed``, are in buckets of such."""
    main, landed = keyed.plan.lake[0], {c.source: c.expression for c in keyed.plan.columns}
    columns = {c.name: f"({landed[c.source]})" for c in main.columns if c.source in landed}
    rows = Rows(main, compared(main), keyed.plan.dialect, "", columns, keyed.calendar)
    of = keyed.number(rows)
    if not listed:
        of, numbers = bucket(of), sorted({one & (BUCKETS - 1) for one in numbers})
        if len(numbers) == BUCKETS:
            return "true"
    return rows.spelled.sql(one_of(of, [number(one) for one in numbers])) if numbers else "false"


# --- what is exchanged --------------------------------------------------------------------------------------------------


def keys_rows(keyed: Keyed, lake: str, fresh: str) -> Rows:
    """The keys that the lake would have if rows that were read were put into it; both are FROM items."""
    names = ", ".join(map(ident, keyed.names))
    either = f"(SELECT {names} FROM {lake} UNION SELECT {names} FROM {fresh}) AS r"
    columns = {name: f"r.{ident(name)}" for name in keyed.names}
    return Rows(keyed.table, keyed.names, Dialect.DUCKDB, either, columns, keyed.calendar)


def touched_sql(tables: Sequence[Keyed], which: Which, exact: Collection[str]) -> str:
    """The keys under which the landing gives other rows than the lake has, in any lake table of a source table.

    Only those are looked at that were read, or whose number is in ``NUMBERS``. The lake's tables are ``lake_view``s.
    """
    main = tables[0]
    read = _landed(main, Which.ALL, exact, main.names)
    there = f"{main.rows.spelled.sql(main.number(main.rows))} IN (SELECT number FROM {ident(NUMBERS)})"
    asked = f"SELECT {main.selected} FROM ({read}) UNION SELECT {main.selected} FROM {ident(lake_view(main.table.name))} WHERE {there}"
    sides = []
    for n, one in enumerate(tables):
        fresh = _landed(one, which, exact)
        lake = f"{ident(lake_view(one.table.name))} WHERE {one.matching('asked')}"
        for side, rows in ((1, f"({fresh})"), (-1, lake)):
            sides.append(
                f"SELECT {n} AS t, {one.selected}, {side} AS side, {one.rows.spelled.sql(one.rows.hash)} AS h FROM {rows}"
            )
    keys = ", ".join(_nth(n) for n in range(len(main.key)))
    return (
        f"WITH asked AS MATERIALIZED ({asked}) SELECT DISTINCT {keys} FROM (SELECT t, {keys} FROM ({' UNION ALL '.join(sides)}) "
        f"GROUP BY ALL HAVING sum(side) <> 0 OR sum(side * CAST(h AS HUGEINT)) <> 0)"
    )


def fresh_sql(keyed: Keyed, which: Which, exact: Collection[str]) -> str:
    """The landed rows that take the place of the lake's."""
    return f"SELECT * FROM ({_landed(keyed, which, exact)}) WHERE {keyed.touched}"


def gone_sql(keyed: Keyed, exact: Collection[str]) -> str:
    """How many touched keys the source has no row of."""
    read = _landed(keyed, Which.ALL, exact, keyed.names)
    same = " AND ".join(f"k.{_nth(n)} IS NOT DISTINCT FROM f.{_nth(n)}" for n in range(len(keyed.key)))
    return f"SELECT count(*) AS n FROM {ident(TOUCHED)} AS k ANTI JOIN (SELECT {keyed.selected} FROM ({read})) AS f ON {same}"


def _landed(keyed: Keyed, which: Which, exact: Collection[str], names: Sequence[str] = ()) -> str:
    """Landed rows as a lake table has them, unsorted."""
    only = names or [column.name for column in keyed.table.columns]
    return table_sql(keyed.plan, keyed.table, which, exact=exact, only=only)
