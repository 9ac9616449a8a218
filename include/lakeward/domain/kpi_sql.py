"""Figures of a KPI as one SQL statement over given rows; PostgreSQL and DuckDB get the same shape.

Columns: ``grain`` (day, week, month, fiscal ones, total), ``period`` (first day as text; null: rows without a date, and for the total),
``dims`` (which dimensions the cell is over: nothing, ``d1``, ``d1,d2``), ``d1``.. (canonical text), ``value``, ``n`` (rows that enter),
of a ratio also ``per``, ``per_n`` (its denominator, where ``value`` is the numerator), ``fp`` (fingerprint of the keys and measures of
these rows, and of the days and dimension values that they stand at).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lakeward.domain.calendar import day_sql, period_sql, period_text
from lakeward.domain.fingerprint import MODULUS, hashed, key_number, settled_hash
from lakeward.domain.kpi_measure import Column, Function, Negated, Node, Number, Operation
from lakeward.domain.kpi_resolve import INEXACT, MAX_DIGITS, ResolvedKpi, scale_of
from lakeward.domain.kpi_text import FLOATS, Dialect, canonical, ordered
from lakeward.domain.sql import literal, text, where
from lakeward.spec.models import Grain

_SHORT = 18
"""Digits that a bigint holds."""
_DOUBLE = "float8"


def figures_sql(r: ResolvedKpi, dialect: Dialect, rows: str, columns: Mapping[str, str]) -> str:
    """The figures over ``rows`` (a FROM item); ``columns`` maps each of ``r.needed`` to its SQL."""
    if not r.parts:
        return _figures(r, dialect, rows, columns)
    keys = ", ".join(figure_keys(r))
    sides = [f"({_figures(part, dialect, rows, columns)})" for part in r.parts]
    none = [f"CAST(NULL AS {_type(part, dialect)})" for part in r.parts]
    both = (
        f"SELECT {keys}, value, n, {none[1]} AS per, CAST(NULL AS bigint) AS per_n, fp FROM {sides[0]} AS a UNION ALL "
        f"SELECT {keys}, {none[0]}, CAST(NULL AS bigint), value, n, fp FROM {sides[1]} AS b"
    )
    value, per = (
        f"CAST(max({name}) AS {_type(part, dialect)})" for name, part in zip(("value", "per"), r.parts, strict=True)
    )
    told = (
        f"{value} AS value, coalesce(max(n), 0) AS n, {per} AS per, coalesce(max(per_n), 0) AS per_n, "
        f"CAST(sum(fp) AS decimal({MAX_DIGITS}, 0)) AS fp"
    )
    return f"SELECT {keys}, {told} FROM ({both}) AS parts GROUP BY {keys}"


def _figures(r: ResolvedKpi, dialect: Dialect, rows: str, columns: Mapping[str, str]) -> str:
    by = _keys(r)
    given = ", ".join(
        [
            *(f"{sql} AS {name}" for name, sql in _inputs(r, dialect, columns)),
            f"{_argument(r, dialect, columns)} AS x",
            f"{_weight(r, dialect, columns)} AS w",
        ]
    )
    base = f"SELECT {given} FROM {rows} {_where(r, dialect, columns)}"
    first = f"SELECT {', '.join([*by, *_first(r, dialect), _weighted(r, dialect)])} FROM base {_group([*by, *(['x'] if _distinct(r) else [])])}"
    periods = "".join(f", {sql} AS {name}" for name, sql in _periods(r))
    dated = f"SELECT *{periods}, {_fingerprint(r, dialect)} AS h FROM first"
    sets = ", ".join(f"({', '.join(s)})" for s in _sets(r))
    marks = _marks(r)
    shape = ["grain", "period", "dims", *_dimensions(r)]
    if _distinct(r):
        cells = f"SELECT {marks}, x, sum(n) AS n, sum(h) AS h FROM dated GROUP BY GROUPING SETS ({sets})"
        values = f"SELECT {', '.join(shape)}, count(x) AS value, sum(n) AS n, sum(h) AS h FROM cells GROUP BY {', '.join(shape)}"
    else:
        cells = f"SELECT {marks}, {_second(r, dialect)} AS value, coalesce(sum(n), 0) AS n, sum(h) AS h FROM dated GROUP BY GROUPING SETS ({sets})"
        values = "SELECT * FROM cells"
    period = period_text("period", _grains(r), r.calendar, dialect)
    out = ", ".join(
        [
            "grain",
            f"{period} AS period",
            *shape[2:],
            f"{_value(r, dialect)} AS value",
            "CAST(n AS bigint) AS n",
            "CAST(h AS decimal(38, 0)) AS fp",
        ]
    )
    return f"WITH base AS ({base}), first AS ({first}), dated AS ({dated}), cells AS ({cells}), figures AS ({values}) SELECT {out} FROM figures"


def figure_columns(r: ResolvedKpi) -> tuple[tuple[str, str], ...]:
    """Name and lake type of each column of the figures, in order."""
    keys = tuple((name, "string") for name in figure_keys(r))
    names = (("value", "n"), ("per", "per_n"))
    values = [
        pair
        for (value, n), part in zip(names, r.parts or (r,), strict=False)
        for pair in ((value, value_kind(part)), (n, "long"))
    ]
    return (*keys, *values, ("fp", f"decimal({MAX_DIGITS},0)"))


def figure_keys(r: ResolvedKpi) -> tuple[str, ...]:
    """The columns that say which cell a figure is of."""
    return ("grain", "period", "dims", *_dimensions(r))


def value_kind(r: ResolvedKpi) -> str:
    """The lake type of a figure's value."""
    if r.value_type == INEXACT:
        return "double"
    return "string" if r.scale is None else f"decimal({MAX_DIGITS},{r.scale})"


