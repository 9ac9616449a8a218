"""The tables of docs/types.md, made of the rules and the examples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from lakeward.domain import (
    duck_examples,
    duck_rules,
    mariadb_examples,
    mariadb_rules,
    postgres_examples,
    postgres_rules,
    sqlite_examples,
    sqlite_rules,
)
from lakeward.domain.examples import Example, Value
from lakeward.domain.guards import GUARD_REASONS, SPECIAL
from lakeward.domain.type_rules import HOW_SAYS, Rule

_SHOWN = 48
"""Longest value that is shown whole."""
_ESCAPES = str.maketrans({"\n": r"\n", "\t": r"\t"})


def types_page() -> str:
    """What becomes of every type, of values without a counterpart, and the examples that a test carries, as Markdown."""
    return "\n".join(
        [
            *_system("PostgreSQL", "", postgres_rules.RULES, postgres_examples.PRELUDE, postgres_examples.EXAMPLES),
            *_system("MariaDB", "MariaDB: ", mariadb_rules.RULES, "", mariadb_examples.EXAMPLES),
            *_system("DuckDB", "DuckDB: ", duck_rules.RULES, duck_examples.PRELUDE, duck_examples.EXAMPLES),
            *_system("SQLite", "SQLite: ", sqlite_rules.RULES, "", sqlite_examples.EXAMPLES),
        ]
    )


def _system(name: str, mark: str, rules: Sequence[Rule], prelude: str, examples: Sequence[Example]) -> Iterator[str]:
    yield from (f"## {mark}{'types' if mark else 'Types'}", "")
    yield from _table((name, "Lake", "How", "May also be declared", "Remarks"), map(_rule, rules))
    yield from ("", f"## {mark}{'values' if mark else 'Values'} without a counterpart", "")
    yield from _table(("Columns", "Values", "Without a policy"), _special(rules))
    yield from ("", f"## {mark}{'examples' if mark else 'Examples'}", "")
    if prelude:
        yield from ("```sql", prelude, "```", "")
    yield from _table((name, "In the file", "Iceberg", "Values", "In the lake"), map(_example, examples))
    yield ""


def _rule(rule: Rule) -> tuple[str, ...]:
    also = "" if rule.also == f"`{rule.lake}`" else rule.also
    return rule.types, f"`{rule.lake}`", HOW_SAYS[rule.how], also, rule.note


def _special(all_rules: Sequence[Rule]) -> Iterator[tuple[str, ...]]:
    for guard in SPECIAL:
        rules = [rule for rule in all_rules if guard in rule.special]
        floats = [rule.types for rule in rules if rule.lake in {"float", "double"}]
        others = [rule.types for rule in rules if rule.lake not in {"float", "double"}]
        if floats:
            yield ", ".join(floats), GUARD_REASONS[guard].split(",")[0], "carried as it is"
        if others:
            done = "the row is quarantined" if guard == "unread" else "the run stops and tells how many there are"
            yield ", ".join(others), GUARD_REASONS[guard].split(",")[0], done


def _example(example: Example) -> tuple[str, ...]:
    said = [f"{word}: {value}" for word, value in (("types", example.types), ("special", example.special)) if value]
    said += ["trim"] if example.trim else []
    iceberg = "string" if example.lake == "json" else example.lake
    sources = "<br>".join(_code(_source(value)) for value in example.values)
    same = all(isinstance(value, str) for value in example.values)
    lakes = "the same" if same else "<br>".join(_lake(value) for value in example.values)
    return (
        f"`{example.declared}`" if example.declared else "no type",
        f"`{said[0]}`" if said else "",
        f"`{iceberg}`",
        sources,
        lakes,
    )


def _source(value: Value) -> str:
    return value if isinstance(value, str) else value[0]


def _lake(value: Value) -> str:
    if isinstance(value, str):
        return "the same"
    return "null" if value[1] is None else _code(value[1])


def _code(value: str) -> str:
    """A value in backticks; line breaks and tabs are written as escapes, long ones are cut."""
    shown = value if len(value) <= _SHOWN else f"{value[:20]}…{value[-20:]} ({len(value)} characters)"
    return f"`{shown.translate(_ESCAPES)}`" if shown else "(empty)"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"
