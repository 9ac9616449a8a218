"""The chain by itself: what is followed, signed, and found when it is broken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakeward.domain.chain import Chain, Entry, Record, follow, read_chain, sha256, told
from lakeward.domain.identity import chain_key
from lakeward.domain.signing import Signer, new_pair, signer_of
from lakeward.domain.stored import from_json, to_json

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
FIRST, SECOND = (signer_of(new_pair()[0]) for _ in range(2))
UNSIGNED = Signer()
Objects = list[tuple[str, bytes]]


def entry(n: int, outcome: str = "pass", migration: str = "shop") -> Entry:
    files = {f"{migration}/evidence/sales/c/kpi/{n}.parquet": sha256(b"figures")}
    return Entry(
        migration, "verdict", outcome, f"{migration}/evidence/sales/c/kpi/{n}.json", f'{{"n": {n}}}', AT, files
    )


def chain(*signers: Signer, migration: str = "shop") -> Objects:
    """A record per signer."""
    head: Record | None = None
    found = []
    for n, signer in enumerate(signers):
        head = follow(head, entry(n, migration=migration), signer)
        found.append((chain_key(migration, head.number), to_json(head)))
    return found


def trusting(*signers: Signer) -> Signer:
    return Signer(trusted=frozenset().union(*(s.trusted for s in signers)))


@pytest.mark.parametrize("signer", [UNSIGNED, FIRST])
def test_an_untouched_chain_is_good(signer: Signer) -> None:
    found = read_chain(chain(*[signer] * 5), trusting(FIRST))
    assert found.wrong == ()
    assert [record.number for record in found.records] == [1, 2, 3, 4, 5]
    assert found.head == f"5:{found.records[4].hash}"
    assert found.has(found.records[2].place)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_every_changed_byte_is_found(data: st.DataObject) -> None:
    objects = chain(*[data.draw(st.sampled_from([UNSIGNED, FIRST]))] * 3)
    at = data.draw(st.integers(0, 2))
    key, text = objects[at]
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda byte: byte != text[place]))
    objects[at] = (key, text[:place] + bytes([other]) + text[place + 1 :])
    assert read_chain(objects, UNSIGNED).wrong


@pytest.mark.parametrize("signer", [UNSIGNED, FIRST])
@pytest.mark.parametrize("gone", [0, 1, 3])
def test_a_missing_record_is_named(signer: Signer, gone: int) -> None:
    objects = chain(*[signer] * 5)
    del objects[gone]
    (wrong,) = read_chain(objects, UNSIGNED).wrong
    assert f"record {gone + 1} is missing" in wrong


def test_a_gap_of_several_is_named() -> None:
    objects = chain(*[FIRST] * 6)
    assert "record 2 to 4 is missing" in read_chain([objects[0], *objects[4:]], FIRST).wrong[0]


def test_reordered_records_are_found() -> None:
    objects = chain(*[FIRST] * 4)
    (second, two), (third, three) = objects[1:3]
    wrong = read_chain([objects[0], (second, three), (third, two), objects[3]], FIRST).wrong
    assert any("is record 3: records were reordered" in one for one in wrong)


def test_a_record_of_another_migration_is_found() -> None:
    objects = chain(*[FIRST] * 3)
    objects[1] = (objects[1][0], chain(*[FIRST] * 3, migration="other")[1][1])
    wrong = read_chain(objects, FIRST).wrong
    assert any("belongs to another migration, other" in one for one in wrong)


def test_an_appended_record_of_another_key_is_found() -> None:
    objects = chain(FIRST, FIRST)
    head = from_json(Record, objects[1][1])
    foreign = follow(head, entry(9), SECOND)
    wrong = read_chain([*objects, (chain_key("shop", 3), to_json(foreign))], FIRST).wrong
    assert len(wrong) == 1
    assert "which is not trusted" in wrong[0]
    unsigned = follow(head, entry(9), UNSIGNED)
    wrong = read_chain([*objects, (chain_key("shop", 3), to_json(unsigned))], UNSIGNED).wrong
    assert "is not signed, though records before it are" in wrong[0]


def test_a_chain_that_was_signed_anew_is_another_one() -> None:
    ours, theirs = chain(*[FIRST] * 3), chain(*[SECOND] * 3)
    noted = read_chain(ours, FIRST).head
    assert len(read_chain(theirs, FIRST).wrong) == 3
    again = read_chain(theirs, UNSIGNED)
    assert again.wrong == ()
    assert not again.has(noted), "who has noted a head sees it without any key"


def test_records_of_an_old_key_stay_good_after_rotation() -> None:
    objects = chain(UNSIGNED, FIRST, FIRST, SECOND)
    found = read_chain(objects, trusting(FIRST, SECOND))
    assert found.wrong == ()
    assert told(found.records, trusting(FIRST, SECOND).trusted).count("trusted key") == 2
    assert "1 of 4 records are not signed" in told(found.records, frozenset())
    assert "not checked against a trusted key" in told(found.records, frozenset())
    assert "NOT trusted" in told(found.records, SECOND.trusted)


@pytest.mark.parametrize(
    "change",
    [
        lambda r: replace(r, public_key=SECOND.public),
        lambda r: replace(r, fingerprint="0" * 64),
        lambda r: replace(r, signature=""),
        lambda r: replace(r, files={}),
        lambda r: replace(r, key="other/evidence/x.json"),
    ],
)
def test_a_record_that_was_edited_is_found(change: Callable[[Record], Record]) -> None:
    (key, data), last = chain(FIRST, FIRST)
    assert read_chain([(key, to_json(change(from_json(Record, data)))), last], FIRST).wrong


def test_only_an_error_makes_way() -> None:
    def replaced(outcome: str) -> Chain:
        first = follow(None, entry(1, outcome), FIRST)
        second = follow(first, replace(entry(1), content="{}"), FIRST, instead=first.sha256)
        records = ((chain_key("shop", r.number), to_json(r)) for r in (first, second))
        return read_chain(list(records), FIRST)

    assert replaced("error").wrong == ()
    assert "vouches for other content" in replaced("fail").wrong[0]
