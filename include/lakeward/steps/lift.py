"""A group of a hybrid that is read at one cut: it stays in parity, and is read anew when it no longer is."""

from __future__ import annotations

from datetime import datetime

from lakeward.ports import Ports, Progress, silent
from lakeward.spec.load import LoadedMigration
from lakeward.steps.artifacts import plan_of_published
from lakeward.steps.compare_now import compare_now
from lakeward.steps.journal import journal


def why_lift(loaded: LoadedMigration, name: str, ports: Ports, at: datetime, progress: Progress = silent) -> str:
    """Why a group must be read (anew); nothing when it was compared with the source as it is now, and all of it is equal.

    :raises LakewardError: something could not be measured.
    """
    plan = plan_of_published(ports.store, loaded.spec.migration, name)
    if plan is None:
        return "it has not been read yet"
    if plan.file_hash != loaded.file_hash:
        return "the file was changed since it was read"
    with journal(plan, ports, name, "parity", at) as entry:
        verdicts = compare_now(plan, ports, at, groups=[name], progress=progress)
        for verdict in verdicts:
            ports.ledger.record_verdict(verdict)
        entry.rows = sum(verdict.checked for verdict in verdicts)
        worse = [f"{verdict.kind} {verdict.subject}" for verdict in verdicts if verdict.failed]
        entry.message = f"{len(verdicts) - len(worse)} of {len(verdicts)} are equal"
    return f"the source has changed since it was read: {', '.join(worse)}" if worse else ""
