"""The reference and the schema in docs/ are those of the models."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lakeward.domain.expectations import PERMITTED
from lakeward.spec.reference import json_schema, reference

DOCS = Path(__file__).parents[3] / "docs"
MARK = "<!-- From here on made by `lakeward schema --markdown`. -->\n\n"


def test_the_reference_is_current() -> None:
    page = (DOCS / "migration-file.md").read_text()
    assert page.partition(MARK)[2] == reference(), "write what `lakeward schema --markdown` prints below the mark"


def test_the_schema_is_current() -> None:
    kept = json.loads((DOCS / "migration-file.schema.json").read_text())
    assert kept == json.loads(json.dumps(json_schema())), "write what `lakeward schema` prints"
    assert kept["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_every_key_is_explained() -> None:
    rows = [line for line in reference().splitlines() if line.startswith("| `")]
    assert len(rows) > 70
    assert not [row for row in rows if row.endswith("|  |")]


@pytest.mark.parametrize("name", PERMITTED)
def test_every_expectation_is_listed_with_its_arguments(name: str) -> None:
    row = next(
        line for line in (DOCS / "migration-file.md").read_text().splitlines() if line.startswith(f"| `{name}` |")
    )
    permitted = PERMITTED[name]
    assert all(f"`{argument}`" in row for argument in permitted.required)
    assert all(f"`{argument}`?" in row for argument in permitted.optional)
