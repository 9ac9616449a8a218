"""Evidence verified in a folder: every hash is taken again, and every change since is named."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lakeward.adapters.objects import LocalStore, MemoryStore
from lakeward.domain.evidence import Evidence, Outcome, Pointer, State, Transition, Verdict
from lakeward.domain.file_facts import FileFact, Manifest
from lakeward.domain.gate import canonical, evidence_hash
from lakeward.domain.identity import digest, manifest_key, pointer_key, sealed_key, transition_key, verdict_key
from lakeward.domain.stored import from_json, to_json
from lakeward.errors import LakeError
from lakeward.ports import ObjectStore
from lakeward.reader import resolve
from lakeward.steps.evidence import verify

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
PREFIX = "retail/evidence/sales/c1"


def put(store: ObjectStore, key: str, data: bytes) -> FileFact:
    store.put(key, data)
    return FileFact(store.url(key), 1, len(data), digest(data))


def filled(store: ObjectStore) -> str:
    """A cut's evidence, approved and cut over; the evidence's hash."""
    figures = put(store, "retail/cuts/sales/c1/landing/first/figures/revenue.parquet", b"source")
    lake = put(store, f"{PREFIX}/kpi/revenue-lake.parquet", b"lake")
    verdict = Verdict(
        "kpi", "revenue", "retail", "sales", "c1", Outcome.PASS, "a" * 64, "equal", 1, 0, AT, files=(figures, lake)
    )
    store.put(verdict_key("retail", "sales", "c1", "kpi", "revenue", "a" * 64), to_json(verdict))
    manifest = Manifest("retail", "sales", "c1", "run", "f", "v", "s", AT, "db", (), (figures,))
    store.put(manifest_key("retail", "sales", "c1"), to_json(manifest))
    evidence = Evidence(
        "retail", "run", "f", "v", {"sales": "c1"}, {"sales": {"ns.t": 7}}, {"sales": {"ns.t": (1, 1, 0)}}, (verdict,)
    )
    found = evidence_hash(evidence)
    store.put(sealed_key("retail", found), canonical(evidence))
    pointer = Pointer("retail", "sales", State.WRITERS, 2, "c1", {"ns.t": 7}, found, AT, "Ann", "", State.LEGACY)
    store.put(pointer_key("retail", "sales"), to_json(pointer))
    done = Transition("retail", "run", ("sales",), State.LEGACY, State.WRITERS, found, "Ann", "", AT, "done")
    stamp = f"20261122T120000.000000Z-done-{digest(to_json(done), length=8)}"
    store.put(transition_key("retail", stamp, "run"), to_json(done))
    return found


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "landing")


def only(store: ObjectStore, said: str) -> None:
    """Exactly one thing is wrong."""
    wrong = verify(store).wrong
    assert len(wrong) == 1, wrong
    assert said in wrong[0]


def test_untouched_evidence_agrees(store: LocalStore) -> None:
    filled(store)
    found = verify(store)
    assert found.wrong == ()
    assert (found.sealed, found.verdicts, found.files) == (1, 1, 3)  # the source's figures are named twice


@pytest.mark.parametrize("part", ["retail", "retail/evidence"])
def test_a_copy_of_a_part_is_verified_by_itself(store: LocalStore, tmp_path: Path, part: str) -> None:
    filled(store)
    copy = tmp_path / "elsewhere"
    shutil.copytree(Path(store.root) / part, copy)
    (Path(store.root) / f"{PREFIX}/kpi/revenue-lake.parquet").write_bytes(b"changed where it came from")
    assert verify(LocalStore(copy)).wrong == ()
    (copy / f"{PREFIX.removeprefix(part + '/')}/kpi/revenue-lake.parquet").write_bytes(b"changed")
    only(LocalStore(copy), "has another content than")


def test_other_stores_are_verified_alike() -> None:
    store = MemoryStore("s3://bucket/prefix")
    filled(store)
    assert verify(store, "retail/").wrong == ()
    assert verify(store, "nothing/").sealed == 0


@pytest.mark.parametrize(
    "key", ["retail/cuts/sales/c1/landing/first/figures/revenue.parquet", f"{PREFIX}/kpi/revenue-lake.parquet"]
)
def test_a_file_that_was_changed_is_named(store: LocalStore, key: str) -> None:
    filled(store)
    store.put(key, b"other")
    found = verify(store).wrong
    assert found
    assert all(key in told and "another content" in told for told in found)
    store.delete([key])
    assert all(key in told and "is gone" in told for told in verify(store).wrong)
    assert verify(store).wrong


def test_an_edited_verdict_is_named(store: LocalStore) -> None:
    found = filled(store)
    key = verdict_key("retail", "sales", "c1", "kpi", "revenue", "a" * 64)
    data = store.get(key)
    assert data is not None
    store.put(key, data[0].replace(b'"equal"', b'"EQUAL"'))
    only(store, f"{key}: is another verdict than the one in {sealed_key('retail', found)}")
    store.delete([key])
    only(store, "is gone")


def test_edited_sealed_evidence_is_named(store: LocalStore) -> None:
    found = filled(store)
    key = sealed_key("retail", found)
    data = store.get(key)
    assert data is not None
    evidence = from_json(Evidence, data[0])
    other = replace(evidence, rows={"sales": {"ns.t": (2, 2, 0)}})
    store.put(key, to_json(other))
    only(store, f"{key}: the evidence has hash {evidence_hash(other)}")
    store.put(key, b"{}")
    assert any("can't be read" in told for told in verify(store).wrong)


def test_a_pointer_without_its_evidence_is_named(store: LocalStore) -> None:
    found = filled(store)
    pointer = resolve(store, "retail", "sales")
    store.put(pointer_key("retail", "sales"), to_json(replace(pointer, tables={"ns.t": 8})))
    only(store, "shows another cut or other snapshots")
    store.put(pointer_key("retail", "sales"), to_json(pointer))
    store.delete([sealed_key("retail", found)])
    told = verify(store).wrong
    assert len(told) == 2, "the pointer's and the transition's"
    assert all(found in one and "is gone" in one for one in told)


def test_an_edited_transition_is_named(store: LocalStore) -> None:
    filled(store)
    ((key, _),) = store.list("retail/transitions/")
    data = store.get(key)
    assert data is not None
    store.put(key, data[0].replace(b"Ann", b"Bob"))
    only(store, f"{key}: is not what it was")


def test_readers_of_an_unpublished_group_are_told() -> None:
    with pytest.raises(LakeError, match="Group sales of retail was never published"):
        resolve(MemoryStore(), "retail", "sales")


def test_readers_resolve_what_is_pinned(store: LocalStore) -> None:
    filled(store)
    pointer = resolve(store, "retail", "sales")
    assert (pointer.state, pointer.tables) == (State.WRITERS, {"ns.t": 7})
