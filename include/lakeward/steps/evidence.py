"""Evidence read back: checked against its own hashes, and put into a ledger that was lost."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from pydantic import ValidationError

from lakeward.domain.evidence import Evidence, Transition, Verdict
from lakeward.domain.facts import from_json
from lakeward.domain.gate import evidence_hash
from lakeward.errors import LakeError
from lakeward.ports import Ledger, ObjectStore
from lakeward.steps.artifacts import key_of
from lakeward.steps.gate import KINDS, read_verdict


@dataclass(frozen=True, slots=True)
class Verified:
    """How much was looked at, and every object that is not as it was written."""

    sealed: int
    verdicts: int
    files: int
    wrong: tuple[str, ...]


def verify(store: ObjectStore) -> Verified:
    """Look at all evidence of a landing; nothing is written."""
    sealed, verdicts, files = 0, 0, 0
    wrong: list[str] = []
    for key, _ in store.list(""):
        kind = _kind(key)
        if kind == "sealed":
            sealed += 1
            wrong += _sealed(store, key)
        elif kind:
            verdicts += 1
            try:
                verdict = read_verdict(store, key)
            except LakeError as error:
                wrong.append(error.what)
                continue
            files += len(verdict.files)
            wrong += _files(store, verdict)
    return Verified(sealed, verdicts, files, tuple(wrong))


def _kind(key: str) -> str:
    """``sealed``, the kind of a verdict, or nothing: of ``<migration>/evidence/...``."""
    parts = key.split("/")
    if len(parts) < 4 or parts[1] != "evidence" or not key.endswith(".json"):
        return ""
    if parts[2] == "sealed":
        return "sealed"
    return parts[4] if len(parts) == 6 and parts[4] in KINDS else ""


def _sealed(store: ObjectStore, key: str) -> list[str]:
    found = store.get(key)
    try:
        evidence = from_json(Evidence, found[0] if found else b"")
    except ValidationError:
        return [f"{store.url(key)} can't be read"]
    named = key.rpartition("/")[2].removesuffix(".json")
    return [] if evidence_hash(evidence) == named else [f"{store.url(key)} has another hash than its name says"]


def _files(store: ObjectStore, verdict: Verdict) -> list[str]:
    wrong = []
    for file in verdict.files:
        found = store.get(key_of(store, file.url))
        if found is None:
            wrong.append(f"{file.url} is gone")
        elif file.checksum not in {found[1], hashlib.sha256(found[0]).hexdigest()}:  # the store's own, or ours
            wrong.append(f"{file.url} has another content than its verdict says")
    return wrong


def rebuild(migration: str, store: ObjectStore, ledger: Ledger) -> tuple[int, int]:
    """Record every verdict and transition of a migration; how many there are. Those that the ledger has stay as they are."""
    verdicts = [
        read_verdict(store, key) for key, _ in store.list(f"{migration}/evidence/") if _kind(key) not in {"", "sealed"}
    ]
    for verdict in sorted(verdicts, key=lambda v: v.decided_at):
        ledger.record_verdict(verdict)
    transitions = 0
    for key, _ in store.list(f"{migration}/transitions/"):
        if found := store.get(key):
            ledger.record_transition(from_json(Transition, found[0]))
            transitions += 1
    return len(verdicts), transitions
