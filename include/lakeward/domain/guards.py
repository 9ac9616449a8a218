"""Values that the lake has no counterpart for, or that a declared type would bend: found and counted by the source itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from lakeward.domain.dialect import Dialect
from lakeward.domain.facts import LandedColumn, TablePlan
from lakeward.domain.file_facts import LandedTable
from lakeward.domain.sql import ident, text
from lakeward.spec.scalars import LakeType

GUARD_REASONS = {
    "nan": "NaN, which no decimal can hold",
    "infinity": "infinity, which no decimal, date or timestamp in the lake can hold",
    "far": "a moment past 294247-01-10 04:00:54 UTC, which no timestamp in the lake can hold",
    "time24": "24:00:00, which no time in the lake can hold",
    "bounds": "an array that does not begin at 1, which no JSON can tell",
    "scale": "more decimals than the declared scale",
    "wide": "more digits before the point than the declared type holds",
    "inexact": "a value that the declared decimal does not hold exactly",
    "fine": "a moment finer than a microsecond, which no time or timestamp in the lake can hold",
    "inside": "NaN or infinity inside a nested value, which no JSON can hold",
    "unread": "a text that is none of the declared type",
    "unfit": "a value that the declared type does not hold exactly",
    "zero": "a date with a zero in it, or of a day that no calendar has, which no date in the lake can hold",
    "span": "a time before 00:00:00 or of 24 hours and more, which no time in the lake can hold",
}
"""What a guard that is not zero found, for messages."""

SPECIAL = ("nan", "infinity", "far", "time24", "bounds", "fine", "inside", "unread", "zero", "span")
"""Guards that a declared policy may answer."""

SHORT = {
    "nan": "NaN",
    "infinity": "infinity",
    "far": "moments past the year 294246",
    "time24": "24:00:00",
    "bounds": "arrays that do not begin at 1",
    "padding": "padded values",
    "fine": "moments finer than a microsecond",
    "inside": "nested NaN or infinity",
    "unread": "texts of another type",
    "zero": "dates with zeros",
    "span": "times outside of a day",
}
_STRING = text(r'"(?:[^"\\]|\\.)*"')
_BOUND = r"\[-?[0-9]+:-?[0-9]+\]"


def guard_condition(column: LandedColumn, guard: str, dialect: Dialect = Dialect.POSTGRES) -> str:
    """The source's SQL that is true for a row that a guard must find; columns stand for themselves."""
    return {Dialect.POSTGRES: _postgres, Dialect.DUCKDB: _duckdb, Dialect.MARIADB: _mariadb}[dialect](column, guard)


def _duckdb(column: LandedColumn, guard: str) -> str:
    name = ident(column.column)
    if guard in {"unread", "unfit"}:
        others = [_duckdb(column, other) for other in column.guards if other in {"nan", "infinity"}]
        left = f" AND NOT ({' OR '.join(others)})" if others else ""
        return f"({name} IS NOT NULL AND ({column.expression}) IS NULL{left})"
    floats = column.source_type in {"FLOAT", "DOUBLE"}
    return {
        "nan": f"isnan({name})",
        "infinity": f"isinf({name})" if floats else f"NOT isfinite({name})",
        "time24": f"CAST({name} AS VARCHAR) = '24:00:00'",
        "fine": f"{'isfinite(' + name + ') AND ' if column.source_type != 'TIME_NS' else ''}epoch_ns({name}) % 1000 <> 0",
        "inside": f"regexp_matches(regexp_replace({column.expression}, {_STRING}, '\"\"', 'g'), 'NaN|Infinity')",
    }[guard]


def _postgres(column: LandedColumn, guard: str) -> str:
    name = ident(column.column)
    precision, scale = LakeType(column.type).decimal or (0, 0)
    number = f"{name}::numeric"
    back = "float4" if column.source_type == "real" else "float8"
    above = (
        f"abs({number}) >= 1e{precision - scale}" if precision else f"{number} NOT BETWEEN {_RANGES.get(column.type)}"
    )
    return {
        "nan": f"{name} = 'NaN'",
        "infinity": f"{name} IN ('infinity', '-infinity')",
        "far": f"({name} >= '294247-01-10 04:00:54.775807+00' AND {name} <> 'infinity')",
        "time24": f"{name} = '24:00:00'",
        "bounds": f"({_dimensions(column, name)})",
        "scale": f"{_finite(number)} AND scale(trim_scale({number})) > {scale}",
        "wide": f"{_finite(number)} AND {above}",
        "inexact": f"{_finite(name)} AND ({above} OR round({number}, {scale})::{back} <> {name})",
        "padding": f"octet_length({name}) > octet_length({name}::text)",
        "unread": f"({name} IS NOT NULL AND ({column.expression}) IS NULL)",
    }[guard]


