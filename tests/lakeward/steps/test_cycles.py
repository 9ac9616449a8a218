"""Tables that refer to each other in circles, with a bad row in the circle: through the whole chain, which ends and is right."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest
from tests.chain import Chain
from tests.databases import airflow_connection, create_database

from lakeward.domain.evidence import Verdict
from lakeward.domain.quarantine import quarantine_table
from lakeward.errors import SpecError
from lakeward.lab import Lab
from lakeward.steps.artifacts import read_plan

PEOPLE, TEAMS = 120, 40
TABLES = f"""
CREATE TABLE teams (id int PRIMARY KEY, lead_id int);
CREATE TABLE people (
    id int PRIMARY KEY, boss_id int REFERENCES people, team_id int REFERENCES teams, pay numeric(12,2) NOT NULL, profile jsonb
);
INSERT INTO teams SELECT i, i * 3 FROM generate_series(1, {TEAMS}) i;
INSERT INTO people SELECT i, CASE WHEN i % 10 > 1 THEN i - 1 WHEN i % 10 = 1 THEN i END, 1 + i % {TEAMS}, i + 0.01,
    jsonb_build_object('age', CASE i WHEN 17 THEN '"x"'::jsonb ELSE to_jsonb(i) END) FROM generate_series(1, {PEOPLE}) i;
UPDATE people SET team_id = NULL WHERE id > 60;
ALTER TABLE teams ADD FOREIGN KEY (lead_id) REFERENCES people;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO lakeward_reader;
"""
FILE = """
version: 1
migration: {name}
pattern: lift_and_shift
source: {{connection: the_source}}
target: {{connection: lakehouse, namespace: {name}}}
landing: {{path: ./landing}}
groups:
  - name: staff
    tables:
      - table: people
        flatten: [{{column: profile, fields: {{age: int}}}}]
      - table: teams
    quarantine: {{max_share: 0.9}}
kpis:
  - {{name: pay, table: people, measure: sum(pay)}}
  - {{name: teams, table: teams, measure: count()}}
"""


@pytest.fixture
def chain(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Chain]:
    uri = create_database(lab, TABLES)
    reader = json.loads(os.environ["AIRFLOW_CONN_RETAIL_SOURCE"])
    monkeypatch.setenv(
        "AIRFLOW_CONN_THE_SOURCE", airflow_connection(uri, login=reader["login"], password=reader["password"])
    )
    path = tmp_path / "staff.yaml"
    path.write_text(FILE.format(name=f"staff{uuid4().hex[:8]}"))
    yield Chain(path, tmp_path / "home", "run1")
    with psycopg.connect(lab.env()["LAKEWARD_LAB_POSTGRES"], autocommit=True) as con:
        con.execute(f'DROP DATABASE "{urlsplit(uri).path[1:]}" WITH (FORCE)'.encode())


def expected() -> tuple[set[int], set[int]]:
    """People and teams that person 17 takes along: who has him or one of these as boss, lead or team."""
    boss = {i: i - 1 if i % 10 > 1 else i if i % 10 == 1 else None for i in range(1, PEOPLE + 1)}
    team = {i: 1 + i % TEAMS if i <= 60 else None for i in range(1, PEOPLE + 1)}
    people, teams, before = {17}, set[int](), 0
    while before != len(people) + len(teams):
        before = len(people) + len(teams)
        teams |= {t for t in range(1, TEAMS + 1) if t * 3 in people}
        people |= {i for i in boss if boss[i] in people or team[i] in teams}
    return people, teams


def test_a_bad_row_in_a_circle_takes_along_exactly_who_refers_to_it(chain: Chain) -> None:
    people, teams = expected()
    assert 10 < len(people) < 100
    assert teams
    found: dict[tuple[str, str], Verdict] = {
        (v.kind, v.subject): v
        for v in chain.run("compare")["staff"]  # type: ignore[attr-defined]
    }
    with chain.ports() as ports:
        group = read_plan(ports.store, chain.loaded.spec.migration, "run1").group("staff")
        rows: dict[str, list[dict[str, object]]] = {}
        for table in (*group.lake_tables, quarantine_table(group)):
            state = ports.lake.state(table.name)
            assert state
            assert state.snapshot_id
            rows[table.name] = ports.engine.table(
                "FROM t", {"t": ports.lake.snapshot(table, state.snapshot_id)}
            ).to_pylist()
    assert sorted(r["id"] for r in rows["people"]) == sorted(set(range(1, PEOPLE + 1)) - people)  # type: ignore[type-var]
    assert sorted(r["id"] for r in rows["teams"]) == sorted(set(range(1, TEAMS + 1)) - teams)  # type: ignore[type-var]
    aside = sorted((str(r["table_name"]), json.loads(str(r["row_key"]))["id"]) for r in rows[group.quarantine])
    assert aside == sorted([*(("people", str(i)) for i in people), *(("teams", str(i)) for i in teams)])
    outcomes = {name: verdict.outcome.value for name, verdict in found.items()}
    assert outcomes == {
        ("kpi", "pay"): "fail",
        ("kpi", "teams"): "fail",
        ("rows", "people"): "pass",
        ("rows", "teams"): "pass",
        ("counts", "staff"): "pass",
    }
    pay = found["kpi", "pay"].findings[0]
    assert Decimal(str(pay.expected)) - Decimal(str(pay.found)) == sum(i + Decimal("0.01") for i in people)


@pytest.mark.parametrize(
    ("dimension", "kept", "said"),
    [
        ("profile", "", "table people has no column 'profile'. Did you mean `profile_age`"),
        (
            "profile",
            ", keep_json: true",
            "dimension 'profile' is of type json, whose values have no exact text to group by",
        ),
        ("profile_age", "", ""),
    ],
)
def test_a_dimension_on_a_nested_column_is_refused_and_on_its_field_is_none(
    chain: Chain, dimension: str, kept: str, said: str
) -> None:
    text = chain.file.read_text().replace("measure: sum(pay)", f"measure: sum(pay), dimensions: [{dimension}]")
    chain.file.write_text(text.replace("{age: int}", f"{{age: int}}{kept}"))
    again = Chain(chain.file, chain.home, "run2")
    if not said:
        again.plan()
        return
    with pytest.raises(SpecError) as error:
        again.plan()
    assert said in str(error.value)
