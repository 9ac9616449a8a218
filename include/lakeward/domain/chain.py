"""The chain of records that vouch for evidence: how one is made, and what is wrong with those that are there. Pure.

A record holds what it vouches for, and is written first: what a process that died has recorded and not stored can be stored from it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from lakeward import __version__
from lakeward.domain.identity import chain_key
from lakeward.domain.signing import Signer, fingerprint_of, is_signed_by
from lakeward.domain.stored import from_json, to_json
from lakeward.errors import SpecError, UnreadableError

_NUMBER = re.compile(r"^(?P<base>(.*/)?)chain/(?P<number>\d{8})\.json$")


@dataclass(frozen=True, slots=True)
class Entry:
    """What is to be recorded: an object of the evidence with its content, and the hashes of files that it names.

    ``content`` is empty for a record that vouches for files alone. ``files`` maps keys to sha256.
    """

    migration: str
    kind: str  # verdict, evidence, approval, transition, dossier
    outcome: str
    key: str
    content: str
    at: datetime
    files: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Record:
    """One link. ``before`` is the hash of the record before, ``hash`` covers all but itself and the signature.

    ``instead`` is the sha256 of what the object held before: only a verdict ``error`` is ever replaced.
    """

    migration: str
    number: int
    before: str
    kind: str
    outcome: str
    key: str
    sha256: str
    instead: str
    files: dict[str, str]
    at: datetime
    version: str
    content: str
    public_key: str = ""
    fingerprint: str = ""
    hash: str = ""
    signature: str = ""

    @property
    def place(self) -> str:
        """Number and hash in one word, by which others bind to the chain up to here."""
        return f"{self.number}:{self.hash}"


def follow(head: Record | None, entry: Entry, signer: Signer, instead: str = "") -> Record:
    """The record of an entry that comes after ``head``, signed if there is a key."""
    record = Record(
        migration=entry.migration,
        number=head.number + 1 if head else 1,
        before=head.hash if head else "",
        kind=entry.kind,
        outcome=entry.outcome,
        key=entry.key,
        sha256=sha256(entry.content.encode()) if entry.content else "",
        instead=instead,
        files=dict(sorted(entry.files.items())),
        at=entry.at,
        version=__version__,
        content=entry.content,
        public_key=signer.public,
        fingerprint=fingerprint_of(signer.public) if signer.public else "",
    )
    data = to_json(record)
    return replace(record, hash=sha256(data), signature=signer.sign(data) if signer.secret else "")


def sha256(data: bytes) -> str:
    """64 hex digits."""
    return hashlib.sha256(data).hexdigest()


def number_of(key: str) -> tuple[str, int] | None:
    """What stands before ``chain/`` in the key of a record, and its number; None for other keys."""
    found = _NUMBER.match(key)
    return (found["base"], int(found["number"])) if found else None


@dataclass(frozen=True, slots=True)
class Chain:
    """The records of a migration that could be read, in their order, and everything that is wrong with them."""

    records: tuple[Record, ...] = ()
    wrong: tuple[str, ...] = ()

    @property
    def head(self) -> str:
        """Number and hash of the newest record; empty when there is none."""
        return self.records[-1].place if self.records else ""

    def newest(self) -> dict[str, Record]:
        """Per object the record that vouches for it as it is now."""
        return {record.key: record for record in self.records if record.content}

    def has(self, place: str) -> bool:
        """Whether a record of that number and hash is there."""
        return any(record.place == place for record in self.records)


NONE = Chain()


def read_chain(objects: Sequence[tuple[str, bytes]], signer: Signer, known: Chain = NONE) -> Chain:
    """Look at all records of one chain.

    :param objects: key and content, in whatever order.
    :param signer: whose signatures are trusted; when it trusts nobody, a right signature of anybody will do.
    :param known: its first records, with which nothing was wrong, looked at before; ``objects`` are those after them.
    """
    records = list(known.records)
    wrong: list[str] = []
    expected = len(records) + 1
    for key, data in sorted(objects):
        _, number = number_of(key) or ("", 0)
        if number > expected:
            gone = str(expected) if number == expected + 1 else f"{expected} to {number - 1}"
            wrong.append(f"{key}: record {gone} is missing before it")
        before = records[-1] if records and records[-1].number == number - 1 else None
        record = _parsed(data)
        if record is None:
            wrong.append(f"{key}: is not what it was: it is no record")
        else:
            wrong += [f"{key}: {what}" for what in _faults(record, number, before, records, signer)]
            records.append(record)
        expected = number + 1
    wrong += [f"{key}: {what}" for key, what in _replaced(records)]
    return Chain(tuple(records), tuple(wrong))


def told(records: Sequence[Record], trusted: frozenset[str]) -> str:
    """In words, by whom records are signed."""
    if not records:
        return "there are no records"
    by = [record.fingerprint for record in records]
    if not any(by):
        return f"none of the {len(by)} records is signed"
    parts = []
    for one in dict.fromkeys(by):
        which = f"{by.count(one)} of {len(by)} records are" if len(set(by)) > 1 else "all records are"
        if not one:
            parts.append(f"{which} not signed")
        elif one in trusted:
            parts.append(f"{which} signed by the trusted key {one[:16]}")
        elif trusted:
            parts.append(f"{which} signed by the key {one[:16]}, which is NOT trusted")
        else:
            parts.append(f"{which} signed by the key {one[:16]}, not checked against a trusted key")
    return "; ".join(parts)


def _parsed(data: bytes) -> Record | None:
    """The record, if these are its very bytes."""
    try:
        record = from_json(Record, data)
    except UnreadableError:
        return None
    return record if to_json(record) == data else None


def _faults(
    record: Record, number: int, before: Record | None, earlier: Sequence[Record], signer: Signer
) -> Iterator[str]:
    if record.number != number:
        yield f"is record {record.number}: records were reordered"
    if before is not None and record.before != before.hash:
        yield f"does not follow record {before.number} as it is now"
    if number == 1 and record.before:
        yield "is the first, and names one before"
    if earlier and record.migration != earlier[0].migration:
        yield f"belongs to another migration, {record.migration}"
    if record.key and not record.key.startswith(f"{record.migration}/"):
        yield f"vouches for {record.key}, which is another migration's"
    unsigned = to_json(replace(record, hash="", signature=""))
    if sha256(unsigned) != record.hash or (record.content and sha256(record.content.encode()) != record.sha256):
        yield "is not what it was: its hash is another"
    yield from _signature_faults(record, unsigned, earlier, signer)


def _signature_faults(record: Record, unsigned: bytes, earlier: Sequence[Record], signer: Signer) -> Iterator[str]:
    if not (record.public_key or record.signature or record.fingerprint):
        if any(one.public_key for one in earlier):
            yield "is not signed, though records before it are"
        return
    try:
        fingerprint = fingerprint_of(record.public_key)
    except SpecError:
        fingerprint = ""
    if fingerprint != record.fingerprint or not is_signed_by(record.public_key, unsigned, record.signature):
        yield "its signature is wrong"
    elif signer.trusted and record.fingerprint not in signer.trusted:
        yield f"is signed by the key {record.fingerprint}, which is not trusted"


def _replaced(records: Sequence[Record]) -> Iterator[tuple[str, str]]:
    """Records of an object that had one already; only an ``error`` may have been followed by a verdict."""
    known: dict[str, Record] = {}
    for record in (one for one in records if one.content):
        old = known.get(record.key)
        if old is not None and (old.outcome != "error" or old.kind != "verdict" or record.instead != old.sha256):
            yield (
                chain_key(record.migration, record.number),
                f"vouches for other content of {record.key} than record {old.number}",
            )
        known[record.key] = record
