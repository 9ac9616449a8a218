"""A store that says no to a write that it took: claims and verdicts are what the objects say."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from lakeward.adapters.ledger import MemoryLedger
from lakeward.adapters.objects import MemoryStore
from lakeward.domain.evidence import Outcome, State, Transition, Verdict
from lakeward.domain.stored import from_json
from lakeward.errors import ConflictError
from lakeward.ports import Ports
from lakeward.steps.chain import chain_of, keep_verdict, key_of_verdict
from lakeward.steps.claim import last_claim, take

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
ASKED = Transition("shop", "run 1", ("sales",), State.LEGACY, State.WRITERS, "e1", "Ann", "agreed", AT, outcome="begun")
VERDICT = Verdict("kpi", "sold", "shop", "sales", "c1", Outcome.PASS, "i" * 64, "equal", 1, 0, AT)


class LyingStore(MemoryStore):
    """Conditional writes land, and the answer is that they did not."""

    def put_new(self, key: str, data: bytes) -> bool:
        return super().put_new(key, data) and False

    def put_if(self, key: str, data: bytes, etag: str) -> bool:
        return super().put_if(key, data, etag) and False


def test_a_claim_that_landed_is_held_and_given_back() -> None:
    store = LyingStore()
    held = take(store, ASKED)
    done = replace(ASKED, outcome="done")
    held.give_back(done)
    ended = last_claim(store, "shop")
    assert ended
    assert (ended.transition, ended.open) == (done, False)
    again = take(store, replace(ASKED, by="Bob"))
    again.make_sure()


def test_a_claim_of_somebody_else_stays_theirs() -> None:
    store = LyingStore()
    held = take(store, ASKED)
    with pytest.raises(ConflictError, match="Ann began to move shop"):
        take(store, replace(ASKED, by="Bob"))
    held.make_sure()


def test_a_verdict_is_recorded_once_and_stored() -> None:
    store, unused = LyingStore(), None
    ports = Ports(unused, store, unused, unused, MemoryLedger(), unused)  # type: ignore[arg-type]
    assert keep_verdict(ports, VERDICT) == VERDICT
    assert keep_verdict(ports, replace(VERDICT, decided_at=AT + timedelta(hours=1))) == VERDICT
    (record,) = chain_of(store, "shop", ports.signer).records
    found = store.get(key_of_verdict(VERDICT))
    assert found
    assert from_json(Verdict, found[0]) == VERDICT
    assert record.content.encode() == found[0]
