"""Every value of docs/types.md, from a real PostgreSQL through extract, flatten and append into a real lake, one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import psycopg
import pytest
from matrix import read, source_text, spec_of, value_of, wrong_values
from tests.chain import Chain
from tests.databases import create_database
from type_world import chain_of, count_of, lake_types, land

from lakeward.adapters.connections import Connection
from lakeward.adapters.postgres.session import Session
from lakeward.domain.evidence import Outcome
from lakeward.domain.examples import Example
from lakeward.domain.postgres_examples import EXAMPLES, PRELUDE
from lakeward.domain.sql import text
from lakeward.lab import Lab
from lakeward.steps.artifacts import read_plan

NATIVE = {"int", "long", "float", "double", "boolean", "binary", "uuid", "date", "timestamp", "timestamptz", "time"}
UNSTORED = {"bpchar", "vector(3)"}
"""Types whose domains are something else, or that are no base type of a domain here."""
LONGEST = max(len(e.values) for e in EXAMPLES)


def typed(example: Example, value: str, declared: str) -> str:
    """A value as SQL; a server without libxml takes no xml but as bytes."""
    if example.declared == "xml":
        return f"convert_to({text(value)}, 'UTF8')::xml"
    return f"{text(value)}::{declared}"


@dataclass(frozen=True)
class Table:
    """A table with a column for each example, and a row for each of their values."""

    name: str
    examples: Sequence[Example]
    domains: bool = False

    def statements(self) -> Iterator[str]:
        declared = [e.declared for e in self.examples]
        if self.domains:
            yield from (f"CREATE DOMAIN {self.name}_{n} AS {kind};" for n, kind in enumerate(declared))
            declared = [f"{self.name}_{n}" for n in range(len(declared))]
        columns = ", ".join(f"c{n} {kind}" for n, kind in enumerate(declared))
        yield f"CREATE TABLE {self.name} (id int PRIMARY KEY, {columns});"
        for row in range(LONGEST):
            values = [
                typed(e, source_text(e.values[row]), e.declared) if row < len(e.values) else "NULL"
                for e in self.examples
            ]
            yield f"INSERT INTO {self.name} VALUES ({row}, {', '.join(values)});"

    def spec(self) -> dict[str, object]:
        return {"table": f"public.{self.name}", **spec_of(self.examples)}


def scanned(example: Example) -> bool:
    """Whether the fast scanner is to read it."""
    plain = example.declared.split("(")[0] in {"text", "varchar", "char", "numeric", "mood", "json", "jsonb"}
    usual = example.declared not in {"numeric(5,-2)", "numeric(3,5)", "money", "oid"}
    asked = example.types or example.special or example.trim
    return not asked and usual and (plain or example.lake in NATIVE) and "[" not in example.declared


FIGURES = (
    ("money", "sum"),
    ("numeric(5,-2)", "sum"),
    ("numeric(3,5)", "sum"),
    ("numeric(38,38)", "min"),
    ("oid", "sum"),
    ("interval", "count_distinct"),
    ("inet", "max"),
    ("int4range", "min"),
    ("char(4)", "count_distinct"),
    ("vector(3)", "count"),
    ("timetz", "count_distinct"),
)
"""Types that figures are reckoned over, and how."""

TABLES = {
    "every": Table("every", EXAMPLES),
    "scanned": Table("scanned", [e for e in EXAMPLES if scanned(e)]),
    "domains": Table("domains", [e for e in EXAMPLES if e.declared not in UNSTORED], domains=True),
}


@pytest.fixture(scope="module")
def uri(lab: Lab) -> str:
    statements = [s for table in TABLES.values() for s in table.statements()]
    return create_database(lab, "\n".join([PRELUDE, "CREATE CAST (bytea AS xml) WITHOUT FUNCTION;", *statements]))


def figures() -> Iterator[dict[str, object]]:
    """Figures over columns of domains, where they can be, by a text that is a dimension."""
    for n, (declared, function) in enumerate(FIGURES):
        table = "every" if declared in UNSTORED else "domains"
        columns = {e.declared: f"c{n}" for n, e in reversed(list(enumerate(TABLES[table].examples)))}
        measure = f"{function}({columns[declared]})"
        yield {"name": f"f{n}", "table": table, "measure": measure, "dimensions": [columns["cidr"]]}


@pytest.fixture(scope="module")
def chain(uri: str, tmp_path_factory: pytest.TempPathFactory) -> Chain:
    specs = [table.spec() for table in TABLES.values()]
    one = chain_of(uri, tmp_path_factory.mktemp("types"), specs, [count_of("every"), *figures()])
    land(one)
    return one


def own_text(uri: str, table: Table) -> list[tuple[str | None, ...]]:
    """Every value as the server's output functions write it, under the settings that lakeward pins."""
    parts = psycopg.conninfo.conninfo_to_dict(uri)
    session = Session(
        Connection(
            "x",
            "postgres",
            host=str(parts["host"]),
            port=int(str(parts["port"])),
            login=str(parts["user"]),
            password=str(parts["password"]),
            schema=str(parts["dbname"]),
        )
    )
    columns = ", ".join(
        f"CASE WHEN c{n} IS DISTINCT FROM NULL THEN format('%s', c{n}) END" for n in range(len(table.examples))
    )
    with session.connect() as con:
        return con.execute(f"SELECT {columns} FROM {table.name} ORDER BY id".encode()).fetchall()


