"""Runs that leave the source in peace: paused by people, waiting for load to go, each with its reason."""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner

from lakeward.cli.app import app
from lakeward.lab import Lab
from phased import Shop


@pytest.fixture
def shop(lab: Lab, tmp_path: Path) -> Shop:
    return Shop(lab, tmp_path)


def sleep(con: psycopg.Connection) -> None:
    with suppress(psycopg.errors.QueryCanceled):
        con.execute("SELECT pg_sleep(600)")


def test_a_paused_migration_begins_nothing(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKEWARD_HOME", str(shop.home))
    assert "paused by ann" in CliRunner().invoke(app, ["pause", str(shop.file), "--by", "ann", "--why", "sale"]).output
    rest = shop.move("stock")
    assert rest.moved == ()
    assert rest.why.startswith("paused by ann since ")
    assert rest.why.endswith(": sale")
    assert "It goes on" in CliRunner().invoke(app, ["pause", str(shop.file), "--lift"]).output
    assert shop.move("stock", window="0").moved == ("0/10",)


def test_a_busy_source_is_left_alone_until_patience_is_over(shop: Shop) -> None:
    shop.change("calendar:", "throttle: {active_sessions: 1, patience: 0s}\ncalendar:")
    busy = [psycopg.connect(shop.uri, autocommit=True) for _ in range(2)]
    asked = [threading.Thread(target=sleep, args=(con,), daemon=True) for con in busy]
    try:
        for thread in asked:
            thread.start()
        while shop.source("SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(600)'") != [(2,)]:
            pass
        done = shop.move("stock")
        assert (done.moved, "sessions are at work at the source, more than 1" in done.why) == ((), True)
    finally:
        for con in busy:
            con.cancel()
        for thread, con in zip(asked, busy, strict=True):
            thread.join()
            con.close()
    with shop.ports() as ports:
        load = ports.source.load()
    assert load.replication_lag is None
