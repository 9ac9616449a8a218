"""A phased migration is cut over: frozen, synchronised, proved, approved, switched; and whatever fails leaves the source as it was."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from uuid import uuid4

import psycopg
import pytest
from tests.databases import airflow_connection

from lakeward.adapters.connections import from_environment
from lakeward.adapters.open import open_freezer
from lakeward.domain.evidence import State
from lakeward.domain.facts import Plan
from lakeward.errors import ConflictError, GateError, SourceError
from lakeward.lab import Lab
from lakeward.ports import Freezer, Ports, silent
from lakeward.spec.models import Phased
from lakeward.steps.final_sync import final_sync
from lakeward.steps.freeze import freeze, keep, last_lease, lift
from lakeward.steps.gate import evaluate
from lakeward.steps.switch import cut_back, cut_over
from lakeward.steps.window_run import Means
from phased import HERE, Shop, now

GROUPS = ("people", "stock")
FREEZE = "freeze: {connection: phased_freezer, freeze: hooks.freeze, lift: hooks.lift, limit: 10m}\ncalendar:"


@pytest.fixture(scope="module")
def shop(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A shop whose groups follow it, and that can be frozen."""
    found = Shop(lab, tmp_path_factory.mktemp("cutover"))
    found.source((HERE / "hooks.sql").read_text())
    os.environ["AIRFLOW_CONN_PHASED_FREEZER"] = airflow_connection(found.uri)
    found.shrink()
    found.change("calendar:", FREEZE)
    for group in GROUPS:
        assert found.move(group).complete
    return found


@contextmanager
def opened(shop: Shop) -> Iterator[tuple[Phased, Ports, Freezer]]:
    with shop.ports() as ports:
        spec = shop.plan(ports, "look").migration
        assert isinstance(spec, Phased)
        freezer = open_freezer(spec, from_environment)
        assert freezer
        yield spec, ports, freezer


def synchronised(shop: Shop, ports: Ports) -> Plan:
    key = f"sync-{uuid4().hex[:8]}"
    means = Means(now, lambda: f"try-{uuid4().hex[:8]}", silent, shop.said.append)
    return final_sync(shop.plan(ports, key), ports, key, "ann", means)


def is_frozen(shop: Shop) -> bool:
    try:
        shop.source("UPDATE stock SET amount = amount WHERE sku = 1")
    except psycopg.errors.RaiseException:
        return True
    return False


def test_frozen_synchronised_switched_and_back(shop: Shop) -> None:
    shop.source("""UPDATE stock SET amount = amount + 1; INSERT INTO customers VALUES (800, 'IT', '["late"]')""")
    with opened(shop) as (spec, ports, freezer):
        freeze(spec, ports, freezer, "ann", now())
        assert is_frozen(shop)
        with pytest.raises(ConflictError, match="ann has frozen the source"):
            freeze(spec, ports, freezer, "bob", now())
        plan = synchronised(shop, ports)
        shop.check_same("stock")
        assert len(shop.lake("customer_tags", "position")) == 41
        decision = evaluate(plan, ports, now())
        assert decision.open, decision.reasons
        done = cut_over(
            plan,
            ports,
            approved_hash=decision.evidence_hash,
            by="ann",
            why="it is time",
            at=now(),
            source_frozen=True,
            ready=lambda: keep(ports.store, "phased", now()),
        )
        assert (done.outcome, done.groups) == ("done", GROUPS)
        assert {shop.pointer(group).state for group in done.groups} == {State.WRITERS}
        assert not lift(ports.store, "phased", freezer), "nobody lifts a freeze under a switch"
        assert is_frozen(shop)
        with pytest.raises(GateError, match="cut over"):
            synchronised(shop, ports)
        cut_back(plan, ports, by="ann", why="not yet", at=now())
        assert lift(ports.store, "phased", freezer)
        assert not is_frozen(shop)
        assert not lift(ports.store, "phased", freezer)


def test_a_row_that_comes_after_the_last_round_keeps_the_switch_from_being_made(shop: Shop) -> None:
    with opened(shop) as (spec, ports, freezer):
        freeze(spec, ports, freezer, "ann", now())
        plan = synchronised(shop, ports)
        decision = evaluate(plan, ports, now())
        freezer.lift()  # by hand, and then somebody writes
        shop.source("INSERT INTO customers VALUES (801, 'IT', '[]')")
        with pytest.raises(GateError, match="has changed since the cut"):
            cut_over(
                plan,
                ports,
                approved_hash=decision.evidence_hash,
                by="ann",
                why="",
                at=now(),
                source_frozen=True,
                ready=lambda: keep(ports.store, "phased", now()),
            )
        assert lift(ports.store, "phased", freezer)
        assert {shop.pointer(group).state for group in GROUPS} == {State.LEGACY}


def test_a_freeze_ends_by_itself_or_by_whoever_comes_next(shop: Shop) -> None:
    with opened(shop) as (spec, ports, freezer):
        lease = freeze(spec, ports, freezer, "ann", now())
        assert not lift(ports.store, "phased", freezer, after=now()), "its time is not over"
        assert lift(ports.store, "phased", freezer, after=lease.until)
        assert not is_frozen(shop)
        with pytest.raises(GateError, match="not frozen any more"):
            keep(ports.store, "phased", now())
        freeze(spec, ports, freezer, "ann", now() - timedelta(minutes=11))
        with pytest.raises(GateError, match="not frozen any more"):
            keep(ports.store, "phased", now())
        freeze(spec, ports, freezer, "bob", now())  # over the dead one
        assert last_lease(ports.store, "phased").by == "bob"  # type: ignore[union-attr]
        freeze(spec, ports, freezer, "bob", now())  # his own, after a try that died
        assert lift(ports.store, "phased", freezer)
        assert not is_frozen(shop)


class Broken:
    """A hook that freezes, and says that it could not."""

    def __init__(self, freezer: Freezer) -> None:
        self._freezer = freezer

    def freeze(self) -> None:
        self._freezer.freeze()
        raise SourceError("the answer was lost")

    def lift(self) -> None:
        self._freezer.lift()


def test_a_hook_that_fails_is_lifted(shop: Shop) -> None:
    with opened(shop) as (spec, ports, freezer):
        with suppress(SourceError):
            freeze(spec, ports, Broken(freezer), "ann", now())
        assert not is_frozen(shop)
        assert last_lease(ports.store, "phased").state == "lifted"  # type: ignore[union-attr]
