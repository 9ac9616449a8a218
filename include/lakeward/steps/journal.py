"""How a step went, kept in the ledger by whoever runs it: running, then done, held or failed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from lakeward.domain.facts import Plan
from lakeward.ports import Ledger, Ports, StepRecord
from lakeward.steps.stock import tell_pointers


@dataclass(slots=True)
class Entry:
    """What the step tells of itself; ``seconds`` is known at its end."""

    rows: int = 0
    message: str = ""
    outcome: str = "done"
    seconds: float = 0.0


@contextmanager
def journal(plan: Plan, ports: Ports, group: str, step: str, at: datetime) -> Iterator[Entry]:
    """Keep one execution of a step, and afterwards where the pointers are; an error is kept as ``failed`` and goes on.

    :param group: empty for what concerns the whole run.
    """
    try:
        with entered(ports.ledger, plan.migration.migration, plan.run_key, group, step, at) as entry:
            yield entry
    finally:
        tell_pointers(plan, ports, (group,) if group else ())


@contextmanager
def entered(ledger: Ledger, migration: str, run_key: str, group: str, step: str, at: datetime) -> Iterator[Entry]:
    """Keep one execution of a step, of a run that may have no plan yet."""
    entry, started = Entry(), time.monotonic()

    def keep(outcome: str, message: str) -> None:
        entry.seconds = round(time.monotonic() - started, 3)
        ledger.record_step(
            StepRecord(migration, run_key, group, step, outcome, at, entry.seconds, entry.rows, message[:500])
        )

    keep("running", "")
    try:
        yield entry
    except BaseException as error:
        keep("failed", str(error) or type(error).__name__)
        raise
    keep(entry.outcome, entry.message)