@pytest.mark.parametrize("name", TABLES)
def test_the_lake_holds_every_value(chain: Chain, uri: str, name: str) -> None:
    table = TABLES[name]
    rows, texts = read(chain, name, table.examples), own_text(uri, table)
    assert len(rows) == LONGEST
    wrong = list(wrong_values(rows, table.examples))
    for n, example in enumerate(table.examples):
        for row, value in enumerate(example.values):
            if isinstance(value, str) and example.lake != "json":
                own, found = texts[row][n], rows[row][f"c{n}"]
                if value_of(example.lake, found) != value_of(example.lake, own):
                    wrong.append((example.declared, "source says", own, found))
    assert not wrong


def test_the_text_in_the_lake_gives_the_value_again(chain: Chain, uri: str) -> None:
    rows = read(chain, "every", EXAMPLES)
    asked = [(n, e) for n, e in enumerate(EXAMPLES) if e.lake == "string" and e.declared != "xml" and not e.trim]
    with psycopg.connect(uri) as con:
        for n, example in asked:
            for row, _ in enumerate(example.values):
                sql = f"SELECT format('%s', c{n}) = format('%s', %s::text::{example.declared}) FROM every WHERE id = {row}"
                found = con.execute(sql.replace("'%s'", "'%%s'").encode(), [rows[row][f"c{n}"]]).fetchone()
                assert found == (True,), (example.declared, rows[row][f"c{n}"])


@pytest.mark.parametrize("name", TABLES)
def test_the_lake_has_the_types(chain: Chain, name: str) -> None:
    names = {"json": "string"}
    found = {column: kind.replace(" ", "") for column, kind in lake_types(chain, name).items()}
    expected = {f"c{n}": names.get(e.lake, e.lake) for n, e in enumerate(TABLES[name].examples)}
    assert found == {"id": "int"} | expected


def test_the_fast_scanner_reads_what_it_reads_exactly(chain: Chain) -> None:
    with chain.ports() as ports:
        plan = read_plan(ports.store, chain.loaded.spec.migration, chain.run_key)
    assert {t.table: t.scan for t in plan.groups[0].tables} == {"every": False, "scanned": True, "domains": False}


def test_figures_over_them_are_equal(chain: Chain) -> None:
    verdicts = chain.step("compare")["g"]
    assert isinstance(verdicts, tuple)
    assert {v.subject: v.summary for v in verdicts if v.outcome is not Outcome.PASS} == {}
    assert {v.subject for v in verdicts if v.kind != "rows"} == {
        "g",
        "every_rows",
        *(str(f["name"]) for f in figures()),
    }
    assert {v.subject for v in verdicts if v.kind == "rows"} == set(TABLES)
