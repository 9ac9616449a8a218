"""Evidence kept whole before an approval; every hash in it taken again afterwards; a lost ledger filled from it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from lakeward.domain.evidence import Evidence, Pointer, Transition, Verdict
from lakeward.domain.file_facts import FileFact, Manifest
from lakeward.domain.gate import evidence_hash
from lakeward.domain.identity import digest, sealed_key
from lakeward.domain.signing import UNSIGNED, Signer
from lakeward.domain.stored import from_json, to_json
from lakeward.errors import UnreadableError
from lakeward.ports import Ledger, ObjectStore
from lakeward.steps.chain import key_of_verdict
from lakeward.steps.gate import read_verdict
from lakeward.steps.records import check_records

_SEALED = re.compile(r"(^|/)sealed/(?P<hash>[0-9a-f]{64})\.json$")
_VERDICT = re.compile(r"(^|/)((kpi|rows|records|counts)/[^/]+-[0-9a-f]{16}|now/[^/]+/[^/]+)\.json$")
_NOW = re.compile(r"(^|/)now/[^/]+/[^/]+\.json$")
_POINTER = re.compile(r"(^|/)pointers/[^/]+\.json$")
_TRANSITION = re.compile(r"(^|/)transitions/[^/]+\.json$")
_MANIFEST = re.compile(r"(^|/)cuts/[^/]+/[^/]+/manifest\.json$")


@dataclass(frozen=True, slots=True)
class Verified:
    """How much was looked at, and every object that is not as it was written: none when nothing was changed since.

    ``chains`` tell per migration how many records there are, the newest one, and who signed; ``notes`` are no faults.
    """

    sealed: int
    verdicts: int
    files: int
    wrong: tuple[str, ...]
    chains: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def verify(store: ObjectStore, prefix: str = "", signer: Signer = UNSIGNED, heads: Collection[str] = ()) -> Verified:
    """Take every hash again: of records and what they vouch for, of files that verdicts and manifests name, of what pointers rely on.

    The store may be a copy, and may hold a part only: the whole landing, one migration, or its folder ``evidence``. What an
    object names is looked for in the copy, never where it lay once. Nothing is written.
    :param signer: whose signatures are trusted.
    :param heads: ``number:hash`` of records that somebody has noted, which must still be there.
    """
    keys = [key for key, _ in store.list(prefix)]
    check = _Check(store, keys)
    vouched = check_records(store, keys, signer, heads)
    wrong = tuple(dict.fromkeys((*vouched.wrong, *(told for key in keys for told in check.one(key)))))
    counts = sum(map(_is_sealed, keys)), sum(map(_is_verdict, keys)), check.files
    return Verified(*counts, wrong, tuple(vouched.chains), tuple(vouched.notes))


def rebuild(migration: str, store: ObjectStore, ledger: Ledger) -> tuple[int, int]:
    """Record every verdict and transition of a migration; how many there are. Those that the ledger has stay as they are."""
    keys = verdict_keys(store, migration)
    for verdict in sorted((read_verdict(store, key) for key in keys), key=lambda v: v.decided_at):
        ledger.record_verdict(verdict)
    listed = [key for key, _ in store.list(f"{migration}/transitions/")]
    transitions = [from_json(Transition, item[0], store.url(key)) for key in listed if (item := store.get(key))]
    for transition in sorted(transitions, key=lambda t: t.at):
        ledger.record_transition(transition)
    return len(keys), len(transitions)


def verdict_keys(store: ObjectStore, migration: str) -> list[str]:
    """Where the verdicts on a migration's cuts lie; figures of ``now`` are not among them."""
    return [key for key, _ in store.list(f"{migration}/evidence/") if _is_verdict(key) and not _NOW.search(key)]


def _is_sealed(key: str) -> bool:
    return _SEALED.search(key) is not None


def _is_verdict(key: str) -> bool:
    return _VERDICT.search(key) is not None


