"""Record rules: those that follow from a table's shape, what a rule may say, and how it reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from difflib import get_close_matches
from typing import TypeGuard

from lakeward.domain.expectations import MOMENTS, NUMBERS, PERMITTED, TEXTS, Kind, Permitted
from lakeward.domain.facts import LakeTable, ReferencePlan
from lakeward.domain.regex import regex_fault
from lakeward.spec.rules import Rule
from lakeward.spec.scalars import Scalar

Value = Scalar | tuple[Scalar, ...] | None


def derive_rules(table: LakeTable, references: Sequence[ReferencePlan] = ()) -> tuple[Rule, ...]:
    """Rules that follow from keys, not-null columns, positions, and a child's way to its parent.

    That a reference names an existing row is no rule of this form: it is put to two tables, and the validator compiles it.
    """
    parents = [c for r in references if r.table == table.name and r.origin == "parent" for c in r.columns]
    filled = dict.fromkeys((c.name for c in table.columns if c.required), "not null at the source")
    filled = dict.fromkeys(table.key, "the key") | dict.fromkeys(parents, "names its parent") | filled
    rules = [_rule("expect_column_values_to_not_be_null", why, column=name) for name, why in filled.items()]
    if key := _identity(table):
        rules.insert(0, _unique(key))
    places = [c.name for c in table.columns if c.role == "position"]
    between = "expect_column_values_to_be_between"
    return (*rules, *(_rule(between, "positions begin at 0", column=name, min_value=0) for name in places))


def all_rules(table: LakeTable, references: Sequence[ReferencePlan] = ()) -> tuple[Rule, ...]:
    """The derived rules, then the file's; one that the file writes itself stands instead of the derived one."""
    written = [(rule.expect, rule.args) for rule in table.rules]
    derived = (rule for rule in derive_rules(table, references) if (rule.expect, rule.args) not in written)
    return (*derived, *table.rules)


def check_rule(rule: Rule, table: LakeTable) -> None:
    """ValueError when the rule is unknown, lacks an argument, names a missing column, or does not suit its type."""
    permitted = PERMITTED.get(rule.expect)
    if permitted is None:
        raise ValueError(_unknown("expectation", rule.expect, PERMITTED))
    kinds = {**permitted.required, **permitted.optional}
    for name in rule.args:
        if name not in kinds:
            raise ValueError(f"{rule.expect}: {_unknown('argument', name, kinds)}")
    for name in permitted.required:
        if rule.args.get(name) is None:
            raise ValueError(f"{rule.expect}: the argument {name!r} ({permitted.required[name]}) is missing")
    columns = rule_columns(rule)
    for name in columns:
        _check_column(rule, permitted, table, name)
    try:
        bounds = exact_args(rule, table)
    except ValueError as error:
        raise ValueError(f"{rule.expect}{f' on {columns[0]}' if columns else ''}: {error}") from error
    _check_bounds(rule.expect, permitted, bounds)


def rule_columns(rule: Rule, *arguments: str) -> tuple[str, ...]:
    """The columns that a rule names, in some of its arguments or all."""
    names: list[str] = []
    for argument in arguments or ("column", "column_A", "column_B", "column_list"):
        value = rule.args.get(argument)
        names += [str(v) for v in value] if isinstance(value, tuple) else [str(value)] if value is not None else []
    return tuple(names)


def exact_args(rule: Rule, table: LakeTable) -> dict[str, Value]:
    """The arguments as values that compare exactly with the column's own; ValueError when one is of another kind."""
    permitted = PERMITTED[rule.expect]
    kinds = {**permitted.required, **permitted.optional}
    names = rule_columns(rule)
    base = _base(table.column(names[0]).type) if names else ""
    return {name: _exact(kinds[name], value, base, name) for name, value in rule.args.items() if value is not None}


def describe(rule: Rule) -> str:
    """The rule as a sentence for people who sign."""
    permitted = PERMITTED[rule.expect]
    words = {name: _spell(value) for name, value in rule.args.items() if value is not None}
    share = f", for {words['mostly']} of the rows at least" if "mostly" in words else ""
    said = permitted.says.format_map({**words, "range": _range(rule.args)})
    if rule.args.get("or_equal"):
        said = said.replace("is greater than", "is not less than")
    return said + share


def describe_reference(columns: Sequence[str], to: str, to_columns: Sequence[str]) -> str:
    """A reference as a sentence."""
    return f"{', '.join(columns)} names a row of {to} ({', '.join(to_columns)})"


def _rule(expect: str, why: str, **args: Value) -> Rule:
    return Rule(expect=expect, args=args, severity="fail", why=why)


def _identity(table: LakeTable) -> tuple[str, ...]:
    """The columns that tell rows apart: the key, or in a child table the parent's key and the place in it."""
    if table.key or table.kind == "main":
        return table.key
    parents = tuple(c.name for c in table.columns if c.role == "parent")
    places = tuple(c.name for c in table.columns if c.role in {"position", "key"})
    return (*parents, *places) if parents else ()


def _unique(key: tuple[str, ...]) -> Rule:
    if len(key) == 1:
        return _rule("expect_column_values_to_be_unique", "the key", column=key[0])
    return _rule("expect_compound_columns_to_be_unique", "the key", column_list=key)