def _mariadb(column: LandedColumn, guard: str) -> str:
    name = ident(column.column)
    precision, scale = LakeType(column.type).decimal or (0, 0)
    return {
        "zero": f"({name} IS NOT NULL AND NOT (FROM_DAYS(TO_DAYS({name})) <=> DATE({name})))",
        "span": f"({name} < '00:00:00' OR {name} >= '24:00:00')",
        "scale": f"TRUNCATE({name}, {scale}) <> {name}",
        "wide": f"ABS({name}) >= 1{'0' * (precision - scale)}"
        if precision
        else f"({name} NOT BETWEEN {_RANGES.get(column.type)})",
        "unfit": f"({name} + 0) NOT IN (0, 1)",
    }[guard]


def _finite(value: str) -> str:
    return f"{value} NOT IN ('NaN', 'infinity', '-infinity')"


_RANGES = {"int": "-2147483648 AND 2147483647", "long": "-9223372036854775808 AND 9223372036854775807"}


def _dimensions(column: LandedColumn, name: str) -> str:
    """Composite values show the bounds of arrays in them in their text; a text in them that looks the same is taken for one."""
    terms = [rf"array_dims({name}) !~ '^(\[1:[0-9]+\])+$'"] if column.bounds != "composite" else []
    if column.bounds != "array":
        terms.append(f"format('%s', {name}) ~ '[(,\"]({_BOUND})+='")
    return " OR ".join(terms)


def nullified(column: LandedColumn, dialect: Dialect = Dialect.POSTGRES) -> LandedColumn:
    """The column with its special values made null by the source; what else a guard finds is still refused."""
    if "unread" in column.guards:  # such texts are null already
        return replace(column, native=False, nullable=True, policy="null")
    special = [guard_condition(column, guard, dialect) for guard in column.guards if guard in SPECIAL]
    expression = f"CASE WHEN NOT ({' OR '.join(special)}) THEN {column.expression} END"
    if dialect is Dialect.POSTGRES and (found := LakeType(column.type).decimal):
        expression = f"({expression})::numeric({found[0]},{found[1]})"  # CASE forgets precision and scale
    return replace(column, expression=expression, native=False, nullable=True, pad=None, policy="null")


def is_refused(column: LandedColumn, guard: str) -> bool:
    """Whether a value that the guard finds stops the run: no policy of the file answers it."""
    return not column.policy or (guard in GUARD_REASONS and guard not in SPECIAL)


def reason(column: LandedColumn, guard: str) -> str:
    """What a guard found, for messages."""
    if column.type in {"float", "double"}:
        return f"{SHORT[guard]}, which `special` refuses"
    return GUARD_REASONS[guard]


_DONE = {"null": "made null", "text": "carried as text", "trim": "trimmed", "quarantine": "quarantined"}


def announced(column: LandedColumn) -> str:
    """What a column's policy does, for the plan's notes."""
    what = " and ".join(SHORT[g] for g in column.guards if not is_refused(column, g))
    return f"column {column.column!r}: {what} will be {_DONE[column.policy]}, by declared policy"


def applied(plan: TablePlan, landed: LandedTable) -> Iterator[str]:
    """What declared policies did to values of a table at the cut, for those who sign; silent where they met none."""
    for column in plan.columns:
        if not column.policy:
            continue
        for guard in column.guards:
            count = landed.guards.get(guard_key(column, guard), 0)
            if count and not is_refused(column, guard):
                yield f"{plan.name}.{column.column}: {count} x {SHORT[guard]} {_DONE[column.policy]}"


def guard_key(column: LandedColumn, guard: str) -> str:
    """A guard's name in a manifest."""
    return f"{column.source} {guard}"
