"""Tables of every kind and columns of every name through the whole chain, figures equal."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from tests.databases import create_database
from type_world import chain_of, count_of, lake_rows, lake_types, land, prove

from lakeward.domain.evidence import Outcome
from lakeward.errors import SourceError, SpecError
from lakeward.lab import Lab
from lakeward.steps.artifacts import read_plan

NAMES = (
    "select",
    "two words",
    "it's",
    'a "quoted" one',
    "Grüße 𝔘",
    "100%",
    "%s",
    "a.b",
    "$1",
    "a,b",
    "x:y",
    "[z]",
    "{0}",
    "back\\slash",
    "#file",
    "?",
)


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def test_columns_of_any_name(lab: Lab, tmp_path: Path) -> None:
    columns = ", ".join(f"{quoted(n)} numeric(9,2) NOT NULL" for n in NAMES)
    uri = create_database(
        lab,
        f"CREATE TABLE names (id int PRIMARY KEY, {columns});"
        f"INSERT INTO names SELECT n, {', '.join(f'n + {k}.25' for k, _ in enumerate(NAMES))} FROM generate_series(1, 3) n",
    )
    figures = [{"name": f"f{k}", "table": "names", "measure": f"sum({quoted(n)})"} for k, n in enumerate(NAMES)]
    chain = chain_of(uri, tmp_path, [{"table": "names", "sort": ["two words"]}], figures)
    verdicts = chain.run()["g"]
    assert isinstance(verdicts, tuple)
    assert {v.subject: v.outcome for v in verdicts} == {
        **{f"f{k}": Outcome.PASS for k, _ in enumerate(NAMES)},
        "names": Outcome.PASS,
        "g": Outcome.PASS,
    }
    first = lake_rows(chain, "names")[0]
    assert first == {"id": 1} | {n: Decimal(f"{k + 1}.25") for k, n in enumerate(NAMES)}


CLASHES = """
CREATE TABLE clash ("Id" int, id int PRIMARY KEY, "ID" numeric(9,2), doc jsonb, "DOC" jsonb);
INSERT INTO clash VALUES (10, 1, 1.10, '{"a": 1}', '{"b": 2.5}'), (20, 2, 2.20, NULL, NULL);
CREATE TABLE child (id int PRIMARY KEY, of int REFERENCES clash (id)); INSERT INTO child VALUES (1, 2);
"""


def test_names_that_differ_by_case_alone_are_told_apart_by_rename(lab: Lab, tmp_path: Path) -> None:
    uri = create_database(lab, CLASHES)
    clash: dict[str, object] = {
        "table": "clash",
        "rename": {"Id": "old_id", "ID": "amount"},
        "flatten": [
            {"column": "doc", "fields": {"a": "int"}},
            {"column": "DOC", "prefix": "big_", "fields": {"b": "decimal(5,2)"}, "undeclared": "ignore"},
        ],
        "filter": [{"column": "Id", "op": ">", "value": 0}],
    }
    figures: list[dict[str, object]] = [
        {"name": "amounts", "table": "clash", "measure": "sum(amount * old_id)", "dimensions": ["id"]},
        {"name": "inside", "table": "clash", "measure": "sum(big_b + doc_a)"},
    ]
    with pytest.raises(SpecError, match="doc_shape"):  # both columns would have it
        chain_of(uri, tmp_path, [clash, {"table": "child"}], figures).plan()
    clash["flatten"] = [{"column": "DOC", "prefix": "big_", "fields": {"b": "decimal(5,2)"}}]
    clash["drop"] = ["doc"]
    figures[1]["measure"] = "sum(big_b)"
    chain = chain_of(uri, tmp_path, [clash, {"table": "child"}], figures)
    assert {v.outcome for v in prove(chain)} == {Outcome.PASS}
    found = [[row[c] for c in ("id", "old_id", "amount", "big_b")] for row in lake_rows(chain, "clash")]
    assert found == [[1, 10, Decimal("1.10"), Decimal("2.50")], [2, 20, Decimal("2.20"), None]]
    with chain.ports() as ports:
        plan = read_plan(ports.store, chain.loaded.spec.migration, chain.run_key)
    assert [(r.table, r.columns, r.to, r.to_columns) for r in plan.groups[0].references] == [
        ("child", ("of",), "clash", ("id",))
    ]


def test_names_that_differ_by_case_alone_are_refused_without_rename(lab: Lab, tmp_path: Path) -> None:
    uri = create_database(lab, CLASHES)
    with pytest.raises(SpecError) as error:
        chain_of(uri, tmp_path, [{"table": "clash", "rename": {"ID": "amount"}}], [count_of("clash")]).plan()
    assert "'Id' and 'id' and 'ID' differ by case alone" in str(error.value)
    assert "rename" in str(error.value)


KINDS = """
CREATE TABLE parent (id int PRIMARY KEY, v numeric(9,2)); CREATE TABLE child (own text) INHERITS (parent);
CREATE TABLE grandchild () INHERITS (child); CREATE SCHEMA away; CREATE TABLE away.other () INHERITS (parent);
INSERT INTO parent VALUES (1, 1.00); INSERT INTO child VALUES (2, 2.00, 'x'); INSERT INTO grandchild VALUES (3, 3.00, 'y');
INSERT INTO away.other VALUES (4, 4.00);
CREATE TABLE parted (id int, part int, v numeric(9,2), PRIMARY KEY (id, part)) PARTITION BY LIST (part);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1); CREATE TABLE parted_2 PARTITION OF parted FOR VALUES IN (2) PARTITION BY RANGE (id);
CREATE TABLE parted_2_1 PARTITION OF parted_2 FOR VALUES FROM (0) TO (100); INSERT INTO parted SELECT n, 1 + n % 2, n FROM generate_series(1, 9) n;
CREATE VIEW seen AS SELECT id, v FROM parted WHERE part = 1; CREATE MATERIALIZED VIEW kept AS SELECT * FROM seen;
CREATE TABLE made (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v numeric(9,2), twice numeric(9,2) GENERATED ALWAYS AS (v * 2) STORED,
  thrice numeric(9,2) GENERATED ALWAYS AS (v * 3) VIRTUAL, by_default bigint GENERATED BY DEFAULT AS IDENTITY);
