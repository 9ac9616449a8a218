"""Every value of DuckDB's part of docs/types.md, from a real file through extract, flatten and append into a real lake, one by one."""

from __future__ import annotations

import duckdb
import pytest
from matrix import read, source_text, spec_of, wrong_values
from tests.chain import Chain
from tests.sources import count_of, failing, source_chain
from type_world import lake_types, land

from lakeward.domain.duck_examples import EXAMPLES, PRELUDE
from lakeward.domain.sql import text
from lakeward.lab import Lab

LONGEST = max(len(e.values) for e in EXAMPLES)
FIGURES = (
    ("DECIMAL(38,38)", "min"),
    ("HUGEINT", "max"),
    ("UBIGINT", "sum"),
    ("DECIMAL(12,4)", "sum"),
    ("DOUBLE", "count"),
    ("INTERVAL", "count_distinct"),
    ("TIMESTAMP WITH TIME ZONE", "max"),
)


def figures() -> list[dict[str, object]]:
    columns = {e.declared: f"c{n}" for n, e in reversed(list(enumerate(EXAMPLES)))}
    measures = [
        f"{function}({columns[declared]})"
        for declared, function in FIGURES
        if function != "max" or declared == "HUGEINT"
    ]
    return [
        {"name": f"f{n}", "table": "every", "measure": measure, "dimensions": [columns["mood"]]}
        for n, measure in enumerate(measures)
    ]


@pytest.fixture(scope="module")
def chain(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Chain:
    home = tmp_path_factory.mktemp("duck")
    file = home / "every.duckdb"
    with duckdb.connect(str(file)) as con:
        con.execute("SET TimeZone = 'UTC'")
        con.execute(PRELUDE)
        con.execute(
            f"CREATE TABLE every (id INTEGER PRIMARY KEY, {', '.join(f'c{n} {e.declared}' for n, e in enumerate(EXAMPLES))})"
        )
        for row in range(LONGEST):
            values = [
                f"{text(source_text(e.values[row]))}::{e.declared}" if row < len(e.values) else "NULL" for e in EXAMPLES
            ]
            con.execute(f"INSERT INTO every VALUES ({row}, {', '.join(values)})")
    one = source_chain(
        home,
        "duckdb",
        {"conn_type": "duckdb", "host": str(file)},
        [{"table": "every", **spec_of(EXAMPLES)}],
        [count_of("every"), *figures()],
    )
    land(one)
    return one


def test_the_lake_holds_every_value(chain: Chain) -> None:
    rows = read(chain, "every", EXAMPLES)
    assert len(rows) == LONGEST
    assert list(wrong_values(rows, EXAMPLES)) == []


def test_the_lake_has_the_types(chain: Chain) -> None:
    names = {"json": "string"}
    found = {column: kind.replace(" ", "") for column, kind in lake_types(chain, "every").items()}
    assert found == {"id": "int"} | {f"c{n}": names.get(e.lake, e.lake) for n, e in enumerate(EXAMPLES)}


def test_figures_and_rows_are_equal(chain: Chain) -> None:
    verdicts = chain.step("compare")["g"]
    assert failing(verdicts) == {}
    assert isinstance(verdicts, tuple)
    assert {v.subject for v in verdicts} == {"g", "every", "every_rows", *(str(f["name"]) for f in figures())}
