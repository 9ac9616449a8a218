"""SELECTs that people wrote for a KPI: read as trees, and held to a list of what may stand in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lakeward.domain.dialect import Dialect
from lakeward.domain.facts import GroupPlan, LakeColumn, LakeTable, TablePlan
from lakeward.domain.kpi_measure import KpiError
from lakeward.domain.kpi_text import is_number
from lakeward.spec.models import HandSpec

if TYPE_CHECKING:
    from sqlglot.expressions import Column, Expr, Expression, Select, Table, Union

    Query = Select | Union

_QUERY = ("select", "from", "join", "where", "group", "having", "with", "cte", "subquery", "union", "distinct", "star")
_NAMES = ("table", "tablealias", "alias", "column", "identifier", "literal", "null", "boolean", "paren")
_CONDITIONS = ("and", "or", "not", "eq", "neq", "gt", "gte", "lt", "lte", "is", "in", "between", "like", "exists")
_CHOICES = ("nullsafeeq", "nullsafeneq", "case", "if", "coalesce", "nullif", "greatest", "least")
_NUMBERS = ("add", "sub", "mul", "neg", "abs", "sum", "count", "min", "max", "cast", "datatype", "datatypeparam")
_TEXTS = ("lower", "upper", "trim", "concat", "dpipe", "substring", "length", "attimezone")
PERMITTED = frozenset(_QUERY + _NAMES + _CONDITIONS + _CHOICES + _NUMBERS + _TEXTS)
"""Kinds of nodes; everything else is refused: other statements, locks, INTO, functions that are not here, windows, limits, division."""
_CASTS = (
    "SMALLINT",
    "INT",
    "BIGINT",
    "DECIMAL",
    "TEXT",
    "VARCHAR",
    "BOOLEAN",
    "DATE",
    "TIMESTAMP",
    "TIMESTAMPTZ",
    "UUID",
)
_PLAIN = ("boolean", "date", "timestamp", "timestamptz", "uuid")

Known = Mapping[tuple[str, str], tuple[TablePlan, LakeTable]]
"""Tables that a text may read, by schema (none in the lake) and name."""


@dataclass(frozen=True, slots=True)
class Written:
    """A SELECT that was made sure of: its tree, the tables in it, and the columns that it names of each, by the lake's names."""

    tree: Query
    tables: tuple[tuple[Table, TablePlan, LakeTable], ...]
    columns: Mapping[str, frozenset[str]]


def hand_table(name: str, spec: HandSpec) -> LakeTable:
    """The columns that both SELECTs give, as a table without a key."""
    columns = (
        LakeColumn(column, str(kind), required=False, role="value", source=column)
        for column, kind in spec.columns.items()
    )
    return LakeTable(name, tuple(columns), ())


def check_side(spec: HandSpec, side: str, group: GroupPlan) -> None:
    """Refuse a SELECT that is none, reads what it may not, or does not give the declared columns."""
    if group.dialect is Dialect.MARIADB:
        raise KpiError(
            f"sql.{side}: MariaDB can't tell a value that is not of its declared type, since its casts change it without an error; "
            "write the figure as a `measure`"
        )
    if group.windowing:
        raise KpiError(
            f"sql.{side} reads whole tables, but the group {group.name} is read window by window; write the figure as a `measure`"
        )
    tree = read(getattr(spec, side), side, group).tree
    given = [name if name in spec.columns else name.lower() for name in tree.named_selects]
    if sorted(given) != sorted(spec.columns):
        raise KpiError(
            f"sql.{side} gives {', '.join(given) or 'nothing'}, but `columns` declares {', '.join(spec.columns)}; name each with AS"
        )
    for name, kind in spec.columns.items():
        if kind != "string" and not is_number(kind) and kind not in _PLAIN:
            raise KpiError(
                f"sql.columns: {name} is {kind}; a column is a whole number, decimal, string, {', '.join(_PLAIN)}"
            )


def read(sql: str, side: str, group: GroupPlan, more: frozenset[str] = frozenset()) -> Written:
    """A SELECT, made sure of, in which ``more`` kinds of nodes may stand; KpiError says what may not."""
    import sqlglot
    from sqlglot import exp

    try:
        trees = sqlglot.parse(sql, dialect=_dialect(side, group))
    except sqlglot.errors.SqlglotError as error:
        raise KpiError(f"sql.{side} can't be read: {str(error).splitlines()[0]}") from None
    tree = trees[0] if len(trees) == 1 else None
    if not isinstance(tree, exp.Select | exp.Union):
        raise KpiError(f"sql.{side} must be exactly one SELECT")
    for node in tree.walk():
        if not _may_stand(node, more):
            raise KpiError(
                f"sql.{side}: {node.sql()[:60]!r} ({node.key}) may not stand there; only columns by name, joins, conditions, arithmetic "
                "without division, grouping with sum, count, min and max, and plain functions"
            )
    known = _known(side, group)
    for cte in tree.find_all(exp.CTE):
        if any(cte.alias == name for _, name in known):
            raise KpiError(f"sql.{side}: WITH may not give {cte.alias} another meaning")
    found = tuple((node, *_table(node, side, known, group.home)) for node in _read_tables(tree))
    for node, _, _ in found:
        if side == "source":
            node.set("db", _quoted(node.db or group.home))
            node.set("this", _quoted(node.name))
    named = _columns(tree, side, known, _dialect(side, group))
    return Written(tree, found, _by_lake(named, side, known))


