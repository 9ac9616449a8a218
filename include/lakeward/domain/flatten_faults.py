"""What may be wrong with a record, as SQL: the condition that shows it, and what to say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lakeward.domain.flatten_record import CONTAINERS, JSON, LIST, MAP, OBJECT, Path, Record, sql_list
from lakeward.domain.json_values import json_type_of
from lakeward.domain.oversize import is_cut_short
from lakeward.domain.sql import ident, text
from lakeward.spec.paths import format_path

_SHOWN = 40
_NAMES = {OBJECT: "an object", LIST: "a list", MAP: "an object"}
_NO_JSON = text(r"(?i)nan|inf|,\s*[\]}]")
_STRING = text(r'"(?:[^"\\]|\\.)*"')


@dataclass(frozen=True, slots=True)
class Fault:
    """A condition that is true for a record that does not fit, and SQL of the reason."""

    condition: str
    reason: str


def valid(column: str, form: str) -> str:
    """Whether a text is JSON. DuckDB takes NaN and trailing commas too, which can stand only in what PostgreSQL did not check."""
    if form == "jsonb":
        return f"{column} IS NOT NULL AND NOT {is_cut_short(column)}"
    if form == "json":
        return f"json_valid({column})"
    bare = f"regexp_replace({column}, {_STRING}, '\"\"', 'g')"
    lenient = f"regexp_matches({column}, {_NO_JSON}) AND regexp_matches({bare}, {_NO_JSON})"
    return f"(json_valid({column}) AND NOT ({lenient}))"


def faults(
    record: Record, where: str, *, repeated: bool, undeclared: bool, read: Mapping[Path, str] | None = None
) -> list[Fault]:
    """Everything that may be wrong inside a record that is JSON, in declared order.

    :param where: SQL of the record's own place, put before its paths; empty for a whole column.
    :param repeated: keys may stand twice.
    :param undeclared: keys that nothing declares are faults.
    :param read: SQL of values that were read already; the others are read here.
    """
    read = read or {}
    found = [
        _misfit(record, path, kind, where, read.get(path) or _value_of(record, path, kind))
        for path, kind in record.entries
        if kind != JSON
    ]
    for level, declared in record.levels.items():
        if repeated:
            found.append(_repeated(record, level, where))
        if undeclared:
            found.append(_undeclared(record, level, declared, where))
    found += [_repeated(record, path, where) for path in record.paths(MAP) if repeated]
    return found


def _value_of(record: Record, path: Path, kind: str) -> str:
    return "" if kind in CONTAINERS or json_type_of(kind) else record.value(path)


def _misfit(record: Record, path: Path, kind: str, where: str, value: str) -> Fault:
    seen, label = record.type(path), _label(path, where)
    if kind in CONTAINERS:
        condition = f"{seen} NOT IN ('{CONTAINERS[kind]}', 'NULL')"
        return Fault(condition, f"{label} || {text(f': expected {_NAMES[kind]}, found ')} || {_found(seen, None)}")
    only = json_type_of(kind)
    condition = f"{seen} NOT IN ('{only}', 'NULL')" if only else f"{seen} <> 'NULL' AND ({value}) IS NULL"
    return Fault(condition, f"{label} || {text(f': expected {kind}, found ')} || {_found(seen, record.shown(path))}")


def _repeated(record: Record, path: Path, where: str) -> Fault:
    keys = record.keys(path)
    key = f"list_filter({keys}, lambda x: len(list_filter({keys}, lambda y: y = x)) > 1)[1]"
    return Fault(
        f"len(list_distinct({keys})) < len({keys})",
        f"{_label(path, where)} || ': the key ' || {_shown(key)} || ' stands twice'",
    )


def _undeclared(record: Record, path: Path, declared: Sequence[str], where: str) -> Fault:
    keys = record.keys(path)
    known = sql_list(declared) + "::VARCHAR[]"
    key = f"list_filter({keys}, lambda x: NOT list_contains({known}, x))[1]"
    return Fault(
        f"NOT list_has_all({known}, {keys})", f"{_label(path, where)} || ': no field names the key ' || {_shown(key)}"
    )


def _label(path: Path, where: str) -> str:
    if not where:
        return text(format_path(path))
    return f"{where} || {text('.' + format_path(path))}" if path else where


def _shown(string: str) -> str:
    return f"'\"' || left({string}, {_SHOWN}) || '\"'"


def _found(json_type: str, string: str | None) -> str:
    shown = {"VARCHAR": "'a string'", "BOOLEAN": "'a boolean'", "number": "'a number'"}
    if string:
        shown = {
            "VARCHAR": f"'the string ' || {_shown(string)}",
            "BOOLEAN": string,
            "number": f"'the number ' || left(ltrim({string}, chr(1)), {_SHOWN})",
        }
    return (
        f"CASE {json_type} WHEN 'OBJECT' THEN 'an object' WHEN 'ARRAY' THEN 'a list' WHEN 'VARCHAR' THEN {shown['VARCHAR']} "
        f"WHEN 'BOOLEAN' THEN {shown['BOOLEAN']} ELSE {shown['number']} END"
    )


def first_fault(rows: str, found: Sequence[Fault], column: str, order: str) -> str:
    """The rows of a query that have a fault: their id, ``column``, the first fault's reason, and ``order`` SQL to choose one by.

    The list that is unnested keeps DuckDB from computing the faults once for each condition, as a filter would.
    """
    cases = " ".join(f"WHEN {fault.condition} THEN {n}" for n, fault in enumerate(found))
    marked = f"SELECT *, CASE {cases} END AS {ident('#fault')} FROM ({rows})"
    only = f"SELECT * REPLACE (unnest(CASE WHEN {ident('#fault')} IS NULL THEN [] ELSE [{ident('#fault')}] END) AS {ident('#fault')}) FROM ({marked})"
    reasons = " ".join(f"WHEN {n} THEN {fault.reason}" for n, fault in enumerate(found))
    return (
        f"SELECT {ident('#file')}, {ident('#row')}, {text(column)} AS column_name, "
        f"{text(column + ': ')} || CASE {ident('#fault')} {reasons} END AS reason, {order} AS {ident('#order')} FROM ({only})"
    )
