"""Every value of MariaDB's part of docs/types.md, from a real server through extract, flatten and append into a real lake, one by one."""

from __future__ import annotations

import pytest
from matrix import read, source_text, spec_of, wrong_values
from tests.chain import Chain
from tests.maria import made, reader
from tests.sources import count_of, failing, source_chain
from type_world import lake_types, land

from lakeward.domain.mariadb_examples import EXAMPLES
from lakeward.domain.mariadb_rules import RULES
from lakeward.lab import Lab
from lakeward.lab.mariadb import Server

LONGEST = max(len(e.values) for e in EXAMPLES)
NATURAL = [e for e in EXAMPLES if not e.types and not e.special]


def statements() -> list[str]:
    columns = ", ".join(f"c{n} {e.declared}" for n, e in enumerate(EXAMPLES))
    found = [f"CREATE TABLE every (id INT PRIMARY KEY, {columns}) CHARACTER SET utf8mb4"]
    for row in range(LONGEST):
        values = [source_text(e.values[row]) if row < len(e.values) else "NULL" for e in EXAMPLES]
        found.append(f"INSERT INTO every VALUES ({row}, {', '.join(values)})")
    return found


@pytest.fixture(scope="module")
def chain(lab: Lab, maria: Server, tmp_path_factory: pytest.TempPathFactory) -> Chain:
    database = made(maria, *statements())
    figures = [
        {
            "name": f"f{n}",
            "table": "every",
            "measure": f"{'sum' if e.lake[:3] in {'int', 'lon', 'dec'} else 'count'}(c{n})",
        }
        for n, e in enumerate(EXAMPLES)
        if e.lake != "binary" and e.declared != "decimal(30,30)"
    ]
    dated = [
        {"name": f"d{n}", "table": "every", "measure": "count()", "date": f"c{n}", "grains": ["month"]}
        for n, e in enumerate(EXAMPLES)
        if e.lake in {"date", "timestamp", "timestamptz"}
    ]
    one = source_chain(
        tmp_path_factory.mktemp("mariadb"),
        "mariadb",
        reader(maria, database),
        [{"table": f"{database}.every", **spec_of(EXAMPLES)}],
        [count_of("every"), *figures, *dated],
        calendar={"time_zone": "Europe/Zurich"},
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
    assert failing(chain.step("compare")["g"]) == {}


def test_every_type_has_an_example() -> None:
    named = {e.declared.split("(")[0].split(" ")[0] for e in NATURAL}
    bases = {base.removeprefix("mariadb ").split(" ")[0] for rule in RULES for base in rule.bases}
    assert bases - named == set()
