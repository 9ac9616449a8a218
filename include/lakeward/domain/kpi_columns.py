"""Columns that a KPI names: its table's own, and those of tables that rows of it name by a reference, ``customers.country``.

A step along a reference is called by the table that it leads to, where only one reference leads there, or by a referencing column.
References lead to keys, so no row doubles; where nothing is found, the row stays and the column is null.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from lakeward.domain.dialect import Dialect
from lakeward.domain.facts import GroupPlan, LakeColumn, LakeTable, ReferencePlan, TablePlan
from lakeward.domain.kpi_measure import KpiError
from lakeward.domain.kpi_text import has_text, is_number
from lakeward.domain.windowing import leaves_window
from lakeward.spec.paths import ROOT, format_path, parse_path
from lakeward.spec.problems import meant

RowsOf = Callable[[TablePlan, LakeTable, Sequence[str]], tuple[str, dict[str, str]]]
"""A FROM item of a table's rows, and the typed SQL of each named column over it."""
Way = tuple[ReferencePlan, ...]
Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """From a table to another one along a reference; ``word`` is what the file calls it."""

    word: str
    reference: ReferencePlan
    plan: TablePlan
    table: LakeTable


@dataclass(frozen=True, slots=True)
class Reached:
    """A column of the table ``home``, or one that its rows reach by ``steps``."""

    name: str
    home: tuple[TablePlan, LakeTable]
    steps: tuple[Step, ...]
    column: LakeColumn

    @property
    def plan(self) -> TablePlan:
        """How the table is read that holds the column."""
        return self.steps[-1].plan if self.steps else self.home[0]

    @property
    def table(self) -> LakeTable:
        """The table that holds the column."""
        return self.steps[-1].table if self.steps else self.home[1]

    @property
    def way(self) -> Way:
        """The references that lead to it; the same way may be spelled in several ways."""
        return tuple(step.reference for step in self.steps)

    def beside(self, depth: int, column: str) -> Reached:
        """A column of the table that the first ``depth`` steps lead to; of depth 0 it is one of ``home``."""
        steps = self.steps[:depth]
        name = format_path((*(s.word for s in steps), column)) if steps else column
        table = steps[-1].table if steps else self.home[1]
        return Reached(name, self.home, steps, table.column(column))


def own(plan: TablePlan, table: LakeTable, name: str) -> Reached:
    """A table's own column."""
    return Reached(name, (plan, table), (), table.column(name))


def reach(group: GroupPlan, plan: TablePlan, table: LakeTable, name: str) -> Reached:
    """Find a column by its name, or by a path along references; KpiError says what was meant."""
    if any(c.name == name for c in table.columns):
        return own(plan, table, name)
    try:
        return _follow(group, plan, table, name)
    except KpiError:
        if hint := lake_name(plan, table, name):
            raise KpiError(f"table {table.name} has no column {name!r}. {hint}") from None
        raise


def _follow(group: GroupPlan, plan: TablePlan, table: LakeTable, name: str) -> Reached:
    words = path_of(name)
    steps: list[Step] = []
    for word in words[:-1]:
        steps.append(_step(group, steps[-1].table if steps else table, word, words[-1]))
    at, of = (steps[-1].table, steps[-1].plan) if steps else (table, plan)
    if not any(c.name == words[-1] for c in at.columns):
        raise KpiError(_no_column(group, of, at, words[-1]))
    return Reached(name, (plan, table), tuple(steps), at.column(words[-1]))


def path_of(name: str) -> Path:
    """The words of a path; what is none is one word."""
    try:
        return parse_path(name) or (name,)
    except ValueError:
        return (name,)


def _no_column(group: GroupPlan, plan: TablePlan, table: LakeTable, name: str) -> str:
    known = [c.name for c in table.columns]
    hint = lake_name(plan, table, name)
    if not hint:
        beyond = [
            r.to for r in references_of(group, table) if any(c.name == name for c in find_table(group, r.to)[1].columns)
        ]
        hint = f"{beyond[0]} has it: write `{beyond[0]}.{name}`." if beyond else meant(name, known)
    return f"table {table.name} has no column {name!r}. {hint} Its columns are {', '.join(known)}.".replace("  ", " ")


def lake_name(plan: TablePlan, table: LakeTable, name: str) -> str:
    """What the lake calls a column that is named as the source does, in words; empty when it is none of them."""
    lake = next((c.name for c in table.columns if path_of(name) in source_paths(plan, table, c)), "")
    return f"That is the source's name; the lake calls it `{lake}` (or write `terms: source`)." if lake else ""


def source_paths(plan: TablePlan, table: LakeTable, column: LakeColumn) -> tuple[Path, ...]:
    """How the source names what a lake's column holds: the whole path from the row, then from the list's item; nothing for what flattening adds."""
    if column.role not in {"value", "parent"}:
        return ()
    landed = next(c.column for c in plan.columns if c.source == column.source)
    if column.role == "parent" or table.kind == "main":
        return ((landed, *column.path),)
    return ((landed, *table.path, *column.path), column.path or (ROOT,))


def references_of(group: GroupPlan, table: LakeTable) -> tuple[ReferencePlan, ...]:
    """References of a table, those of a child to its parent too; the same one declared twice is one."""
    unique: dict[tuple[str, frozenset[tuple[str, str]]], ReferencePlan] = {}
    for one in group.references:
        if one.table == table.name and one.columns:
            same = (one.to, frozenset(zip(one.columns, one.to_columns, strict=True)))
            unique[same] = one if one.origin == "source" else unique.get(same, one)
    return tuple(unique.values())


