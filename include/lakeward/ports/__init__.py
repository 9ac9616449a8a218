"""What the steps need of the world, as Protocols. Adapters implement them; in-memory twins ship beside the real ones."""

from __future__ import annotations

from dataclasses import dataclass

from lakeward.domain.signing import UNSIGNED, Signer
from lakeward.ports.engine import Engine, Input
from lakeward.ports.freezer import Freezer
from lakeward.ports.lake import FileStatistics, Lake, TableCommit, TableState
from lakeward.ports.ledger import Ledger, StepRecord
from lakeward.ports.source import CutReader, Horizon, Progress, Source, SourceIdentity, SourceLoad, silent
from lakeward.ports.store import Entry, ObjectStore
from lakeward.ports.validator import RuleResult, RuleSet, Validator

__all__ = [
    "CutReader",
    "Engine",
    "Entry",
    "FileStatistics",
    "Freezer",
    "Horizon",
    "Input",
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
    """Everything that a step may need, opened for one migration. ``signer`` signs what is recorded, if it has a key."""

    source: Source
    store: ObjectStore
    engine: Engine
    lake: Lake
    ledger: Ledger
    validator: Validator
    signer: Signer = UNSIGNED
