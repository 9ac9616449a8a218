"""What the steps need of the world, as Protocols. Adapters implement them; in-memory twins ship beside the real ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from lakeward.domain.signing import UNSIGNED, Signer
from lakeward.ports.changes import ChangeLog, ChangeStream
from lakeward.ports.engine import Engine, Input
from lakeward.ports.freezer import Freezer
from lakeward.ports.lake import FileStatistics, Finder, KeyedChange, Lake, TableCommit, TableState
from lakeward.ports.ledger import Ledger, StepRecord
from lakeward.ports.source import CutReader, Horizon, Progress, Source, SourceIdentity, SourceLoad, silent
from lakeward.ports.store import Entry, ObjectStore
from lakeward.ports.validator import RuleResult, RuleSet, Validator

__all__ = [
    "ChangeLog",
    "ChangeStream",
    "CutReader",
    "Engine",
    "Entry",
    "FileStatistics",
    "Finder",
    "Freezer",
    "Horizon",
    "Input",
    "KeyedChange",
    "Lake",
    "Ledger",
    "ObjectStore",
    "Ports",
    "Progress",
    "RuleResult",
    "RuleSet",
    "Source",
    "SourceIdentity",
    "SourceLoad",
    "StepRecord",
    "TableCommit",
    "TableState",
    "Validator",
    "silent",
]


@dataclass(frozen=True, slots=True)
class Ports:
    """Everything that a step may need, opened for one migration. ``signer`` signs what is recorded, if it has a key.

    ``log`` gives the source's change log for a group, in a migration that follows it. ``timed`` gives the seconds that a SELECT
    takes at the source until its last row is fetched, read only; LakewardError when it fails or takes longer than the limit.
    """

    source: Source
    store: ObjectStore
    engine: Engine
    lake: Lake
    ledger: Ledger
    validator: Validator
    signer: Signer = UNSIGNED
    log: Callable[[str], ChangeLog] | None = None
    timed: Callable[[str, timedelta], float] | None = None
