"""Evidence is stored through its chain: first the record, which holds it, then the object; no lock, and no clock.

Records are numbered objects, and a conditional write decides who gets a number. Whoever appends first stores what the last
record holds, so that all but the last are known to be stored: a process may die anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Lock
from weakref import WeakKeyDictionary

from lakeward.domain.chain import NONE, Chain, Entry, Record, follow, number_of, read_chain, sha256
from lakeward.domain.evidence import Evidence, Outcome, Verdict
from lakeward.domain.identity import chain_key, chain_prefix, verdict_key
from lakeward.domain.signing import Signer
from lakeward.domain.stored import from_json, to_json
from lakeward.errors import ConflictError, LakeError, UnreadableError
from lakeward.ports import Entry as Stored
from lakeward.ports import ObjectStore, Ports
from lakeward.steps.artifacts import key_of

_TRIES = 200
_READERS = 8
_LOOKED_AT: WeakKeyDictionary[ObjectStore, dict[tuple[str, frozenset[str]], tuple[tuple[Stored, ...], Chain]]] = (
    WeakKeyDictionary()
)
"""Chains with which nothing was wrong, and the etags of their records; one that is written anew has another."""
_LOCK = Lock()


def keep_verdict(ports: Ports, verdict: Verdict) -> Verdict:
    """Record and store a verdict, then tell the ledger; the verdict that stands.

    The first one on the same inputs stands. Only an ``error``, which measured nothing, makes way.
    """
    key = key_of_verdict(verdict)
    data = keep(ports, _entry(ports, key, verdict))
    stands = verdict if verdict.outcome is Outcome.ERROR else verdict_in(ports.store, key, data)
    ports.ledger.record_verdict(stands)
    return stands


def keep_look(ports: Ports, key: str, verdict: Verdict) -> None:
    """Store a verdict that decides nothing; it is recorded unless the chain is signed and there is no key here."""
    head = redo(ports.store, verdict.migration)
    if head and head.public_key and not ports.signer.secret:
        ports.store.put(key, to_json(verdict))
    else:
        keep(ports, _entry(ports, key, verdict))


def standing_verdict(ports: Ports, verdict: Verdict | None, key: str) -> Verdict | None:
    """The verdict on these inputs that was reached before: what the ledger knows, else what is recorded and stored; no ``error``.

    A process that died after the record and before the object is the last one that recorded: ``redo`` comes first.
    """
    redo(ports.store, key.split("/", 1)[0])
    if verdict is not None:
        if ports.store.get(key) is None and not _put_back(ports, verdict.migration, key):
            return keep_verdict(ports, verdict)
        return verdict
    if (found := ports.store.get(key)) is None:
        return None
    record = chain_of(ports.store, key.split("/", 1)[0], ports.signer).newest().get(key)
    if record is None or record.outcome == Outcome.ERROR or record.content.encode() != found[0]:
        return None
    if any(_hash(ports.store, name) != known for name, known in record.files.items()):
        return None  # what it rests on was changed: it is looked at again
    stored = verdict_in(ports.store, key, found[0])
    ports.ledger.record_verdict(stored)
    return stored


def verdict_in(store: ObjectStore, key: str, data: bytes) -> Verdict:
    """A stored verdict; LakeError when it is unreadable or not the one that its key names."""
    try:
        verdict = from_json(Verdict, data)
    except UnreadableError:
        raise LakeError(
            f"The evidence at {store.url(key)} can't be read.", todo="Restore it, or delete it and compare again."
        ) from None
    if (named := key_of_verdict(verdict)) != key:
        raise LakeError(
            f"The evidence at {store.url(key)} is a verdict that belongs at {named}.",
            todo="Somebody has moved or edited evidence: restore it, or delete it and compare again.",
        )
    return verdict


def key_of_verdict(verdict: Verdict) -> str:
    """Where a verdict belongs."""
    return verdict_key(
        verdict.migration, verdict.group, verdict.cut_id, verdict.kind, verdict.subject, verdict.inputs_hash
    )


def keep(ports: Ports, entry: Entry) -> bytes:
    """Record an entry and store its object; what stands there now, which is somebody else's when they were first.

    Keys of ``files`` whose hash is empty get the sha256 of the object that is there.
    :raises LakeError: the chain is signed and there is no key here; or a file is gone.
    """
    store, content = ports.store, entry.content.encode()
    hashed = _hashed(store, entry)

    def make(head: Record | None) -> Record | None:
        found = store.get(entry.key)
        if found and not _makes_way(entry, found[0], content):
            return None
        if found is None and entry.kind != "verdict" and _put_back(ports, entry.migration, entry.key):
            return None  # somebody has deleted it: its record is there
        return follow(head, hashed, ports.signer, sha256(found[0]) if found else "")

    append(ports, entry.migration, make)
    found = store.get(entry.key)
    return found[0] if found else content


def append(ports: Ports, migration: str, make: Callable[[Record | None], Record | None]) -> Record | None:
    """Append the record that ``make`` gives for the head that it is given; None when it gives none.

    :raises ConflictError: others were quicker, again and again.
    """
    for _ in range(_TRIES):
        head = redo(ports.store, migration)
        record = make(head)
        if record is None:
            return None
        _require_key(ports, migration, head)
        if ports.store.put_new(chain_key(migration, record.number), to_json(record)):
            _store(ports.store, record)
            return record
    raise ConflictError(
        f"Records of {migration} are appended by others all the time: {_TRIES} tries.", todo="Run the step again."
    )


def require_key(ports: Ports, migration: str) -> None:
    """LakeError when the chain is signed and there is no key here: what is done now could not be recorded."""
    _require_key(ports, migration, redo(ports.store, migration))


def redo(store: ObjectStore, migration: str) -> Record | None:
    """The newest record, after its object was stored, if the process that wrote it did not come to that."""
    keys = [key for key, _ in store.list(chain_prefix(migration)) if number_of(key)]
    if not keys:
        return None
    found = store.get(max(keys))
    try:
        record = from_json(Record, found[0] if found else b"")
    except UnreadableError:
        raise LakeError(
            f"The record {store.url(max(keys))} can't be read.", todo="Restore it from the store's versions."
        ) from None
    _store(store, record)
    return record


def chain_of(store: ObjectStore, migration: str, signer: Signer) -> Chain:
    """All records of a migration, looked at; those that this process has looked at before only if one of them was written since."""
    entries = tuple(entry for entry in store.entries(chain_prefix(migration)) if number_of(entry.key))
    with _LOCK:
        seen, known = _LOOKED_AT.setdefault(store, {}).get((migration, signer.trusted), ((), NONE))
    if entries[: len(seen)] != seen:
        seen, known = (), NONE
    keys = [entry.key for entry in entries[len(seen) :]]
    with ThreadPoolExecutor(_READERS) as pool:
        found = pool.map(store.get, keys)
        objects = [(key, item[0] if item else b"") for key, item in zip(keys, found, strict=True)]
    chain = read_chain(objects, signer, known)
    if not chain.wrong:
        with _LOCK:
            _LOOKED_AT[store][migration, signer.trusted] = entries, chain
    return chain


def records_of(chain: Chain, evidence: Evidence) -> tuple[Record, ...]:
    """The records that vouch for the verdicts, in their order."""
    newest = chain.newest()
    found = (newest[key] for verdict in evidence.verdicts if (key := key_of_verdict(verdict)) in newest)
    return tuple(sorted(found, key=lambda record: record.number))


def objections(ports: Ports, chain: Chain, evidence: Evidence, *, signed: bool) -> Iterator[str]:
    """What the chain has against the evidence of a run: a broken chain, a verdict or file that is not what was recorded.

    :param signed: whether every verdict must be signed by a trusted key.
    """
    yield from (f"the chain of records is broken: {what}" for what in chain.wrong)
    newest = chain.newest()
    for verdict in sorted(evidence.verdicts, key=key_of_verdict):
        name = f"{verdict.group}: {verdict.kind} {verdict.subject}"
        record = newest.get(key_of_verdict(verdict))
        if record is None:
            yield f"{name}: no record vouches for the verdict"
            continue
        if record.content.encode() != to_json(verdict):
            yield f"{name}: the verdict is not what record {record.number} vouches for"
        changed = [key for key, known in record.files.items() if _hash(ports.store, key) != known]
        yield from (f"{name}: {key} is not what record {record.number} vouches for" for key in changed)
        if signed and record.fingerprint not in ports.signer.trusted:
            yield f"{name}: record {record.number} is not signed by a trusted key, and the migration file demands it"
    if chain.records and chain.records[-1].public_key and not ports.signer.secret:
        yield "the records are signed, and there is no key here to sign with: define the connection lakeward_signing"


def _entry(ports: Ports, key: str, verdict: Verdict) -> Entry:
    files = {key_of(ports.store, file.url): "" for file in verdict.files}
    content = to_json(verdict).decode()
    return Entry(verdict.migration, "verdict", verdict.outcome.value, key, content, verdict.decided_at, files)


def _store(store: ObjectStore, record: Record) -> None:
    """Store what a record holds, unless something else than what it replaces is there: that is told by who verifies."""
    if not record.content:
        return
    data, found = record.content.encode(), store.get(record.key)
    if found is None:
        store.put_new(record.key, data)
    elif record.instead and sha256(found[0]) == record.instead:
        store.put_if(record.key, data, found[1])


def _hashed(store: ObjectStore, entry: Entry) -> Entry:
    wanting = [key for key, known in entry.files.items() if not known]
    if not wanting:
        return entry
    files = dict(entry.files)
    for key in wanting:
        if (found := _hash(store, key)) is None:
            raise LakeError(f"{store.url(key)} is gone, which the evidence names.", todo="Start a new run.")
        files[key] = found
    return replace(entry, files=files)


def _hash(store: ObjectStore, key: str) -> str | None:
    found = store.get(key)
    return sha256(found[0]) if found else None


def _require_key(ports: Ports, migration: str, head: Record | None) -> None:
    if head and head.public_key and not ports.signer.secret:
        raise LakeError(
            f"The evidence of {migration} is signed, and there is no key here to sign with.",
            todo="Define the connection `lakeward_signing` for every worker: docs/evidence.md.",
        )


def _makes_way(entry: Entry, there: bytes, content: bytes) -> bool:
    """Whether what is stored gives way: an ``error`` to a verdict."""
    if entry.kind != "verdict" or entry.outcome == Outcome.ERROR or there == content:
        return False
    try:
        return from_json(Verdict, there).outcome is Outcome.ERROR
    except UnreadableError:
        return False


def _put_back(ports: Ports, migration: str, key: str) -> bool:
    """Store a deleted object from its record, if there is one."""
    record = chain_of(ports.store, migration, ports.signer).newest().get(key)
    if record is None:
        return False
    ports.store.put_new(key, record.content.encode())
    return True