def _check_column(rule: Rule, permitted: Permitted, table: LakeTable, name: str) -> None:
    names = [c.name for c in table.columns]
    if name not in names:
        raise ValueError(f"{rule.expect}: {_unknown('column', name, names)} of {table.name}")
    kind = table.column(name).type
    if _base(kind) not in permitted.columns:
        suits = ", ".join(sorted(permitted.columns))
        raise ValueError(f"{rule.expect}: {table.name}.{name} is of type {kind}; the rule suits {suits}")


def _check_bounds(expect: str, permitted: Permitted, args: Mapping[str, Value]) -> None:
    low, high = args.get("min_value"), args.get("max_value")
    if permitted.bounded and low is None and high is None:
        raise ValueError(f"{expect}: give min_value, max_value, or both")
    if low is not None and high is not None and low > high:  # type: ignore[operator]  # both are of the column's kind
        raise ValueError(f"{expect}: min_value {_spell(low)} is greater than max_value {_spell(high)}")


def _base(lake_type: str) -> str:
    return lake_type.split("(", 1)[0]


def _number(value: Value) -> TypeGuard[int | Decimal]:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return whole or (isinstance(value, Decimal) and value.is_finite())


def _exact(kind: Kind, value: Value, base: str, name: str) -> Value:
    if kind is Kind.VALUE:
        return _of_column(value, base, name)
    if kind is Kind.VALUES:
        if not isinstance(value, tuple) or not value:
            raise ValueError(argument_fault(kind, value, name))
        return tuple(_of_column(v, base, name) for v in value)
    if fault := argument_fault(kind, value, name):
        raise ValueError(fault)
    return value


def argument_fault(kind: Kind, value: Value, name: str, regex: Callable[[str], str] = regex_fault) -> str:
    """Why an argument is not of its kind, or nothing; values of a column's type are judged with the column."""
    if kind is Kind.VALUES and not (isinstance(value, tuple) and value):
        return f"{name} must be a list that is not empty"
    if kind not in {Kind.VALUE, Kind.VALUES} and not _fits(kind, value):
        return f"{name} must be {kind}, not {_spell(value)}"
    if kind is Kind.REGEX and (fault := regex(str(value))):
        return f"{name} must be a regular expression, not {value}: {fault}"
    return ""


def _fits(kind: Kind, value: Value) -> bool:
    match kind:
        case Kind.COLUMNS:
            fits = isinstance(value, tuple) and len(set(value)) >= 2 and all(isinstance(v, str) for v in value)
        case Kind.NUMBER:
            fits = _number(value)
        case Kind.COUNT:
            fits = _number(value) and isinstance(value, int) and value >= 0
        case Kind.SHARE:
            fits = _number(value) and 0 <= value <= 1
        case Kind.FLAG:
            fits = isinstance(value, bool)
        case _:
            fits = isinstance(value, str)
    return fits


def _of_column(value: Value, base: str, name: str) -> Scalar:
    """A value of the column's own kind; a date is midnight where the column holds instants."""
    if base in NUMBERS and _number(value):
        return value
    if base in {*TEXTS, "uuid"} and isinstance(value, str):
        return value
    if base == "boolean" and isinstance(value, bool):
        return value
    if base in MOMENTS and (moment := _moment(value, base)) is not None:
        return moment
    hint = {
        "timestamptz": "; write an instant with its offset, as 2024-01-31T00:00:00+00:00",
        "date": "; write a date without quotes, as 2024-01-31",
        "timestamp": "; write a date or a time without offset, as 2024-01-31T12:00:00",
    }.get(base, "")
    raise ValueError(f"{name} {_spell(value)!r} does not compare with a column of type {base}{hint}")


def _moment(value: Value, base: str) -> date | None:
    if base == "date":
        return value if isinstance(value, date) and not isinstance(value, datetime) else None
    if isinstance(value, date) and not isinstance(value, datetime) and base == "timestamp":
        return datetime(value.year, value.month, value.day)  # noqa: DTZ001 - the column has no zone either
    aware = isinstance(value, datetime) and value.tzinfo is not None
    return value if isinstance(value, datetime) and aware == (base == "timestamptz") else None


def _range(args: Mapping[str, Value]) -> str:
    low, high = args.get("min_value"), args.get("max_value")
    said = []
    if low is not None:
        said.append(f"{'above' if args.get('strict_min') else 'at least'} {_spell(low)}")
    if high is not None:
        said.append(f"{'below' if args.get('strict_max') else 'at most'} {_spell(high)}")
    return " and ".join(said)


def _spell(value: Value) -> str:
    match value:
        case tuple():
            return ", ".join(_spell(v) for v in value)
        case bool():
            return "true" if value else "false"
        case Decimal():
            return f"{value:f}"
        case _:
            return str(value)


def _unknown(what: str, name: str, known: Sequence[str] | Mapping[str, object]) -> str:
    close = get_close_matches(name, list(known), n=1)
    return f"there is no {what} {name!r}" + (f"; did you mean {close[0]!r}?" if close else "")