def condition_sql(r: ResolvedKpi, dialect: Dialect, columns: Mapping[str, str]) -> str:
    """The KPI's filter as ``WHERE ...`` or nothing."""
    return _where(r, dialect, columns)


def _dimensions(r: ResolvedKpi) -> list[str]:
    return [f"d{i + 1}" for i in range(len(r.spec.dimensions))]


def _keys(r: ResolvedKpi) -> list[str]:
    return [*(["day"] if r.spec.date else []), *_dimensions(r)]


def _weight(r: ResolvedKpi, dialect: Dialect, columns: Mapping[str, str]) -> str:
    """What stands for the row's key; without one, for all that the KPI reads of it."""
    names = r.table.key or [name for name in r.columns if r.value_type != INEXACT or r.type_of(name) not in FLOATS]
    of = [(columns[name], r.type_of(name)) for name in names]
    return key_number(of, dialect) if r.table.key else settled_hash(of, dialect)


def _weighted(r: ResolvedKpi, dialect: Dialect) -> str:
    """The sum of weight by measure: unlike the sum, it changes when what one row gains another one loses.

    Of floats only which rows there are, since their values may differ by a tolerance.
    """
    counted = r.measure.function in {Function.COUNT, Function.COUNT_DISTINCT}
    if not r.table.key or r.measure.argument is None or counted or r.value_type == INEXACT:
        return "sum(CASE WHEN x IS NOT NULL THEN w END) AS f"
    if r.scale is None:
        return f"sum(w * {hashed(canonical('x', r.value_type, dialect), dialect, 7)}) AS f"
    if dialect is Dialect.POSTGRES:
        return f"sum(w * x) * 1{'0' * r.scale} AS f"
    whole = f"(CAST(replace(CAST(x AS varchar), '.', '') AS HUGEINT) % {MODULUS})"
    if r.scale < _SHORT:  # what fits a bigint needs no way through text
        short = f"CAST(x * 1{'0' * r.scale} AS HUGEINT)"
        whole = f"CASE WHEN abs(x) < 1{'0' * (_SHORT - r.scale)} THEN {short} ELSE {whole} END"
    return f"sum(w * {whole}) AS f"


