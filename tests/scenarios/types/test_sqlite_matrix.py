"""Every value of SQLite's part of docs/types.md, from a real database through extract, flatten and append into a real lake, one by one."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from matrix import read, source_text, spec_of, wrong_values
from tests.chain import Chain
from tests.sources import count_of, failing, source_chain
from type_world import lake_types, land

from lakeward.domain.sqlite_examples import EXAMPLES
from lakeward.lab import Lab

LONGEST = max(len(e.values) for e in EXAMPLES)


def make(file: Path) -> None:
    with closing(sqlite3.connect(file)) as con:
        columns = ", ".join(f"c{n} {e.declared}" for n, e in enumerate(EXAMPLES))
        con.execute(f"CREATE TABLE every (id INTEGER PRIMARY KEY, {columns})")
        for row in range(LONGEST):
            values = [source_text(e.values[row]) if row < len(e.values) else "NULL" for e in EXAMPLES]
            con.execute(f"INSERT INTO every VALUES ({row}, {', '.join(values)})")
        con.commit()


@pytest.fixture(scope="module")
def chain(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Chain:
    home = tmp_path_factory.mktemp("sqlite")
    make(home / "every.db")
    figures = [
        {"name": f"f{n}", "table": "every", "measure": f"sum(c{n})"}
        for n, e in enumerate(EXAMPLES)
        if e.lake.startswith("decimal")
    ]
    one = source_chain(
        home,
        "sqlite",
        {"conn_type": "sqlite", "host": str(home / "every.db")},
        [{"table": "every", **spec_of(EXAMPLES)}],
        [count_of("every"), *figures],
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
    assert found == {"id": "long"} | {f"c{n}": names.get(e.lake, e.lake) for n, e in enumerate(EXAMPLES)}


def test_figures_and_rows_are_equal(chain: Chain) -> None:
    assert failing(chain.step("compare")["g"]) == {}
