"""The tables of docs/types.md, made of the rules and the examples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lakeward.domain.guards import GUARD_REASONS, SPECIAL
from lakeward.domain.postgres_examples import EXAMPLES, PRELUDE, Example, Value
from lakeward.domain.postgres_rules import HOW_SAYS, RULES, Rule

_SHOWN = 48
"""Longest value that is shown whole."""
_ESCAPES = str.maketrans({"\n": r"\n", "\t": r"\t"})


def types_page() -> str:
    """What becomes of every type, of values without a counterpart, and the examples that a test carries, as Markdown."""
    return "\n".join(
        [
            "## Types",
            "",
            *_table(("PostgreSQL", "Lake", "How", "May also be declared", "Remarks"), map(_rule, RULES)),
            "",
            "## Values without a counterpart",
            "",
            *_table(("Columns", "Values", "Without a policy"), _special()),
            "",
            "## Examples",
            "",
            "```sql",
            PRELUDE,
            "```",
            "",
            *_table(("PostgreSQL", "In the file", "Iceberg", "Values", "In the lake"), map(_example, EXAMPLES)),
            "",
        ]
    )


def _rule(rule: Rule) -> tuple[str, ...]:
    also = "" if rule.also == f"`{rule.lake}`" else rule.also
    return rule.types, f"`{rule.lake}`", HOW_SAYS[rule.how], also, rule.note


def _special() -> Iterator[tuple[str, ...]]:
    for guard in SPECIAL:
        rules = [rule for rule in RULES if guard in rule.special]
        floats = [rule.types for rule in rules if rule.lake in {"float", "double"}]
        others = [rule.types for rule in rules if rule.lake not in {"float", "double"}]
        if floats:
            yield ", ".join(floats), GUARD_REASONS[guard].split(",")[0], "carried as it is"
        yield ", ".join(others), GUARD_REASONS[guard].split(",")[0], "the run stops and tells how many there are"


def _example(example: Example) -> tuple[str, ...]:
    said = [f"{word}: {value}" for word, value in (("types", example.types), ("special", example.special)) if value]
    said += ["trim"] if example.trim else []
    iceberg = "string" if example.lake == "json" else example.lake
    sources = "<br>".join(_code(_source(value)) for value in example.values)
    same = all(isinstance(value, str) for value in example.values)
    lakes = "the same" if same else "<br>".join(_lake(value) for value in example.values)
    return f"`{example.declared}`", f"`{said[0]}`" if said else "", f"`{iceberg}`", sources, lakes


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
