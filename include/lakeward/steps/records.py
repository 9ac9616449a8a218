"""Every record of every chain in a store, or in a copy of one, held against what it vouches for; nothing is written."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from lakeward.domain.chain import Chain, Record, number_of, read_chain, sha256, told
from lakeward.domain.evidence import Evidence, Pointer, State, Transition
from lakeward.domain.signing import Signer
from lakeward.domain.stored import from_json, is_stored
from lakeward.errors import UnreadableError
from lakeward.ports import ObjectStore

_NOW = re.compile(r"(^|/)now/[^/]+/[^/]+\.json$")
_NEEDS_RECORD = re.compile(
    r"(^|/)(sealed/[0-9a-f]{64}\.json|[a-z_]+/[^/]+-[0-9a-f]{16}\.json|now/[^/]+/[^/]+\.json|(transitions|approvals)/[^/]+\.json|dossiers/[^/]+)$"
)
_PLAN = re.compile(r"^(?P<base>(.*/)?)plans/[0-9a-f]{16}\.json$")


@dataclass(slots=True)
class Vouched:
    """What was found: faults, a line per chain, and notes, which are no faults."""

    wrong: list[str] = field(default_factory=list)
    chains: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def check_records(store: ObjectStore, keys: Sequence[str], signer: Signer, heads: Collection[str]) -> Vouched:
    """Look at all chains among these keys.

    :param heads: ``number:hash`` of records that must be there.
    """
    found = Vouched()
    bases = sorted({of[0] for key in keys if (of := number_of(key))})
    chains = [_Place(store, keys, base, signer) for base in bases]
    for place in chains:
        place.look(found)
    known = {key for place in chains for key in place.vouched}
    whole = (*bases, *(plan["base"] for key in keys if (plan := _PLAN.match(key))))
    for key in (key for key in keys if _NEEDS_RECORD.search(key) and key not in known):
        if _NOW.search(key):
            found.notes.append(f"{key}: is a look at figures that nobody recorded; it decides nothing")
        elif any(key.startswith(base) for base in whole):
            found.wrong.append(f"{key}: no record vouches for it")
        else:
            found.notes.append(f"{key}: can't be held against a record, this copy has no chain")
    for head in heads:
        if not any(place.chain.has(head) for place in chains):
            found.wrong.append(f"record {head}, which was noted, is not there any more")
    return found


class _Place:
    """One chain and what lies around it; ``base`` is the folder of its migration here."""

    def __init__(self, store: ObjectStore, keys: Sequence[str], base: str, signer: Signer) -> None:
        self._store, self._keys, self._base, self._signer = store, frozenset(keys), base, signer
        mine = [key for key in keys if (of := number_of(key)) and of[0] == base]
        self.chain: Chain = read_chain([(key, self._read(key)) for key in mine], signer)
        self.vouched: set[str] = set()

    def look(self, found: Vouched) -> None:
        """Hold every record against what it vouches for."""
        records = self.chain.records
        found.wrong += self.chain.wrong
        if records:
            found.chains.append(
                f"{records[0].migration}: {len(records)} records, the newest is {self.chain.head}; "
                f"{told(records, self._signer.trusted)}"
            )
        for record in self.chain.newest().values():
            found.wrong += self._object(record)
        for record in records:
            for key, known in record.files.items():
                self._file(record, key, known, found)
        found.wrong += self._bound()
        found.wrong += self._pointers()

    def _object(self, record: Record) -> Iterator[str]:
        at = self._at(record, record.key)
        self.vouched.add(at)
        if at not in self._keys:
            yield f"{at}: is gone, and record {record.number} vouches for it"
        elif sha256(self._read(at)) != record.sha256:
            yield f"{at}: is not what it was: record {record.number} vouches for another content"

    def _file(self, record: Record, key: str, known: str, found: Vouched) -> None:
        at = self._at(record, key)
        self.vouched.add(at)
        if at not in self._keys:
            cut = re.match(r"(.*/)?cuts/[^/]+/[^/]+/", at)
            if cut and not any(one.startswith(cut[0]) for one in self._keys):
                found.notes.append(f"{at}: its landing is not there any more; record {record.number} has its hash")
            else:
                found.wrong.append(f"{at}: is gone, and record {record.number} vouches for it")
        elif sha256(self._read(at)) != known:
            found.wrong.append(f"{at}: has another content than record {record.number} says")

    def _bound(self) -> Iterator[str]:
        """Sealed evidence names a record; when that is not there, the chain is another one."""
        for record in self._of_kind("evidence"):
            try:
                place = from_json(Evidence, record.content).chain
            except UnreadableError:
                continue  # told already: its hash is another
            if place and not self.chain.has(place):
                yield f"{record.key}: was sealed on record {place}, which is not there any more"

    def _pointers(self) -> Iterator[str]:
        """A pointer must be where the recorded transitions have moved it."""
        prefix = f"{self._base}pointers/"
        moves: list[Transition] = []
        for record in self._of_kind("transition"):
            try:
                moves.append(from_json(Transition, record.content))
            except UnreadableError:
                continue  # told already
        for key in sorted(k for k in self._keys if k.startswith(prefix)):
            data = self._read(key)
            try:
                pointer = from_json(Pointer, data)
            except UnreadableError:
                continue  # told by who reads pointers
            if not is_stored(pointer, data):
                yield f"{key}: is not what it was: its text is another"
            yield from (f"{key}: {what}" for what in _against(pointer, moves))

    def _of_kind(self, kind: str) -> Iterator[Record]:
        return (record for record in self.chain.records if record.kind == kind)

    def _at(self, record: Record, key: str) -> str:
        """Where an object lies here."""
        return f"{self._base}{key.removeprefix(f'{record.migration}/')}"

    def _read(self, key: str) -> bytes:
        found = self._store.get(key)
        return found[0] if found else b""


def _against(pointer: Pointer, moves: Sequence[Transition]) -> Iterator[str]:
    """What recorded transitions have against a pointer."""
    mine = [move for move in moves if pointer.group in move.groups and move.outcome in {"begun", "done", "reverted"}]
    done = [move for move in mine if move.outcome == "done"]
    if done and pointer.moved_at < max(move.at for move in done):
        yield "is older than the last recorded transition"
    by = [move for move in mine if move.at == pointer.moved_at]
    if not by and pointer.position and pointer.state is (done[-1].after if done else State.LEGACY):
        return  # batches of changes have moved it since
    if not by and pointer.state is not State.LEGACY:
        yield f"is in state {pointer.state.value}, and no recorded transition moved it"
    for move in by[:1]:
        if pointer.moved_by != move.by or (pointer.why != move.why and not pointer.why.startswith("taken back: ")):
            yield f"says that {pointer.moved_by} moved it ({pointer.why}), and the record says {move.by} ({move.why})"
        if pointer.state not in {move.after, move.before}:
            yield f"is in state {pointer.state.value}; the record says from {move.before.value} to {move.after.value}"
    if any(move.outcome == "done" for move in by) and pointer.state is not by[0].after:
        yield f"is in state {pointer.state.value}, and the recorded transition ended in {by[0].after.value}"