INSERT INTO made (v) VALUES (1.10), (2.20);
"""


def test_tables_of_every_kind_by_a_glob_no_row_twice(lab: Lab, tmp_path: Path) -> None:
    uri = create_database(lab, KINDS)
    counts = {"parent": 4, "parted": 9, "seen": 4, "kept": 4, "made": 2}
    figures = [{"name": name, "table": name, "measure": "sum(v)"} for name in counts]
    chain = chain_of(uri, tmp_path, [{"table": "public.*"}, {"table": "away.*"}], figures)
    assert {v.outcome for v in prove(chain)} == {Outcome.PASS}
    assert {name: len(lake_rows(chain, name)) for name in counts} == counts
    with chain.ports() as ports:
        plan = read_plan(ports.store, chain.loaded.spec.migration, chain.run_key)
    assert {t.table for t in plan.groups[0].tables} == set(counts)
    assert any("public.parent brings along the rows" in note for note in plan.notes)
    assert lake_rows(chain, "made")[1] == {
        "id": 2,
        "v": Decimal("2.20"),
        "twice": Decimal("4.40"),
        "thrice": Decimal("6.60"),
        "by_default": 2,
    }


def test_a_child_that_is_named_besides_has_its_own_columns(lab: Lab, tmp_path: Path) -> None:
    uri = create_database(lab, KINDS)
    chain = chain_of(uri, tmp_path, [{"table": "public.p*nt"}, {"table": "child", "key": ["id"]}], [count_of("child")])
    land(chain)
    assert [row["own"] for row in lake_rows(chain, "child")] == ["x", "y"]
    with chain.ports() as ports:
        plan = read_plan(ports.store, chain.loaded.spec.migration, chain.run_key)
    assert "the rows of public.child are also among those of public.parent, from which it inherits" in plan.notes


def test_a_partition_that_is_named_is_carried_by_itself(lab: Lab, tmp_path: Path) -> None:
    uri = create_database(lab, KINDS)
    figures = [{"name": name, "table": name, "measure": "sum(v)"} for name in ("parted_1", "parted_2")]
    chain = chain_of(uri, tmp_path, [{"table": "parted_1"}, {"table": "public.parted_2"}], figures)
    assert {v.outcome for v in prove(chain)} == {Outcome.PASS}
    assert [len(lake_rows(chain, name)) for name in ("parted_1", "parted_2")] == [4, 5]
    chain = chain_of(uri, tmp_path, [{"table": "parted"}, {"table": "parted_1"}], [count_of("parted")])
    chain.plan()
    with chain.ports() as ports:
        plan = read_plan(ports.store, chain.loaded.spec.migration, chain.run_key)
    assert "the rows of public.parted_1 are also among those of public.parted, from which it inherits" in plan.notes


def test_foreign_tables_are_refused_by_name(lab: Lab, tmp_path: Path) -> None:
    uri = create_database(
        lab,
        """CREATE FOREIGN DATA WRAPPER far; CREATE SERVER far FOREIGN DATA WRAPPER far; CREATE FOREIGN TABLE abroad (id int) SERVER far;
        CREATE TABLE half (id int, part int) PARTITION BY LIST (part); CREATE TABLE half_1 PARTITION OF half FOR VALUES IN (1);
        CREATE FOREIGN TABLE half_2 PARTITION OF half FOR VALUES IN (2) SERVER far;""",
    )
    with pytest.raises(SpecError) as error:
        chain_of(uri, tmp_path, [{"table": "public.*"}], [count_of("half")]).plan()
    assert "public.abroad is a foreign table" in str(error.value)
    assert "public.half has a foreign table among its partitions" in str(error.value)


def test_row_level_security_hides_no_row(lab: Lab, tmp_path: Path) -> None:
    role = f"reader_{uuid4().hex[:8]}"
    uri = create_database(
        lab,
        f"""CREATE TABLE guarded (id int PRIMARY KEY); INSERT INTO guarded SELECT generate_series(1, 9); ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
        CREATE POLICY few ON guarded USING (id < 3); CREATE VIEW through WITH (security_invoker) AS SELECT * FROM guarded;
        CREATE ROLE {role} LOGIN PASSWORD 'of-tests'; GRANT SELECT ON guarded, through TO {role};""",
    )
    limited = {"login": role, "password": "of-tests"}
    with pytest.raises(SpecError, match="row-level security"):
        chain_of(uri, tmp_path, [{"table": "guarded"}], [count_of("guarded")], **limited).plan()
    view = chain_of(uri, tmp_path, [{"table": "through"}], [count_of("through")], **limited)
    view.plan()
    with pytest.raises(SourceError, match="row-level security") as error:
        view.step("extract")
    assert "BYPASSRLS" in error.value.todo
    with psycopg.connect(uri, autocommit=True) as con:
        con.execute(f"ALTER ROLE {role} BYPASSRLS".encode())
    free = chain_of(uri, tmp_path, [{"table": "guarded"}, {"table": "through"}], [count_of("through")], **limited)
    land(free)
    assert (len(lake_rows(free, "guarded")), len(lake_rows(free, "through"))) == (9, 9)


def test_a_thousand_columns(lab: Lab, tmp_path: Path) -> None:
    """Each with three guards: more than one statement's columns can count."""
    width = 1000
    columns = ", ".join(f"c{n} numeric" for n in range(width))
    values = ", ".join(f"n + {n}.5" for n in range(width))
    uri = create_database(
        lab,
        f"CREATE TABLE wide (id int PRIMARY KEY, {columns}); INSERT INTO wide SELECT n, {values} FROM generate_series(1, 20) n",
    )
    types = {f"c{n}": "decimal(9,1)" for n in range(width)}
    chain = chain_of(uri, tmp_path, [{"table": "wide", "types": types}], [count_of("wide")])
    land(chain)
    assert len(lake_types(chain, "wide")) == width + 1
    last = lake_rows(chain, "wide")[-1]
    assert last == {"id": 20} | {f"c{n}": Decimal(f"{20 + n}.5") for n in range(width)}


