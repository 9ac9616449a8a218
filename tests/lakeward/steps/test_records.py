"""A real run's evidence, signed: whatever is changed, taken out, put in or signed by another is found."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import switch_world as sw

from lakeward.adapters.objects import LocalStore, MemoryStore
from lakeward.domain.chain import Entry, Record, follow, read_chain
from lakeward.domain.evidence import Approval, Verdict
from lakeward.domain.identity import chain_key, chain_prefix, pointer_key
from lakeward.domain.signing import UNSIGNED, Signer, new_pair, signer_of
from lakeward.domain.stored import from_json, to_json
from lakeward.lab import Lab
from lakeward.steps.approve import keep_approval
from lakeward.steps.chain import chain_of, key_of_verdict
from lakeward.steps.compare import compare
from lakeward.steps.dossier import keep_dossier
from lakeward.steps.evidence import verify
from lakeward.steps.gate import collect_evidence, evaluate, judge
from lakeward.steps.switch import cut_back, cut_over

NAME = "recorded"
SECRET, PUBLIC = new_pair()
OURS, THEIRS = signer_of(SECRET), signer_of(new_pair()[0])
Objects = dict[str, bytes]


@pytest.fixture(scope="module")
def world(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[sw.World]:
    os.environ["AIRFLOW_CONN_LAKEWARD_SIGNING"] = f'{{"conn_type": "generic", "password": "{SECRET}"}}'
    try:
        folder = tmp_path_factory.mktemp("records")
        with sw.world(folder, NAME, {"notes": 3}, more="gate: {signed: true}\n") as found:
            yield found
    finally:
        del os.environ["AIRFLOW_CONN_LAKEWARD_SIGNING"]


@pytest.fixture(scope="module")
def kept(world: sw.World) -> Objects:
    """All that a run has left which was approved, cut over, cut back and cut over again; its landed rows aside."""
    store, at = world.ports.store, sw.AT
    approval = Approval(NAME, "run 1", world.approved, approved=True, by="Ann", why="ok", at=at, source_frozen=True)
    keep_approval(world.ports, replace(approval, accept_quarantine="notes are old"))
    asked = {**world.ask(), "accept_quarantine": "notes are old"}
    cut_over(world.plan, world.ports, **asked)  # type: ignore[arg-type]
    cut_back(world.plan, world.ports, by="Bob", why="odd", at=at + timedelta(minutes=5))
    cut_over(world.plan, world.ports, **{**asked, "at": at + timedelta(minutes=9)})  # type: ignore[arg-type]
    keep_dossier(world.plan, world.ports)
    keys = [key for key, _ in store.list("") if "/landing/" not in key or "/figures/" in key or "/rows/" in key]
    return {key: (store.get(key) or (b"", ""))[0] for key in keys}


@pytest.fixture
def store(kept: Objects) -> MemoryStore:
    return filled(kept)


def filled(objects: Objects) -> MemoryStore:
    store = MemoryStore()
    for key, data in objects.items():
        store.put(key, data)
    return store


def wrong(store: MemoryStore, signer: Signer = OURS, *heads: str) -> tuple[str, ...]:
    return verify(store, signer=signer, heads=heads).wrong


def changed(store: MemoryStore, key: str, change: Callable[[bytes], bytes]) -> None:
    found = store.get(key)
    assert found is not None
    store.put(key, change(found[0]))


def evidence_of(kept: Objects) -> list[str]:
    """Every object that proves something; pointers and the claim move, and are held against what is recorded."""
    return sorted(key for key in kept if "/pointers/" not in key and "/switch/" not in key)


def test_an_untouched_run_is_good(store: MemoryStore, kept: Objects) -> None:
    found = verify(store, signer=OURS)
    assert found.wrong == ()
    assert found.notes == ()
    (told,) = found.chains
    assert "signed by the trusted key" in told
    kinds = {record.kind for record in chain_of(store, NAME, OURS).records}
    assert kinds == {"verdict", "evidence", "approval", "transition", "dossier"}
    assert "not checked against a trusted key" in verify(store).chains[0]


def flipped(kept: Objects, seed: int) -> list[str]:
    """Objects in which one changed byte was not found."""
    chance, missed = random.Random(seed), []
    store = filled(kept)
    for key in evidence_of(kept):
        data = bytearray(kept[key])
        at = chance.randrange(len(data))
        data[at] ^= chance.randrange(1, 256)
        store.put(key, bytes(data))
        if not any(key in told or key.split("/", 1)[1] in told for told in wrong(store)):
            missed.append(f"{key} at {at}")
        store.put(key, kept[key])
    return missed


def test_a_changed_byte_is_found_in_every_object(kept: Objects) -> None:
    assert len(evidence_of(kept)) > 40
    assert flipped(kept, seed=1) == []


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(2, 40))
def test_any_changed_byte_is_found(kept: Objects, seed: int) -> None:
    assert flipped(kept, seed) == []


def test_every_object_that_is_gone_is_found(kept: Objects) -> None:
    store = filled(kept)
    for key in evidence_of(kept):
        store.delete([key])
        last = key == max(k for k in kept if k.startswith(chain_prefix(NAME)))
        assert wrong(store), key
        assert not last or any("no record vouches for it" in told for told in wrong(store)), "the tail is missed too"
        store.put(key, kept[key])


def test_a_tail_that_was_cut_off_with_all_it_vouches_for_is_found(store: MemoryStore) -> None:
    """Records and objects after the approval are gone: the pointers were moved by nobody; and who noted the head knows."""
    chain = chain_of(store, NAME, OURS)
    for record in chain.records:
        if record.kind in {"transition", "dossier", "approval"}:
            store.delete([chain_key(NAME, record.number), *([record.key] if record.key else record.files)])
    told = wrong(store, OURS, chain.head)
    assert any("no recorded transition moved it" in one for one in told)
    assert any(f"record {chain.head}, which was noted, is not there" in one for one in told)


def test_the_whole_chain_gone_is_found(store: MemoryStore) -> None:
    store.delete([key for key, _ in store.list(chain_prefix(NAME))])
    assert sum("no record vouches for it" in told for told in wrong(store)) > 10


def test_two_records_in_each_others_place_are_found(store: MemoryStore, kept: Objects) -> None:
    store.put(chain_key(NAME, 2), kept[chain_key(NAME, 3)])
    store.put(chain_key(NAME, 3), kept[chain_key(NAME, 2)])
    assert any("records were reordered" in told for told in wrong(store))


def test_a_chain_that_others_signed_anew_is_found(store: MemoryStore) -> None:
    records, head = chain_of(store, NAME, OURS).records, None
    for old in records:
        entry = Entry(NAME, old.kind, old.outcome, old.key, old.content, old.at, old.files)
        head = follow(head, entry, THEIRS, old.instead)
        store.put(chain_key(NAME, head.number), to_json(head))
    assert any("which is not trusted" in told for told in wrong(store))
    assert any("was sealed on record" in told for told in wrong(store, UNSIGNED)), "also without any key"


def test_a_planted_verdict_is_found(store: MemoryStore, kept: Objects) -> None:
    key = next(k for k in kept if "/kpi/revenue-" in k and k.endswith(".json"))
    planted = replace(from_json(Verdict, kept[key]), inputs_hash="f" * 64)
    store.put(key_of_verdict(planted), to_json(planted))
    assert wrong(store) == (f"{key_of_verdict(planted)}: no record vouches for it",)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b'"Ann"', b'"Eve"', "says that Eve moved it"),
        (b'"writers"', b'"legacy"', "is in state legacy"),
        (b"12:09:00", b"12:00:00", "is older than the last recorded transition"),
        (b'"version": ', b'"version":  ', "its text is another"),
        (b'"version": ', b'"vision": 1,\n "version": ', "its text is another"),
        (b'"version": ', b'"version": 0,\n "version": ', "its text is another"),
    ],
)
def test_a_pointer_that_nobody_moved_so_is_found(store: MemoryStore, old: bytes, new: bytes, said: str) -> None:
    changed(store, pointer_key(NAME, "sales"), lambda data: data.replace(old, new))
    assert any(said in told for told in wrong(store)), wrong(store)


def test_a_pointer_of_a_version_that_knew_fewer_fields_is_no_other(store: MemoryStore) -> None:
    def older(data: bytes) -> bytes:
        fields = json.loads(data)
        assert all(not fields.pop(added) for added in ("windows", "basis", "caught"))
        return to_json(fields)

    changed(store, pointer_key(NAME, "sales"), older)
    assert wrong(store) == ()


def test_a_landing_that_is_gone_for_good_is_only_told(store: MemoryStore, kept: Objects) -> None:
    store.delete([key for key in kept if "/cuts/" in key])
    found = verify(store, signer=OURS)
    assert found.wrong == ()
    assert all("its landing is not there any more" in note for note in found.notes)
    assert found.notes


def test_a_copy_in_a_folder_is_verified_alike(kept: Objects, tmp_path: Path) -> None:
    whole = LocalStore(tmp_path / "copy")
    for key, data in kept.items():
        whole.put(key, data)
    part = tmp_path / "part"
    shutil.copytree(tmp_path / "copy" / NAME, part)
    for folder in (tmp_path / "copy", part):
        assert verify(LocalStore(folder), signer=OURS).wrong == ()
    next((part / "evidence" / "sealed").iterdir()).write_bytes(b"{}")
    assert verify(LocalStore(part), signer=OURS).wrong


# --- the gate -----------------------------------------------------------------------------------------------------------


def test_the_gate_demands_a_record_of_every_verdict(world: sw.World, kept: Objects) -> None:
    decision = evaluate(world.plan, world.ports)
    assert decision.open
    assert decision.evidence_hash == world.approved, "records of what came later change nothing"
    assert "signed by the trusted key" in decision.signatures
    store = filled(kept)
    ports = replace(world.ports, store=store)
    evidence = collect_evidence(world.plan, ports)
    key = key_of_verdict(next(v for v in evidence.verdicts if v.subject == "revenue"))
    number = chain_of(store, NAME, OURS).newest()[key].number
    store.delete([chain_key(NAME, number)])
    reasons = judge(world.plan, ports, evidence).reasons
    assert "sales: kpi revenue: no record vouches for the verdict" in reasons
    assert any(f"record {number} is missing" in reason for reason in reasons)
    store.put(chain_key(NAME, number), kept[chain_key(NAME, number)])
    (figures,) = (k for k in kept if "/kpi/revenue-" in k and k.endswith("-lake.parquet"))
    changed(store, figures, lambda data: data[:-1] + b"x")
    (reason,) = judge(world.plan, ports, evidence).reasons
    assert f"{figures} is not what record {number} vouches for" in reason


def test_the_gate_is_held_without_the_demanded_signatures(world: sw.World, kept: Objects) -> None:
    strangers = replace(world.ports, store=filled(kept), signer=THEIRS)
    decision = judge(world.plan, strangers, collect_evidence(world.plan, strangers))
    assert any("is not signed by a trusted key, and the migration file demands it" in r for r in decision.reasons)
    keyless = replace(strangers, signer=UNSIGNED)
    decision = judge(world.plan, keyless, collect_evidence(world.plan, keyless))
    assert any("there is no key here to sign with" in r for r in decision.reasons)


def test_after_rotation_old_records_stay_good(world: sw.World, kept: Objects) -> None:
    store, rotated = filled(kept), Signer(THEIRS.secret, THEIRS.trusted | OURS.trusted)
    ports = replace(world.ports, store=store, signer=rotated)
    keep_dossier(world.plan, ports)
    assert verify(store, signer=rotated).wrong == ()
    records = chain_of(store, NAME, rotated).records
    assert {r.fingerprint for r in records} == rotated.trusted
    assert records[-1].public_key == THEIRS.public
    assert judge(world.plan, ports, collect_evidence(world.plan, ports)).open


def test_a_verdict_that_was_deleted_is_put_back_and_recorded_once(world: sw.World, kept: Objects) -> None:
    store = filled(kept)
    ports = replace(world.ports, store=store)
    before = chain_of(store, NAME, OURS).records
    gone = [key_of_verdict(v) for v in collect_evidence(world.plan, ports).verdicts if v.group == "sales"]
    store.delete([key for key in gone if "/records/" not in key])
    compare(world.plan, "sales", ports, sw.AT + timedelta(days=1))
    assert {key: store.get(key) for key in gone} == {key: filled(kept).get(key) for key in gone}
    assert chain_of(store, NAME, OURS).records == before


def test_the_records_say_what_they_are(kept: Objects) -> None:
    found = read_chain([(k, v) for k, v in kept.items() if k.startswith(chain_prefix(NAME))], OURS)
    record: Record = found.records[0]
    assert (record.kind, record.outcome, record.migration) == ("verdict", "pass", NAME)
    assert record.public_key == PUBLIC
    assert len(record.files) == 1, "the report on the record rules"
    assert SECRET.encode() not in b"".join(kept.values())
