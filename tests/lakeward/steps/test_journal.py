"""What the ledger knows of a step: that it runs, and how it ended."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import cast

import pytest

from lakeward.adapters.ledger import MemoryLedger
from lakeward.domain.facts import Plan
from lakeward.errors import DataError
from lakeward.ports import Ports
from lakeward.steps.journal import journal

AT = datetime(2026, 11, 1, tzinfo=UTC)
PLAN = cast("Plan", SimpleNamespace(migration=SimpleNamespace(migration="shop"), run_key="run 1", groups=()))


def ports_of(ledger: MemoryLedger) -> Ports:
    return cast("Ports", SimpleNamespace(ledger=ledger))


def test_a_step_is_running_then_done() -> None:
    ledger = MemoryLedger()
    with journal(PLAN, ports_of(ledger), "sales", "extract", AT) as entry:
        (running,) = ledger.steps("shop", "run 1")
        entry.rows, entry.message = 7, "landed"
    (done,) = ledger.steps("shop", "run 1")
    assert (running.outcome, running.rows) == ("running", 0)
    assert replace(done, seconds=0.0) == replace(running, outcome="done", rows=7, message="landed", seconds=0.0)


def test_a_step_can_be_held() -> None:
    ledger = MemoryLedger()
    with journal(PLAN, ports_of(ledger), "sales", "compare", AT) as entry:
        entry.outcome = "held"
    assert [record.outcome for record in ledger.steps("shop")] == ["held"]


@pytest.mark.parametrize("error", [DataError("too many rows"), KeyboardInterrupt()])
def test_an_error_is_kept_and_goes_on(error: BaseException) -> None:
    ledger = MemoryLedger()
    with pytest.raises(type(error)), journal(PLAN, ports_of(ledger), "", "gate", AT):
        raise error
    (failed,) = ledger.steps("shop")
    assert (failed.outcome, failed.group) == ("failed", "")
    assert failed.message == (str(error) or "KeyboardInterrupt")