def _fingerprint(r: ResolvedKpi, dialect: Dialect) -> str:
    """One of the finest cells, with where it stands."""
    keys = [canonical(name, "date", dialect) if name == "day" else name for name in _keys(r)]
    if _distinct(r):
        argument = r.measure.argument
        if argument is not None and r.value_type == "number":
            keys.append(f"CAST(x AS decimal({MAX_DIGITS}, {scale_of(argument, r.type_of)}))")
        else:
            keys.append(canonical("x", r.value_type, dialect))
    marked = [f"{key}, CASE WHEN {key} IS NULL THEN chr(30) END, chr(31)" for key in keys]
    rest = f"((coalesce(f, 0) % {MODULUS}) + {MODULUS}) % {MODULUS}"
    return hashed(
        f"concat({', '.join([*marked, 'n', 'chr(31)', f'CAST({rest} AS decimal({MAX_DIGITS}, 0))'])})", dialect
    )


def _distinct(r: ResolvedKpi) -> bool:
    return r.measure.function is Function.COUNT_DISTINCT


def _group(keys: list[str]) -> str:
    return f"GROUP BY {', '.join(keys)}" if keys else ""


def _inputs(r: ResolvedKpi, dialect: Dialect, columns: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    if r.spec.date:
        yield "day", day_sql(columns[r.spec.date], r.type_of(r.spec.date), r.calendar)
    for alias, name in zip(_dimensions(r), r.spec.dimensions, strict=True):
        yield alias, canonical(columns[name], r.type_of(name), dialect)


def _argument(r: ResolvedKpi, dialect: Dialect, columns: Mapping[str, str]) -> str:
    argument = r.measure.argument
    if argument is None:
        return "1"
    if r.value_type in {"number", INEXACT}:
        return _arithmetic(argument, r, dialect, columns)
    name = r.measure.columns[0].name
    if r.measure.function is Function.COUNT:
        return f"CASE WHEN {columns[name]} IS NOT NULL THEN 1 END"
    return ordered(columns[name], r.value_type, dialect)


def _arithmetic(node: Node, r: ResolvedKpi, dialect: Dialect, columns: Mapping[str, str]) -> str:
    """Exact numbers: PostgreSQL's numeric has no bounds, DuckDB's DECIMAL(38, s) raises when it overflows. With floats, doubles."""
    scale = scale_of(node, r.type_of)
    kind = _DOUBLE if r.value_type == INEXACT else _decimal(scale, dialect)
    match node:
        case Column(name):
            return f"CAST({columns[name]} AS {kind})"
        case Number(value):
            return f"CAST({literal(value)} AS {kind})"
        case Negated(operand):
            return f"(- {_arithmetic(operand, r, dialect, columns)})"
        case Operation(operator, left, right):
            sides = [_arithmetic(side, r, dialect, columns) for side in (left, right)]
            if operator != "*" and dialect is Dialect.DUCKDB:
                sides = [f"CAST({side} AS {kind})" for side in sides]
            return f"({sides[0]} {operator} {sides[1]})"


def _decimal(scale: int, dialect: Dialect) -> str:
    return "numeric" if dialect is Dialect.POSTGRES else f"DECIMAL({MAX_DIGITS}, {scale})"


def _where(r: ResolvedKpi, dialect: Dialect, columns: Mapping[str, str]) -> str:
    def comparable(name: str) -> str:
        kind = r.type_of(name)
        if kind == "boolean":
            return columns[name]
        return canonical(columns[name], kind, dialect) if kind == "time" else ordered(columns[name], kind, dialect)

    return where(r.filters, comparable)


def _sum(r: ResolvedKpi, dialect: Dialect, x: str) -> str:
    """A sum; of doubles one that hardly depends on the order of rows."""
    if r.value_type != INEXACT:
        return f"sum({x})"
    if dialect is Dialect.POSTGRES:
        return f"sum(CAST(CAST({x} AS text) AS numeric))"
    return f"CASE WHEN isfinite(fsum({x})) THEN fsum({x}) ELSE sum({x}) END"


def _first(r: ResolvedKpi, dialect: Dialect) -> list[str]:
    """Aggregates over the finest cells; everything else is rolled up from them, so that rows are read once."""
    match r.measure.function:
        case Function.COUNT_DISTINCT:
            return ["x", "count(x) AS n"]
        case Function.COUNT:
            return ["count(x) AS n"]
        case Function.SUM | Function.AVG:
            return [f"{_sum(r, dialect, 'x')} AS v", "count(x) AS n"]
        case _:
            return [f"{r.measure.function}(x) AS v", "count(x) AS n"]


def _second(r: ResolvedKpi, dialect: Dialect) -> str:
    match r.measure.function:
        case Function.MIN | Function.MAX:
            return f"{r.measure.function}(v)"
        case Function.COUNT:
            return "coalesce(sum(n), 0)"
        case _:
            return _sum(r, dialect, "v")


def _periods(r: ResolvedKpi) -> Iterator[tuple[str, str]]:
    for grain in _grains(r):
        if grain is not Grain.DAY:
            yield grain.value, period_sql(grain, "day", r.calendar)


def _grains(r: ResolvedKpi) -> list[Grain]:
    return [g for g in Grain if g in r.spec.grains] if r.spec.date else []


def _dimension_sets(r: ResolvedKpi) -> list[list[str]]:
    """No dimension, each single one, all of them when there are several."""
    names = _dimensions(r)
    return [[], *([name] for name in names), *([names] if len(names) > 1 else [])]


def _sets(r: ResolvedKpi) -> Iterator[list[str]]:
    value = ["x"] if _distinct(r) else []
    for period in [[], *([g.value] for g in _grains(r))]:
        for dimensions in _dimension_sets(r):
            yield [*period, *dimensions, *value]


def _marks(r: ResolvedKpi) -> str:
    """Grain, period and dimensions of a cell, told by GROUPING: a null of the data is not a null of the grouping."""
    grains, names = _grains(r), _dimensions(r)
    whens = "".join(f" WHEN GROUPING({g.value}) = 0 THEN '{g.value}'" for g in grains)
    grain = f"CASE{whens} ELSE 'total' END" if grains else "'total'"
    period = (
        f"coalesce({', '.join(g.value for g in grains)})"
        if len(grains) > 1
        else grains[0].value
        if grains
        else "CAST(NULL AS date)"
    )
    dims = "''"
    if names:
        full = 2 ** len(names) - 1
        each = {full: "", 0: ",".join(names)} | {
            full & ~(1 << (len(names) - 1 - i)): name for i, name in enumerate(names)
        }
        dims = f"CASE GROUPING({', '.join(names)}) {' '.join(f'WHEN {mask} THEN {text(dim)}' for mask, dim in each.items())} END"
    return ", ".join([f"{grain} AS grain", f"{period} AS period", f"{dims} AS dims", *names])


def _type(r: ResolvedKpi, dialect: Dialect) -> str:
    """The SQL type of a figure's number."""
    if r.value_type == INEXACT:
        return _DOUBLE
    return f"{'numeric' if dialect is Dialect.POSTGRES else 'DECIMAL'}({MAX_DIGITS}, {r.scale})"


def _value(r: ResolvedKpi, dialect: Dialect) -> str:
    if r.value_type == INEXACT:
        return f"CAST(value AS {_DOUBLE})"
    if r.scale is None:
        return canonical("value", r.value_type, dialect)
    if dialect is Dialect.POSTGRES:
        return f"CAST(value AS {_type(r, dialect)})"
    # Through text: a sum may hold one digit too many, which a cast to its own type would not look at.
    return f"CAST(CAST(value AS varchar) AS {_type(r, dialect)})"
