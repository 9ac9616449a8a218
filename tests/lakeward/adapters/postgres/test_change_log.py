"""The change log of a real PostgreSQL: nothing missed or doubled, exact values, clear refusals."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import psycopg
import pytest
from tests.change_log import QUICK, ChangeWorld, drop_slots
from tests.lakeward.adapters.postgres.test_source import MATRIX, MATRIX_TYPES

from lakeward.domain.changes import position, spelled
from lakeward.domain.file_facts import StorageAccess
from lakeward.errors import SourceError
from lakeward.lab import Lab
from lakeward.ports import CutReader, silent

Make = Callable[[str], ChangeWorld]
Held = dict[tuple[object, ...], dict[str, object]]
PARENTS = """
CREATE TABLE parents (id int PRIMARY KEY, name text, doc text); ALTER TABLE parents ALTER doc SET STORAGE EXTERNAL;
INSERT INTO parents SELECT g, 'p' || g, repeat(g::text, 3000) FROM generate_series(1, 20) g;
CREATE TABLE children (parent int, line int, amount numeric(12,2), PRIMARY KEY (parent, line));
INSERT INTO children SELECT p, l, 1.10 FROM generate_series(1, 20) p, generate_series(1, 3) l;
"""


@pytest.fixture
def make(lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Make]:
    made: list[ChangeWorld] = []

    def one(sql: str) -> ChangeWorld:
        made.append(ChangeWorld(lab, monkeypatch, tmp_path, sql))
        return made[-1]

    yield one
    for world in made:
        drop_slots(world.uri)


def test_every_type_comes_as_an_extraction_lands_it(make: Make) -> None:
    world = make(MATRIX)
    plan = world.plan("public.matrix", types=MATRIX_TYPES)
    since = world.begin([plan])
    world.run("UPDATE matrix SET id = id + 10", "UPDATE matrix SET id = id - 10", "DELETE FROM matrix WHERE id > 10")
    (world.folder / "landed").mkdir()
    with world.reading([plan], since) as (stream, batch):
        changed = batch.tables["matrix"]
        typed = stream.typed(plan, world.latest(changed), world.folder)
        keys = stream.typed(plan, world.touched(changed), world.folder, changed.key)
    assert sorted(str(r["id"]) for r in world.rows(keys)) == ["1", "11", "12", "2"]
    with world.log.source(lasting=False).cut([plan]) as cut:
        cut.land(plan, str(world.folder / "landed"), StorageAccess(), silent)
    landed = "".join(f"{c}, " for c in ("t." + '"' + c.source.replace('"', '""') + '"' for c in plan.columns))[:-2]
    files = ", ".join(f"'{f}'" for f in typed.urls)
    want = f"(SELECT {landed} FROM read_parquet('{world.folder}/landed/*.parquet') t)"
    have = f"(SELECT {landed} FROM read_parquet([{files}]) t)"
    with duckdb.connect() as con:
        assert con.execute(f"DESCRIBE {want}").fetchall() == con.execute(f"DESCRIBE {have}").fetchall()
        assert con.execute(f"SELECT count(*) FROM {have}").fetchone() == (2,)
        assert con.execute(f"SELECT count(*) FROM ({want} EXCEPT ALL {have})").fetchone() == (0,)
        assert con.execute(f"SELECT count(*) FROM ({have} EXCEPT ALL {want})").fetchone() == (0,)


def test_a_cut_and_the_changes_since_make_the_source_though_others_write(make: Make) -> None:
    world = make(PARENTS)
    plans = [world.plan("public.parents"), world.plan("public.children")]
    seed, over = random.Random(7), threading.Event()

    def write(first: int) -> None:
        with psycopg.connect(world.uri) as con:
            for n in range(10_000):
                if over.is_set():
                    return
                key = seed.randrange(1, 20)
                con.execute("UPDATE children SET amount = amount + 0.01 WHERE parent = %s", (key,))
                con.execute("UPDATE parents SET name = name || 'x' WHERE id = %s", (key,))
                con.execute("UPDATE parents SET id = %s WHERE id = %s", (first + n, first + n - 1))
                con.execute("INSERT INTO parents VALUES (%s, 'new', 'short')", (-first - n,))
                if n % 3:
                    con.commit()
                else:
                    con.rollback()

    writers = [threading.Thread(target=write, args=(first,)) for first in (1000, 5000)]
    for writer in writers:
        writer.start()
    try:
        with world.log.source(lasting=True).cut(plans) as cut:
            since = cut.position
            before, lines = _keyed(cut)
        with world.log.source(lasting=False).cut(plans) as cut:
            until = cut.position
            after, lines_after = _keyed(cut)
    finally:
        over.set()
        for writer in writers:
            writer.join()
    with world.log.stream(plans, since) as stream:
        batch = stream.read(QUICK, until)
        assert (batch.since, batch.until) == (since, until)
        for plan, held, columns in ((plans[0], before, "id, name"), (plans[1], lines, "parent, line, amount")):
            if changed := batch.tables.get(plan.name):
                for row in world.rows(stream.typed(plan, world.touched(changed), world.folder, changed.key)):
                    held.pop(tuple(row[name] for name in changed.key), None)
                typed = stream.typed(plan, world.latest(changed), world.folder)
                held |= {
                    tuple(row[name] for name in changed.key): row
                    for row in world.rows(typed, f"SELECT {columns} FROM rows")
                }
    assert before == after
    assert lines == lines_after


def _keyed(cut: CutReader) -> tuple[Held, Held]:
    """The rows of both tables by their keys, in a cut."""
    parents = cut.query("SELECT id, name FROM parents").to_pylist()
    children = cut.query("SELECT * FROM children").to_pylist()
    return {(r["id"],): r for r in parents}, {(r["parent"], r["line"]): r for r in children}


def test_values_that_the_log_does_not_carry_are_found_or_marked(make: Make) -> None:
    world = make(PARENTS)
    plan = world.plan("public.parents")
    since = world.begin([plan])
    world.run(
        "UPDATE parents SET name = 'only the lake knows' WHERE id = 1",
        "UPDATE parents SET doc = repeat('new', 3000) WHERE id = 2; UPDATE parents SET name = 'known' WHERE id = 2",
        "UPDATE parents SET doc = NULL WHERE id = 3; UPDATE parents SET name = 'null' WHERE id = 3",
        "UPDATE parents SET id = 104 WHERE id = 4; UPDATE parents SET name = 'moved' WHERE id = 104",
        "UPDATE parents SET doc = repeat('moved', 3000) WHERE id = 5; UPDATE parents SET id = 105 WHERE id = 5; "
        "INSERT INTO parents VALUES (5, 'another', 'short'); UPDATE parents SET id = 205 WHERE id = 105",
        "UPDATE parents SET id = 106 WHERE id = 6; UPDATE parents SET id = 6, name = 'back' WHERE id = 106",
        "DELETE FROM parents WHERE id = 7; INSERT INTO parents VALUES (7, 'again', 'short')",
    )
    with world.reading([plan], since) as (_, batch):
        latest = world.latest(batch.tables["parents"])
        marks = world.rows(latest, 'SELECT id, "#fill", "#root", left(doc, 5) AS doc, name FROM rows ORDER BY id::int')
    assert [tuple(r.values()) for r in marks] == [
        ("1", "001", '["1"]', None, "only the lake knows"),
        ("2", None, None, "newne", "known"),
        ("3", None, None, None, "null"),
        ("5", None, None, "short", "another"),
        ("6", "001", '["6"]', None, "back"),
        ("7", None, None, "short", "again"),
        ("104", "001", '["4"]', None, "moved"),
        ("205", None, None, "moved", "p5"),
    ]


def test_replica_identity_full_leaves_nothing_to_be_found(make: Make) -> None:
    world = make(PARENTS + "ALTER TABLE parents REPLICA IDENTITY FULL")
    plan = world.plan("public.parents")
    since = world.begin([plan])
    world.run("UPDATE parents SET id = id + 100 WHERE id < 3", "UPDATE parents SET name = 'x' WHERE id = 101")
    with world.reading([plan], since) as (_, batch):
        changed = batch.tables["parents"]
        rows = world.rows(world.latest(changed), "SELECT id, left(doc, 2) AS doc, name FROM rows ORDER BY id")
    assert (changed.unfilled, changed.events) == (0, 5)
    assert [tuple(r.values()) for r in rows] == [("101", "11", "x"), ("102", "22", "p2")]


def test_transactions_are_whole_across_tables_and_truncates_void_what_was_before(make: Make) -> None:
    world = make(PARENTS)
    plans = [world.plan("public.parents"), world.plan("public.children")]
    since = world.begin(plans)
    world.run(
        "UPDATE parents SET name = 'a'; INSERT INTO children VALUES (99, 1, 7)",
        "INSERT INTO children VALUES (98, 1, 7); TRUNCATE children; INSERT INTO children VALUES (1, 1, 2.50)",
    )
    until = world.now(plans)
    one = QUICK.__class__(1, 10**9, QUICK.time, QUICK.wait)
    with world.log.stream(plans, since) as stream:
        first = stream.read(one, until)
        assert (first.transactions, first.tables["parents"].events, first.tables["children"].events) == (1, 20, 1)
        second = stream.read(one, until)
        assert (second.since, second.transactions) == (first.until, 1)
        assert second.tables["children"].emptied
        assert [r["amount"] for r in world.rows(world.latest(second.tables["children"]))] == ["2.50"]
        last = stream.read(one, until)
        assert (last.transactions, last.until, last.tables) == (0, until, {})


def test_a_large_transaction_is_one_batch(make: Make) -> None:
    world = make(PARENTS)
    plan = world.plan("public.children")
    since = world.begin([plan])
    world.run("INSERT INTO children SELECT g, 1, g / 100.0 FROM generate_series(1000, 30999) g")
    with world.reading([plan], since) as (stream, batch):
        changed = batch.tables["children"]
        typed = stream.typed(plan, world.latest(changed), world.folder)
        (row,) = world.rows(typed, "SELECT count(*) AS n, sum(amount) AS s FROM rows")
    assert (changed.events, batch.transactions) == (30_000, 1)
    assert (row["n"], str(row["s"])) == (30_000, "4799850.00")


def test_the_slot_forgets_only_what_was_confirmed(make: Make) -> None:
    world = make(PARENTS)
    plan = world.plan("public.parents")
    since = world.begin([plan])
    world.run("UPDATE parents SET name = 'a' WHERE id = 1")
    with (
        world.reading([plan], since) as (_, unconfirmed),
        pytest.raises(SourceError, match=r"can't be read.*is active"),
        world.log.stream([plan], since),
    ):
        raise AssertionError
    with world.reading([plan], since) as (stream, batch):
        assert batch.tables["parents"].events == unconfirmed.tables["parents"].events == 1
        stream.confirm(batch.until)
    world.run("UPDATE parents SET name = 'b' WHERE id = 2")
    with world.reading([plan], batch.until) as (_, later):
        assert [r["id"] for r in world.rows(world.latest(later.tables["parents"]))] == ["2"]
    state = world.log.state()
    assert state is not None
    assert (state.confirmed, state.lost) == (batch.until, False)
    assert state.retained_bytes > 0
    with pytest.raises(SourceError, match="read by somebody else"), world.log.stream([plan], since):
        raise AssertionError
    drop_slots(world.uri)
    assert world.log.state() is None
    with pytest.raises(SourceError, match="is gone"), world.log.stream([plan], batch.until):
        raise AssertionError


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("ALTER TABLE parents ADD note text", "'note' .text. is new"),
        ("ALTER TABLE parents ALTER name TYPE varchar(40)", "'name' was text and is character varying.40."),
        ("ALTER TABLE parents DROP doc", "'doc' was text and is gone"),
        ("ALTER TABLE parents DROP CONSTRAINT parents_pkey; ALTER TABLE parents REPLICA IDENTITY FULL", ""),
    ],
)
def test_a_changed_table_is_noticed_where_it_changed(make: Make, change: str, told: str) -> None:
    world = make(PARENTS)
    plan = world.plan("public.parents")
    since = world.begin([plan])
    world.run("UPDATE parents SET name = 'before' WHERE id = 1")
    middle = world.now([plan])
    world.run(change, "UPDATE parents SET name = 'after' WHERE id = 2")
    until = position("FFFFFFFF/0") if told else world.now([plan])
    with world.log.stream([plan], since) as stream:
        assert stream.read(QUICK, middle).tables["parents"].events == 1
        if told:
            with pytest.raises(SourceError, match=told):
                stream.read(QUICK, until)
        else:
            assert stream.read(QUICK, until).tables["parents"].events == 1


def test_what_no_declared_type_holds_is_refused_row_by_row_and_filtered_rows_are_told(make: Make) -> None:
    world = make("CREATE TABLE t (id int PRIMARY KEY, price numeric, day date, kind text, extra int)")
    plan = world.plan(
        "public.t",
        types={"price": "decimal(5,2)"},
        drop=["extra"],
        filter=[{"column": "extra", "op": ">", "value": 0}],
    )
    since = world.begin([plan])
    world.run(
        "INSERT INTO t VALUES (1, 1.25, '2026-01-01', 'good', 1), (2, 'NaN', '2026-01-01', 'nan', 1), "
        "(3, 1.255, '2026-01-01', 'scale', 1), (4, 1234567, '2026-01-01', 'wide', 1), (5, 1, 'infinity', 'day', 1), "
        "(6, 1, '2026-01-01', 'filtered', 0)"
    )
    with world.reading([plan], since) as (stream, batch):
        rows = world.latest(batch.tables["t"])
        bad = {n: why for n, _, why in stream.refused(plan, rows)}
        kinds = {r["#n"]: r["kind"] for r in world.rows(rows)}
        good = world.kept(
            f'SELECT * FROM ({_rows_sql()}) WHERE "#n" NOT IN ({", ".join(map(str, bad))})', batch.tables["t"], "good"
        )
        typed = world.rows(stream.typed(plan, good, world.folder))
    assert {kinds[n]: why.partition(": ")[2].split(",")[0] for n, why in bad.items()} == {
        "nan": "NaN",
        "scale": "more decimals than the declared scale",
        "wide": "more digits before the point than the declared type holds",
        "day": "infinity",
    }
    assert [(r["id"], str(r["price"]), r["#keep"]) for r in typed] == [(1, "1.25", True), (6, "1.00", False)]


def _rows_sql() -> str:
    return 'SELECT "#seq" AS "#n", * EXCLUDE ("#seq") FROM events'


def test_positions_are_spelled_as_the_server_does() -> None:
    assert spelled(position("16/B374D848")) == "16/B374D848"
    assert position("") == 0
