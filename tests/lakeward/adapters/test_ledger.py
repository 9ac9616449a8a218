"""One contract, kept by the ledger in SQLite, in the lab's PostgreSQL, and by the in-memory twin."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import URL, create_engine, make_url
from sqlalchemy.pool import NullPool

from lakeward.adapters.ledger import MemoryLedger, SqlLedger
from lakeward.adapters.ledger.tables import metadata
from lakeward.domain.compaction import CompactionReport
from lakeward.domain.evidence import Finding, Outcome, Pointer, State, Transition, Verdict
from lakeward.domain.meters import Meter, Side, spread
from lakeward.domain.standing import Decided
from lakeward.errors import LakeError
from lakeward.ports import Ledger, StepRecord

AT = datetime(2026, 11, 22, 23, 30, 1, 123456, tzinfo=UTC)
VERDICT = Verdict(
    kind="kpi",
    subject="revenue",
    migration="retail",
    group="sales",
    cut_id="c1",
    outcome=Outcome.PASS,
    inputs_hash="h1",
    summary="all equal",
    checked=3,
    failed=0,
    decided_at=AT,
    findings=(Finding("revenue", "source-lake", "day", "2026-01-01", {"country": None}, "1.10", "1.1"),),
)
STEP = StepRecord("retail", "run 1", "sales", "extract", "running", AT, 0.0, 0)
MOVE = Transition(
    "retail", "run 1", ("sales",), State.LEGACY, State.WRITERS, "e" * 64, "Ann", "agreed – täglich", AT, "done"
)


@pytest.fixture
def postgres_url(lab: object) -> Iterator[URL]:
    """A database of its own on the lab's server."""
    admin, name = os.environ["LAKEWARD_LAB_POSTGRES"], f"ledger_{uuid4().hex[:8]}"
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    yield make_url(admin).set(drivername="postgresql+psycopg", database=name)
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture
def sqlite_url(tmp_path: Path) -> URL:
    return URL.create("sqlite", database=str(tmp_path / "home" / "100% ledger.db"))


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> URL:
    found = request.getfixturevalue(f"{request.param}_url")
    assert isinstance(found, URL)
    return found


@pytest.fixture(params=["sqlite", "postgres", "memory"])
def ledger(request: pytest.FixtureRequest) -> Iterator[Ledger]:
    opened = MemoryLedger() if request.param == "memory" else SqlLedger(request.getfixturevalue(f"{request.param}_url"))
    yield opened
    opened.close()


def later(seconds: float) -> datetime:
    return AT + timedelta(seconds=seconds)


# --- records ----------------------------------------------------------------------------------------------------------


def test_a_verdict_is_kept_to_the_last_digit(ledger: Ledger) -> None:
    ledger.record_verdict(VERDICT)
    assert ledger.verdict("retail", "sales", "kpi", "revenue", "h1") == VERDICT
    assert ledger.verdicts("retail") == (VERDICT,)
    for other in (("x", "sales", "kpi", "revenue", "h1"), ("retail", "sales", "kpi", "revenue", "h2")):
        assert ledger.verdict(*other) is None


def test_the_same_inputs_again_change_nothing(ledger: Ledger) -> None:
    ledger.record_verdict(VERDICT)
    ledger.record_verdict(replace(VERDICT, outcome=Outcome.FAIL, decided_at=later(9)))
    ledger.record_verdict(replace(VERDICT, outcome=Outcome.ERROR, decided_at=later(10)))
    assert ledger.verdicts("retail") == (VERDICT,)


def test_an_error_is_no_verdict_and_gives_way(ledger: Ledger) -> None:
    error = replace(VERDICT, outcome=Outcome.ERROR, summary="source went away")
    ledger.record_verdict(error)
    assert ledger.verdict("retail", "sales", "kpi", "revenue", "h1") is None
    assert ledger.verdicts("retail") == (error,)
    measured = replace(VERDICT, decided_at=later(5))
    ledger.record_verdict(measured)
    assert ledger.verdict("retail", "sales", "kpi", "revenue", "h1") == measured
    assert ledger.verdicts("retail") == (measured,)


def test_the_newest_of_each_place_is_shown(ledger: Ledger) -> None:
    newer = replace(VERDICT, inputs_hash="h2", outcome=Outcome.FAIL, decided_at=later(1))
    of_cut_two = replace(VERDICT, inputs_hash="h3", cut_id="c2", decided_at=later(2))
    orders = replace(VERDICT, subject="orders", decided_at=later(-5))
    counts = replace(VERDICT, kind="counts", subject="rows")
    stock = replace(VERDICT, group="stock")
    for verdict in (newer, stock, orders, of_cut_two, counts, VERDICT, replace(VERDICT, migration="other")):
        ledger.record_verdict(verdict)
    assert ledger.verdicts("retail") == (counts, orders, of_cut_two, stock)
    assert ledger.verdicts("retail", "c1") == (counts, orders, newer, stock)
    assert ledger.verdicts("retail", "c9") == ()


