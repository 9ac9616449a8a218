"""Writers of one chain, at the same time and dying, on every kind of store: each object has its record once, and is stored."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
import switch_world as sw

from lakeward.adapters.connections import from_environment
from lakeward.adapters.ledger import MemoryLedger
from lakeward.adapters.objects import LocalStore, MemoryStore, S3Store
from lakeward.domain.chain import Entry
from lakeward.domain.evidence import Outcome, Verdict
from lakeward.domain.file_facts import FileFact
from lakeward.domain.identity import chain_key
from lakeward.domain.signing import UNSIGNED, new_pair, signer_of
from lakeward.domain.stored import to_json
from lakeward.errors import LakeError
from lakeward.lab import Lab
from lakeward.ports import ObjectStore, Ports
from lakeward.steps.chain import chain_of, keep, keep_look, keep_verdict, key_of_verdict, standing_verdict
from lakeward.steps.evidence import verify

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
SIGNER = signer_of(new_pair()[0])


def ports_of(store: object, **changed: object) -> Ports:
    """All that a chain needs."""
    none = object()
    ports = Ports(none, store, none, none, MemoryLedger(), none, SIGNER)  # type: ignore[arg-type]
    return replace(ports, **changed)  # type: ignore[arg-type]


@pytest.fixture
def memory() -> MemoryStore:
    return MemoryStore()


@pytest.fixture(params=["local", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    return LocalStore(tmp_path / "landing") if request.param == "local" else MemoryStore()


@pytest.fixture
def s3(lab: Lab) -> Iterator[S3Store]:
    one = S3Store(f"s3://landing/chain-{uuid4().hex[:8]}", from_environment("landing"))
    yield one
    one.close()


def verdict(subject: str, outcome: Outcome = Outcome.PASS, at: datetime = AT, **changed: object) -> Verdict:
    made = Verdict("kpi", subject, "shop", "sales", "c1", outcome, "a" * 64, "told", 1, 0, at)
    return replace(made, **changed)  # type: ignore[arg-type]


def race(store: ObjectStore, writers: int, each: int) -> None:
    """Every writer keeps verdicts of its own, and one that all of them keep."""
    everybody = ports_of(store)

    def work(writer: int) -> list[Verdict]:
        shared = keep_verdict(everybody, verdict("shared", at=AT + timedelta(seconds=writer)))
        return [shared, *(keep_verdict(everybody, verdict(f"w{writer}n{n}")) for n in range(each))]

    with ThreadPoolExecutor(writers) as pool:
        found = list(pool.map(work, range(writers)))
    assert len({to_json(one[0]) for one in found}) == 1, "the first one stands for all"
    chain = chain_of(store, "shop", SIGNER)
    assert chain.wrong == ()
    keys = [record.key for record in chain.records]
    assert len(keys) == len(set(keys)) == writers * each + 1
    assert verify(store, signer=SIGNER).wrong == ()


def test_writers_at_the_same_time_take_turns(store: ObjectStore) -> None:
    race(store, writers=8, each=6)


def test_writers_at_the_same_time_take_turns_on_s3(s3: S3Store) -> None:
    race(s3, writers=4, each=3)


def test_died_between_record_and_object_the_next_stores_it(store: ObjectStore) -> None:
    first = verdict("revenue")
    key = key_of_verdict(first)
    with pytest.raises(sw.Dies):
        keep_verdict(ports_of(sw.DyingStore(store, 1)), first)
    assert store.get(key) is None
    (told,) = verify(store, signer=SIGNER).wrong
    assert told == f"{key}: is gone, and record 1 vouches for it"
    again = standing_verdict(ports_of(store), None, key)
    assert again == first, "the same step, run again, finds what was reached"
    assert store.get(key) == (to_json(first), store.etag(key))
    assert len(chain_of(store, "shop", SIGNER).records) == 1

    with pytest.raises(sw.Dies):
        keep_verdict(ports_of(sw.DyingStore(store, 1)), verdict("goods"))
    keep_verdict(ports_of(store), verdict("buyers"))
    assert verify(store, signer=SIGNER).wrong == (), "another step has stored it before its own"
    assert [r.key.split("/")[-1][:5] for r in chain_of(store, "shop", SIGNER).records] == ["reven", "goods", "buyer"]


def test_died_before_the_record_nothing_is_there(store: ObjectStore) -> None:
    with pytest.raises(sw.Dies):
        keep_verdict(ports_of(sw.DyingStore(store, 0)), verdict("revenue"))
    assert list(store.list("")) == []


def test_a_late_writer_changes_nothing(memory: MemoryStore) -> None:
    """A process that was believed dead comes back: its record is there, and what replaced it stays."""
    ports = ports_of(memory)
    error = verdict("revenue", Outcome.ERROR)
    keep_verdict(ports, error)
    measured = keep_verdict(ports, verdict("revenue", at=AT + timedelta(hours=1)))
    assert keep_verdict(ports, error) == error
    assert keep_verdict(ports, verdict("revenue", Outcome.FAIL, AT + timedelta(hours=2))) == measured
    found = memory.get(key_of_verdict(error))
    assert found is not None
    assert found[0] == to_json(measured)
    chain = chain_of(memory, "shop", SIGNER)
    assert [(r.outcome, bool(r.instead)) for r in chain.records] == [("error", False), ("pass", True)]
    assert verify(memory, signer=SIGNER).wrong == ()


def test_a_planted_verdict_is_not_taken_over(memory: MemoryStore) -> None:
    planted = verdict("revenue")
    memory.put(key_of_verdict(planted), to_json(planted))
    assert standing_verdict(ports_of(memory), None, key_of_verdict(planted)) is None


def test_what_rests_on_changed_files_is_looked_at_again(memory: MemoryStore) -> None:
    memory.put("shop/evidence/sales/c1/kpi/revenue-lake.parquet", b"figures")
    file = FileFact(memory.url("shop/evidence/sales/c1/kpi/revenue-lake.parquet"), 1, 7)
    kept = keep_verdict(ports_of(memory), verdict("revenue", files=(file,)))
    assert standing_verdict(ports_of(memory), None, key_of_verdict(kept)) == kept
    memory.put("shop/evidence/sales/c1/kpi/revenue-lake.parquet", b"others")
    assert standing_verdict(ports_of(memory), None, key_of_verdict(kept)) is None


def test_a_file_that_is_gone_is_not_vouched_for(memory: MemoryStore) -> None:
    gone = FileFact(memory.url("shop/evidence/sales/c1/kpi/revenue-lake.parquet"), 1, 7)
    with pytest.raises(LakeError, match="is gone, which the evidence names"):
        keep_verdict(ports_of(memory), verdict("revenue", files=(gone,)))


def test_nobody_goes_on_unsigned(memory: MemoryStore) -> None:
    keyless = ports_of(memory, signer=UNSIGNED)
    keep_verdict(keyless, verdict("before"))
    keep_verdict(ports_of(memory), verdict("signed"))
    with pytest.raises(LakeError, match="there is no key here to sign with"):
        keep_verdict(keyless, verdict("after"))
    look = "shop/evidence/sales/c1/now/20261122T120000000000Z/revenue.json"
    keep_look(keyless, look, verdict("revenue"))
    found = verify(memory, signer=SIGNER)
    assert found.wrong == ()
    assert any(look in note and "nobody recorded" in note for note in found.notes)
    assert "1 of 2 records are not signed" in found.chains[0]


def test_a_look_at_figures_is_recorded_where_it_can_be(memory: MemoryStore) -> None:
    look = "shop/evidence/sales/c1/now/20261122T120000000000Z/revenue.json"
    keep_look(ports_of(memory), look, verdict("revenue"))
    assert verify(memory, signer=SIGNER).notes == ()
    memory.put(look, b"{}")
    assert any(look in told for told in verify(memory, signer=SIGNER).wrong)


def test_a_record_that_can_not_be_read_stops_everybody(memory: MemoryStore) -> None:
    keep_verdict(ports_of(memory), verdict("revenue"))
    memory.put(chain_key("shop", 1), b"{}")
    with pytest.raises(LakeError, match="can't be read"):
        keep_verdict(ports_of(memory), verdict("goods"))


def test_sealed_evidence_that_was_deleted_is_put_back_from_its_record(memory: MemoryStore) -> None:
    entry = Entry("shop", "evidence", "sealed", f"shop/evidence/sealed/{'0' * 64}.json", "{}", AT, {})
    keep(ports_of(memory), entry)
    memory.delete([entry.key])
    assert keep(ports_of(memory), entry) == b"{}"
    assert memory.get(entry.key) is not None
    assert len(chain_of(memory, "shop", SIGNER).records) == 1


class Counting(MemoryStore):
    """Tells which records were read."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[str] = []

    def get(self, key: str) -> tuple[bytes, str] | None:
        self.read.append(key)
        return super().get(key)


def test_a_chain_that_was_looked_at_is_read_on_from_there_and_a_change_in_it_is_seen() -> None:
    store = Counting()
    ports = ports_of(store)
    for n in range(5):
        keep_verdict(ports, verdict(f"k{n}"))
    first = chain_of(store, "shop", SIGNER)
    keep_verdict(ports, verdict("more"))
    store.read.clear()
    assert chain_of(store, "shop", SIGNER).records[:5] == first.records
    assert store.read == [chain_key("shop", 6)]
    assert chain_of(store, "shop", signer_of(new_pair()[0])).wrong, "whom another reader trusts is looked at anew"
    whole = MemoryStore.get(store, chain_key("shop", 2)) or (b"", "")
    store.put(chain_key("shop", 2), whole[0].replace(b"told", b"tole"))
    changed = chain_of(store, "shop", SIGNER)
    assert [what for what in changed.wrong if "00000002" in what and "its hash is another" in what]
    store.put(chain_key("shop", 2), whole[0])
    assert chain_of(store, "shop", SIGNER).wrong == ()
    store.delete([chain_key("shop", 3)])
    assert "record 3 is missing" in chain_of(store, "shop", SIGNER).wrong[0]
