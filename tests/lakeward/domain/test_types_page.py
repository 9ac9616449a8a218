"""docs/types.md is what the rules and the examples say, and the examples leave no rule out."""

from __future__ import annotations

from pathlib import Path

import pytest

from lakeward.domain.postgres_examples import EXAMPLES
from lakeward.domain.postgres_rules import RULES
from lakeward.domain.type_rules import Rule
from lakeward.domain.types_page import types_page

PAGE = Path(__file__).parents[3] / "docs" / "types.md"
MARK = "<!-- From here on made by `lakeward schema --types`. -->\n\n"
SPELLED = {
    "int2": "smallint",
    "int4": "integer",
    "int8": "bigint",
    "float4": "real",
    "float8": "double precision",
    "bool": "boolean",
} | {
    "varbit": "bit varying",
    "bpchar": "char",
}


def test_the_page_is_current() -> None:
    assert PAGE.read_text().partition(MARK)[2] == types_page(), (
        "write what `lakeward schema --types` prints below the mark"
    )


def declared(example: str) -> str:
    return example.split("(", maxsplit=1)[0].strip('"')


@pytest.mark.parametrize("rule", [r for r in RULES if r.bases], ids=lambda r: r.types)
def test_every_rule_has_an_example(rule: Rule) -> None:
    names = {SPELLED.get(base, base) for base in rule.bases}
    assert names & {declared(e.declared) for e in EXAMPLES}


@pytest.mark.parametrize("guard", ["nan", "infinity", "far", "time24", "bounds"])
def test_every_policy_has_an_example(guard: str) -> None:
    named = {SPELLED.get(b, b) for rule in RULES if guard in rule.special for b in rule.bases} | {"integer[]"}
    asked = {e.special for e in EXAMPLES if declared(e.declared) in named}
    assert {"null", "text"} <= asked