def test_a_step_is_brought_up_to_date_and_the_last_try_is_shown(ledger: Ledger) -> None:
    done = replace(STEP, outcome="done", seconds=1.5, rows=2**40, message="ok")
    again = replace(STEP, started_at=later(60), outcome="failed")
    flatten = replace(STEP, step="flatten", started_at=later(30))
    elsewhere = replace(STEP, migration="other", run_key="run 2", started_at=later(-1))
    ledger.record_step(STEP)
    ledger.record_step(done)
    assert ledger.steps() == (done,)
    for record in (again, flatten, elsewhere, done):
        ledger.record_step(record)
    assert ledger.steps() == (elsewhere, flatten, again)
    assert ledger.steps("retail") == (flatten, again)
    assert ledger.steps(run_key="run 2") == (elsewhere,)
    assert ledger.steps("retail", "run 2") == ()


def test_transitions_are_kept_once_and_in_order(ledger: Ledger) -> None:
    back = replace(MOVE, before=State.WRITERS, after=State.LEGACY, at=later(5))
    refused = replace(MOVE, outcome="refused", message="figures differ", at=later(-5))
    for move in (MOVE, back, refused, MOVE, replace(MOVE, migration="other")):
        ledger.record_transition(move)
    assert ledger.transitions("retail") == (refused, MOVE, back)


def test_of_what_stands_the_newest_is_kept_whenever_it_is_told(ledger: Ledger) -> None:
    pointer = Pointer("retail", "sales", State.LEGACY, 1, "c1", {"retail.orders": 2**62}, "", AT, "Ann", "published")
    moved = replace(pointer, version=2, moved_at=later(1))
    report = CompactionReport("sales", "c1", "none", (), due=False, settled=True)
    for one in (pointer, moved, pointer):
        ledger.record_standing("retail", "sales", one, one.moved_at)
    ledger.record_standing("retail", "sales", report, AT)
    ledger.record_standing("other", "stock", pointer, AT)
    assert ledger.standing(Pointer, "retail") == {("retail", "sales"): (moved, later(1))}
    assert ledger.standing(CompactionReport) == {("retail", "sales"): (report, AT)}
    assert set(ledger.standing(Pointer)) == {("retail", "sales"), ("other", "stock")}
    assert ledger.standing(Decided) == {}


def test_outcomes_are_told_without_what_was_found(ledger: Ledger) -> None:
    older = replace(VERDICT, outcome=Outcome.FAIL, cut_id="c0", inputs_hash="h0", decided_at=later(-1))
    again = replace(VERDICT, outcome=Outcome.WARN, inputs_hash="h2", decided_at=later(1))
    other = replace(VERDICT, migration="other")
    for one in (again, older, VERDICT, other):
        ledger.record_verdict(one)
    assert [(j.migration, j.cut_id, j.outcome, j.decided_at) for j in ledger.judged()] == [
        ("other", "c1", Outcome.PASS, AT),
        ("retail", "c1", Outcome.WARN, later(1)),
    ]
    assert [(j.cut_id, j.outcome) for j in ledger.judged("retail", by_cut=True)] == [
        ("c0", Outcome.FAIL),
        ("c1", Outcome.WARN),
    ]


def test_the_newest_run_of_each_migration_is_told(ledger: Ledger) -> None:
    for run, step, seconds, outcome in (
        ("run 1", "gate", 9.0, "held"),
        ("run 2", "plan", 10.0, "done"),
        ("run 2", "extract", 11.0, "failed"),
        ("run 2", "extract", 12.0, "running"),
    ):
        ledger.record_step(replace(STEP, run_key=run, step=step, started_at=later(seconds), outcome=outcome))
    ledger.record_step(replace(STEP, migration="other"))
    assert {s.migration for s in ledger.runs("other")} == {"other"}
    found = [(s.migration, s.run_key, s.step, s.outcome) for s in ledger.runs()]
    assert found == [
        ("other", "run 1", "extract", "running"),
        ("retail", "run 2", "plan", "done"),
        ("retail", "run 2", "extract", "running"),
    ]


def test_the_newest_run_of_each_group_is_told_where_groups_have_runs_of_their_own(ledger: Ledger) -> None:
    for group, run, seconds in (("a", "1.a", 9.0), ("b", "1.b", 10.0), ("a", "2.a", 11.0), ("", "2", 12.0)):
        ledger.record_step(replace(STEP, group=group, run_key=run, started_at=later(seconds)))
    found = [(s.group, s.run_key) for s in ledger.runs("retail", by_group=True)]
    assert found == [("b", "1.b"), ("a", "2.a"), ("", "2")]


def test_instants_come_back_as_the_same_instant(ledger: Ledger) -> None:
    here = replace(STEP, started_at=AT.astimezone(timezone(timedelta(hours=5, minutes=45))))
    ledger.record_step(here)
    assert ledger.steps() == (STEP,)


# --- databases --------------------------------------------------------------------------------------------------------


def test_what_was_written_is_there_when_opened_again(url: URL) -> None:
    with closing(SqlLedger(url)) as first:
        first.record_verdict(VERDICT)
        first.record_transition(MOVE)
        first.record_step(STEP)
    with closing(SqlLedger(url)) as second:
        assert second.verdicts("retail") == (VERDICT,)
        assert second.transitions("retail") == (MOVE,)
        assert second.steps() == (STEP,)