def words_for(one: ReferencePlan, others: Sequence[ReferencePlan]) -> tuple[str, ...]:
    """What a reference may be called by among those of its table: a referencing column that is no other's, or its table."""
    columns = [c for c in one.columns if all(c not in other.columns for other in others if other is not one)]
    table = [one.to] if all(one.to != other.to for other in others if other is not one) else []
    taken = {c for other in others if other is not one for c in other.columns}
    return (*(word for word in table if word not in taken), *columns)


def _step(group: GroupPlan, table: LakeTable, word: str, wanted: str) -> Step:
    known = references_of(group, table)
    found = [one for one in known if word in words_for(one, known)]
    if not found:
        raise KpiError(_no_step(table, word, wanted, known))
    one = found[0]
    plan, to = find_table(group, one.to)
    _check_key(one, to)
    _check_types(one, table, to)
    if leaves_window(group, one):
        raise KpiError(
            f"the reference of {one.table} to {one.to} ({', '.join(one.columns)}) may lead to a row of another window, which is read "
            "at another cut, so that neither side could tell its column; leave it out, or move the group without a `window`"
        )
    return Step(word, one, plan, to)


def _no_step(table: LakeTable, word: str, wanted: str, known: Sequence[ReferencePlan]) -> str:
    several = [one for one in known if one.to == word or word in one.columns]
    if several:
        ways = [f"`{format_path((words[0], wanted))}`" for one in several if (words := words_for(one, known))]
        todo = f"write {' or '.join(ways)}" if ways else "leave one of them out of the file"
        return f"{word!r} is ambiguous: {len(several)} references lead from {table.name} by it; {todo}"
    if not known:
        return (
            f"table {table.name} refers to no other table, so there is no {word!r} to look into; declare the reference under "
            "`references` of the group"
        )
    callable_by = [word for one in known for word in words_for(one, known)]
    told = ", ".join(f"{one.to} (by {', '.join(one.columns)})" for one in known)
    return f"no reference of table {table.name} is called {word!r}. {meant(word, callable_by)} It refers to {told}.".replace(
        "  ", " "
    )


def find_table(group: GroupPlan, name: str) -> tuple[TablePlan, LakeTable]:
    """A lake table of a group."""
    return next((plan, table) for plan in group.tables for table in plan.lake if table.name == name)


def _check_key(one: ReferencePlan, to: LakeTable) -> None:
    """The source keeps foreign keys to what is unique; what the file declares must lead to the key."""
    if one.origin == "source" or (to.key and set(to.key) <= set(one.to_columns)):
        return
    key = f"its key is {', '.join(to.key)}" if to.key else "it has no key"
    raise KpiError(
        f"the reference of {one.table} to {to.name} ({', '.join(one.to_columns)}) leads to no key ({key}), so that one row might "
        "name several and be counted more than once; let it name the key, or declare `key` for that table"
    )


def _check_types(one: ReferencePlan, table: LakeTable, to: LakeTable) -> None:
    for left, right in zip(one.columns, one.to_columns, strict=True):
        a, b = table.column(left).type, to.column(right).type
        if not (has_text(a) and (a == b or (is_number(a) and is_number(b)))):
            raise KpiError(
                f"{table.name}.{left} is of type {a} and {to.name}.{right} of type {b}, which are not compared exactly; "
                "give both the same type under `types`"
            )


def widened(table: LakeTable, reached: Iterable[Reached]) -> LakeTable:
    """The table with the columns that it reaches, called as they are named."""
    more = tuple(replace(c.column, name=c.name, required=False, role="reached") for c in reached if c.steps)
    return replace(table, columns=(*table.columns, *more)) if more else table


def joined(
    plan: TablePlan, table: LakeTable, columns: Iterable[Reached], rows_of: RowsOf, dialect: Dialect
) -> tuple[str, dict[str, str]]:
    """A FROM item of a table's rows with what they reach, and each column's SQL over it, by its name."""
    from sqlglot import exp

    from lakeward.domain.kpi_text import ordered
    from lakeward.domain.spelling import spelling
    from lakeward.domain.tree import equal, every, named, nested, raw, select
    from lakeward.domain.tree import name as column_of

    spelled = spelling(dialect)
    columns = tuple(columns)
    ways: dict[Way, Step] = {one.way[: n + 1]: step for one in columns for n, step in enumerate(one.steps)}
    needed: dict[Way, dict[str, None]] = {(): {}} | {way: {} for way in ways}
    for one in columns:
        needed[one.way][one.column.name] = None
    for way in ways:
        needed[way[:-1]] |= dict.fromkeys(way[-1].columns)
        needed[way] |= dict.fromkeys(way[-1].to_columns)
    sql, found = rows_of(plan, table, tuple(needed[()]))
    at: dict[Way, dict[str, str]] = {(): found}
    tables: dict[Way, LakeTable] = {(): table}
    for n, way in enumerate(sorted(ways, key=len), 1):
        step = ways[way]
        inner, typed = rows_of(step.plan, step.table, tuple(needed[way]))
        at[way] = {c: spelled.sql(column_of(c, table=f"t{n}")) for c in typed}
        tables[way] = step.table
        sides = [(at[w], tables[w], names) for w, names in ((way[:-1], way[-1].columns), (way, way[-1].to_columns))]
        keys = [[ordered(raw(of[c]), t.column(c).type, dialect) for c in names] for of, t, names in sides]
        reached = nested(select([named(raw(value), c) for c, value in typed.items()], inner), f"t{n}")
        on = every(*(equal(a, b) for a, b in zip(*keys, strict=True)))
        sql += f" {spelled.sql(exp.Join(this=reached, side='LEFT', on=on)).strip()}"
    return sql, {one.name: at[one.way][one.column.name] for one in columns}