def test_dates_of_any_year_partition(lab: Lab, tmp_path: Path) -> None:
    uri = create_database(
        lab,
        """CREATE TABLE eras (id int PRIMARY KEY, d date, t timestamp);
        INSERT INTO eras VALUES (1, '4713-01-31 BC', '4713-01-31 23:59:59.999999 BC'), (2, '0001-12-31 BC', '0001-12-31 BC'),
          (3, '0001-01-01', '0001-01-01'), (4, '2024-02-29', '2024-02-29'), (5, '9999-12-31', '10000-01-01'), (6, '294275-12-31', '294246-12-31'),
          (7, '5874897-12-30', '294246-12-30');""",
    )
    figures = [
        {"name": "all", "table": "eras", "measure": "count()", "date": "d"},
        {"name": "last", "table": "eras", "measure": "max(t)", "date": "t"},
    ]
    chain = chain_of(uri, tmp_path, [{"table": "eras", "partition": ["month(d)", "year(t)"], "sort": ["-t"]}], figures)
    assert {v.outcome for v in prove(chain)} == {Outcome.PASS}
    found = [row["d"] for row in lake_rows(chain, "eras", "id, d::VARCHAR AS d")]
    assert found == [
        "4713-01-31 (BC)",
        "0001-12-31 (BC)",
        "0001-01-01",
        "2024-02-29",
        "9999-12-31",
        "294275-12-31",
        "5874897-12-30",
    ]