def test_the_migrations_make_exactly_the_tables(url: URL) -> None:
    SqlLedger(url).close()
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": "lakeward_version", "compare_type": True}
        )
        assert compare_metadata(context, metadata) == []
        assert context.get_current_heads() == ("0004",)


def test_many_open_and_write_at_once(url: URL) -> None:
    start, failed = threading.Barrier(6), []

    def one(number: int) -> None:
        try:
            start.wait()
            with closing(SqlLedger(url)) as ledger:
                for n in range(5):
                    ledger.record_step(replace(STEP, step=f"{number}-{n}"))
                    ledger.record_verdict(replace(VERDICT, inputs_hash=f"shared-{n}"))
                    ledger.verdicts("retail")
        except Exception as error:  # noqa: BLE001 - told by the assertion below
            failed.append(error)

    threads = [threading.Thread(target=one, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    with closing(SqlLedger(url)) as ledger:
        assert len(ledger.steps()) == 30


def test_several_processes_share_a_file(sqlite_url: URL) -> None:
    code = """
import sys
from dataclasses import replace
from datetime import UTC, datetime
from sqlalchemy import URL
from lakeward.adapters.ledger import SqlLedger
from lakeward.ports import StepRecord
ledger = SqlLedger(URL.create("sqlite", database=sys.argv[1]))
for n in range(20):
    ledger.record_step(StepRecord("retail", sys.argv[2], "g", str(n), "done", datetime.now(UTC), 0.0, n))
"""
    env = {**os.environ, "PYTHONPATH": "include"}
    writers = [
        subprocess.Popen([sys.executable, "-c", code, str(sqlite_url.database), f"run {n}"], env=env) for n in range(3)
    ]
    assert [writer.wait(120) for writer in writers] == [0, 0, 0]
    with closing(SqlLedger(sqlite_url)) as ledger:
        assert len(ledger.steps()) == 60


def test_sqlite_writes_ahead(sqlite_url: URL) -> None:
    SqlLedger(sqlite_url).close()
    with closing(sqlite3.connect(str(sqlite_url.database))) as plain:
        assert plain.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_ledger_of_a_newer_version_is_refused(url: URL) -> None:
    SqlLedger(url).close()
    engine = create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE lakeward_version SET version_num = '9999'")
    with pytest.raises(LakeError, match=r"(?s)another version of lakeward.*9999.*newest lakeward"):
        SqlLedger(url)


def test_an_unreachable_server_is_told_without_the_password() -> None:
    with pytest.raises(LakeError, match=r"(?s)127\.0\.0\.1:9.*lakeward_ledger") as said:
        SqlLedger("postgresql://ledger:s3cr3t-of-test@127.0.0.1:9/ledger")
    assert "s3cr3t-of-test" not in str(said.value)


def test_a_wrong_password_is_not_shown(postgres_url: URL) -> None:
    with pytest.raises(LakeError, match="password authentication failed") as said:
        SqlLedger(postgres_url.set(password="s3cr3t-of-test"))
    assert "s3cr3t-of-test" not in str(said.value)


@pytest.mark.parametrize(("url", "said"), [("mysql://x/y", "can't be kept in mysql"), ("sqlite://", "needs a file")])
def test_other_places_are_refused(url: str, said: str) -> None:
    with pytest.raises(LakeError, match=said):
        SqlLedger(url)


def test_repr_hides_the_password(postgres_url: URL) -> None:
    with closing(SqlLedger(postgres_url)) as ledger:
        assert str(postgres_url.password) not in repr(ledger)


# --- meters -----------------------------------------------------------------------------------------------------------

METER = Meter("retail", "sales", "2026-11-22", AT, 60.5, 2, 20, 30, 4_000, 3, write=spread([1, 2.5]), fresh=spread([9]))


def test_a_runs_meter_is_kept_once_and_its_day_is_the_sum(ledger: Ledger) -> None:
    again = replace(METER, began=later(60), lake=Side({"daily": spread([0.5])}, {"daily": 1}, 2**40, 7))
    for meter in (METER, METER, again, METER, again):
        ledger.record_meter(meter)
    assert ledger.meters("retail") == (METER.plus(again),)
    assert ledger.meters("retail", runs=True) == (METER, again)
    assert ledger.meters("other") == ()


def test_every_day_is_kept_and_the_newest_of_each_group_is_told(ledger: Ledger) -> None:
    next_day = replace(METER, day="2026-11-23", began=later(86400), batches=5)
    stock = replace(METER, group="stock", day="2026-11-21", began=later(-86400))
    other = replace(METER, migration="other")
    for meter in (METER, next_day, stock, other):
        ledger.record_meter(meter)
    assert ledger.meters("retail") == (stock, METER, next_day)
    assert {one.day for one in ledger.meters("retail", runs=True)} == {"2026-11-21", "2026-11-23"}
    assert ledger.metered("retail") == {"retail": ("2026-11-21", (next_day, stock))}
    assert ledger.metered() == {"other": ("2026-11-22", (other,)), "retail": ("2026-11-21", (next_day, stock))}