class _Check:
    """One pass over a store."""

    def __init__(self, store: ObjectStore, keys: Iterable[str]) -> None:
        self._store = store
        self._keys = frozenset(keys)
        self.files = 0

    def one(self, key: str) -> Iterator[str]:
        """What is wrong with one object; nothing for those that hold no hash."""
        for pattern, look in (
            (_SEALED, self._sealed),
            (_VERDICT, self._verdict),
            (_POINTER, self._pointer),
            (_TRANSITION, self._transition),
            (_MANIFEST, self._manifest),
        ):
            if pattern.search(key):
                try:
                    yield from look(key, self._read(key))
                except UnreadableError:
                    yield f"{key}: is not what it was: it can't be read"

    def _sealed(self, key: str, data: bytes) -> Iterator[str]:
        evidence = from_json(Evidence, data)
        found, named = evidence_hash(evidence), key.rsplit("/", 1)[1].removesuffix(".json")
        if found != named:
            yield f"{key}: the evidence has hash {found}"
        for verdict in evidence.verdicts:
            at = self._here(key_of_verdict(verdict))
            if at is None:
                yield f"{key}: its verdict {key_of_verdict(verdict)} is gone"
            elif self._read(at) != to_json(verdict):
                yield f"{at}: is another verdict than the one in {key}"

    def _verdict(self, key: str, data: bytes) -> Iterator[str]:
        verdict = from_json(Verdict, data)
        if not _NOW.search(key) and not _ends(key_of_verdict(verdict), key):
            yield f"{key}: is a verdict that belongs at {key_of_verdict(verdict)}"
        yield from self._files(key, verdict.files)

    def _manifest(self, key: str, data: bytes) -> Iterator[str]:
        yield from self._files(key, from_json(Manifest, data).figures)

    def _pointer(self, key: str, data: bytes) -> Iterator[str]:
        pointer = from_json(Pointer, data)
        if not pointer.evidence_hash:
            return
        at = self._here(sealed_key(pointer.migration, pointer.evidence_hash))
        if at is None:
            yield f"{key}: its evidence {pointer.evidence_hash} is gone"
            return
        evidence = from_json(Evidence, self._read(at))
        if pointer.position:
            return  # what follows a change log goes on after it was approved
        pinned = evidence.cuts.get(pointer.group), evidence.tables.get(pointer.group)
        if (pointer.cut_id, pointer.content) != pinned:
            yield f"{key}: shows another cut or other snapshots than its evidence {at}"

    def _transition(self, key: str, data: bytes) -> Iterator[str]:
        transition = from_json(Transition, data)
        if transition.outcome == "done" and transition.evidence_hash:
            named = sealed_key(transition.migration, transition.evidence_hash)
            if self._here(named) is None:
                yield f"{key}: its evidence {transition.evidence_hash} is gone"
        if not key.endswith(f"-{digest(data, length=8)}-{digest('run', transition.run_key, length=8)}.json"):
            yield f"{key}: is not what it was: its name has another hash"

    def _files(self, key: str, files: Iterable[FileFact]) -> Iterator[str]:
        for file in files:
            self.files += 1
            at = self._here(file.url)
            if at is None:
                if not re.search(r"/cuts/[^/]+/[^/]+/landing/", file.url) or key.endswith("/manifest.json"):
                    yield f"{key}: its file {file.url} is gone"
                continue  # figures of the source lie in the landing, which a copy of the evidence may lack
            if file.checksum not in self._checksums(at):
                yield f"{at}: has another content than {key} says"

    def _checksums(self, key: str) -> set[str]:
        """What a file's checksum may be: the etag that this store gives, or S3 gave where it lay; or a sha256 of ours."""
        data, etag = self._store.get(key) or (b"", "")
        md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
        return {etag, f'"{md5}"', md5, hashlib.sha256(data).hexdigest(), digest(data)}

    def _here(self, name: str) -> str | None:
        """The key in this store of what was called ``name`` (a URL or a whole key): the longest end of it that is there."""
        parts = name.split("/")
        ends = ("/".join(parts[n:]) for n in range(len(parts) - 1))
        return next((end for end in ends if end in self._keys), None)

    def _read(self, key: str) -> bytes:
        found = self._store.get(key)
        return found[0] if found else b""


def _ends(whole: str, key: str) -> bool:
    """Whether a key of a partial copy, or one below a prefix, is this object's."""
    return whole.endswith(f"/{key}") or key.endswith(f"/{whole}") or whole == key