def _dialect(side: str, group: GroupPlan) -> str:
    from lakeward.domain.spelling import spelling

    return spelling(group.dialect if side == "source" else Dialect.DUCKDB).name


def _read_tables(tree: Query) -> list[Table]:
    """Every table that is none of the query's own: a name given by WITH means that only where it is in sight."""
    from sqlglot import exp
    from sqlglot.optimizer.scope import traverse_scope

    scopes = traverse_scope(tree)
    made = {
        id(node) for scope in scopes for node, of in scope.selected_sources.values() if not isinstance(of, exp.Table)
    }
    return [node for node in tree.find_all(exp.Table) if id(node) not in made]


def _columns(tree: Query, side: str, known: Known, dialect: str) -> set[tuple[tuple[str, str], str]]:
    """The columns that are named of each table. Each is one of its table's: ``o.total`` may be a function of rows of ``o`` to
    PostgreSQL, and ``o`` a whole row."""
    from sqlglot import exp
    from sqlglot.errors import OptimizeError
    from sqlglot.optimizer.qualify import qualify
    from sqlglot.optimizer.scope import traverse_scope
    from sqlglot.schema import MappingSchema

    schema = MappingSchema(normalize=False)
    for (db, name), (plan, table) in known.items():
        names = _source_columns(plan) if side == "source" else [c.name.lower() for c in table.columns]
        schema.add_table(exp.table_(name, db=db or None), dict.fromkeys(names, "text"))
    whole = tree.copy()
    for node in _read_tables(whole):
        node.set("alias", node.args.get("alias") or alias_of(node.name))
    try:
        whole = qualify(whole, dialect=dialect, schema=schema, expand_stars=False, quote_identifiers=False)
    except OptimizeError as error:
        raise KpiError(
            f"sql.{side}: {str(error).split('. Line')[0]}; only columns of the group's tables may be read, by name, and none that is masked"
        ) from None
    for column in whole.find_all(exp.Column):
        if not column.table and not _is_output(column):
            raise KpiError(f"sql.{side}: {column.sql()!r} is no column of the tables that are read there")
    named = ((scope.sources.get(c.table), c.name) for scope in traverse_scope(whole) for c in scope.columns)
    return {((of.db, of.name), column) for of, column in named if isinstance(of, exp.Table)}


def _by_lake(named: set[tuple[tuple[str, str], str]], side: str, known: Known) -> Mapping[str, frozenset[str]]:
    """Columns of the lake's tables by the names that a text gives: its own, or those that the source's become."""
    found: dict[str, set[str]] = {}
    for at, name in named:
        plan, table = known[at]
        if side == "lake":
            found.setdefault(table.name, set()).update(c.name for c in table.columns if c.name.lower() == name)
            continue
        sources = {c.source for c in plan.columns if c.column == name}
        for one in plan.lake:
            found.setdefault(one.name, set()).update(c.name for c in one.columns if c.source in sources)
    return {table: frozenset(columns) for table, columns in found.items() if columns}


def _is_output(column: Column) -> bool:
    """Whether it is what a query is ordered by, and a name that the query gives itself."""
    from sqlglot import exp

    query = column.find_ancestor(exp.Query)
    return isinstance(column.parent, exp.Ordered) and query is not None and column.name in query.named_selects


def _source_columns(plan: TablePlan) -> list[str]:
    return [*(c.column for c in plan.columns if not c.mask), *plan.dropped]


def _may_stand(node: Expr, more: frozenset[str]) -> bool:
    from sqlglot import exp

    match node:
        case exp.Star():
            return isinstance(node.parent, exp.Count)
        case exp.Column():
            return not node.args.get("db")
        case exp.With():
            return not node.recursive
        case exp.DataType():
            return node.this in {exp.DataType.Type[name] for name in _CASTS}
        case _:
            return node.key in PERMITTED or node.key in more


def _known(side: str, group: GroupPlan) -> Known:
    if side == "lake":
        return {("", table.name): (plan, table) for plan in group.tables for table in plan.lake}
    return {(plan.schema, plan.table): (plan, plan.lake[0]) for plan in group.tables}


def _table(node: Table, side: str, known: Known, home: str) -> tuple[TablePlan, LakeTable]:
    schema = node.db or (home if side == "source" else "")
    found = None if node.args.get("catalog") else known.get((schema, node.name))
    if found is None:
        names = ", ".join(".".join(filter(None, name)) for name in known)
        raise KpiError(f"sql.{side} reads {node.sql()}, which is no table of the group; it may read {names}")
    if (alias := node.args.get("alias")) and alias.columns:
        raise KpiError(
            f"sql.{side}: {node.sql()!r} gives columns other names; call them by their own, and rename by AS"
        )
    return found


def _quoted(name: str) -> Expression:
    from sqlglot import exp

    return exp.to_identifier(name, quoted=True)


def alias_of(name: str) -> Expression:
    """What a table is called that the text gives no other name."""
    from sqlglot import exp

    return exp.TableAlias(this=_quoted(name))
