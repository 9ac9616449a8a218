"""What expires and what stays, for arbitrary histories."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakeward.domain.maintenance import (
    LandingUse,
    Retention,
    SnapshotFact,
    TableHistory,
    decide_expiry,
    may_still_be_committed,
    why_landing_stays,
)

T0 = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def history(
    count: int, tags: dict[str, int], main: int | None = None, rewritten: frozenset[int] = frozenset()
) -> TableHistory:
    """Snapshots 1 to ``count``, a day apart, each the child of the one before; main is the last."""
    facts = tuple(SnapshotFact(n, n - 1 or None, T0 + n * DAY, n in rewritten) for n in range(1, count + 1))
    head = count if main is None else main
    return TableHistory("orders", facts, {"main": head} if head else {}, tags, frozenset())


def rule(**changes: object) -> Retention:
    given: dict[str, object] = {
        "pinned": frozenset(),
        "cuts": frozenset(),
        "undo": False,
        "keep_cuts": 1,
        "keep_snapshots": 1,
        "before": T0 + 365 * DAY,
    }
    return Retention(**(given | changes))  # type: ignore[arg-type]


def test_without_a_reason_all_but_the_head_of_main_goes() -> None:
    found = decide_expiry(history(5, {}), rule())
    assert (found.snapshots, found.spared) == ((1, 2, 3, 4), {"head of a branch": 1})


def test_old_cuts_lose_their_tags_and_snapshots_and_the_newest_keep_them() -> None:
    tags = {f"cut_{n}": n for n in range(1, 6)}
    found = decide_expiry(history(5, tags), rule(keep_cuts=2))
    assert (found.tags, found.snapshots) == (("cut_1", "cut_2", "cut_3"), (1, 2, 3))


@pytest.mark.parametrize("spares", [{"cuts": frozenset("2")}, {"pinned": frozenset([2])}])
def test_a_cut_that_a_pointer_or_an_open_run_needs_keeps_tag_and_snapshot(spares: dict[str, object]) -> None:
    found = decide_expiry(history(5, {f"cut_{n}": n for n in range(1, 6)}), rule(**spares))
    assert (found.tags, found.snapshots) == (("cut_1", "cut_3", "cut_4"), (1, 3, 4))


def test_several_tags_of_a_cut_stay_and_go_together() -> None:
    tags = {"cut_a": 1, "cut_a_compacted": 2, "cut_b": 3, "cut_b_compacted": 4}
    found = decide_expiry(history(5, tags), rule())
    assert (found.tags, found.snapshots) == (("cut_a", "cut_a_compacted"), (1, 2))
    assert decide_expiry(history(5, tags), rule(keep_cuts=2)).tags == ()


def test_tags_of_others_are_not_ours_to_remove() -> None:
    found = decide_expiry(history(5, {"audit": 1, "cutlery": 2}), rule())
    assert (found.tags, found.snapshots) == ((), (3, 4))


def test_young_snapshots_and_tags_stay() -> None:
    found = decide_expiry(history(5, {"cut_a": 1, "cut_b": 3}), rule(before=T0 + 3 * DAY))
    assert (found.tags, found.snapshots) == (("cut_a",), (1, 2))


def test_what_undoing_the_cut_needs_stays_through_compaction() -> None:
    compacted = history(6, {}, rewritten=frozenset([5, 6]))
    assert decide_expiry(compacted, rule()).snapshots == (1, 2, 3, 4, 5)
    assert decide_expiry(compacted, rule(undo=True)).snapshots == (1, 2)


@given(
    count=st.integers(1, 12),
    tags=st.dictionaries(st.sampled_from(["cut_a", "cut_b", "cut_c", "mine"]), st.integers(1, 12)),
    pinned=st.frozensets(st.integers(1, 12)),
    recorded=st.frozensets(st.integers(1, 12)),
    branch=st.integers(1, 12),
    keep=st.integers(1, 4),
    days=st.integers(0, 14),
    undo=st.booleans(),
)
def test_whatever_is_named_is_never_expired(
    count: int,
    tags: dict[str, int],
    pinned: frozenset[int],
    recorded: frozenset[int],
    branch: int,
    keep: int,
    days: int,
    undo: bool,
) -> None:
    tags = {tag: n for tag, n in tags.items() if n <= count}
    base = history(count, tags)
    world = TableHistory("t", base.snapshots, {"main": count, "dev": min(branch, count)}, tags, recorded)
    found = decide_expiry(world, rule(pinned=pinned, keep_snapshots=keep, before=T0 + days * DAY, undo=undo))
    gone = set(found.snapshots)
    assert not gone & (pinned | recorded | set(world.branches.values()))
    assert not gone & {n for tag, n in tags.items() if tag not in found.tags}
    assert all(tag.startswith("cut_") and tags[tag] not in pinned | recorded for tag in found.tags)
    assert not gone & set(range(max(1, days), count + 1)), "young ones stay"
    assert not gone & set(range(count - keep + 1, count + 1)), "the last ones of main stay"
    assert sum(found.spared.values()) == count - len(gone)


def use(**changes: object) -> LandingUse:
    given: dict[str, object] = {"published": "", "last_used": T0, "superseded": False, "discarded": False}
    return LandingUse(**(given | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "days", "goes"),
    [
        ({}, 29, False),
        ({}, 30, True),
        ({"published": "legacy"}, 400, False),
        ({"published": "writers"}, 400, False),
        ({"published": "retired"}, 29, False),
        ({"published": "retired"}, 30, True),
        ({"discarded": True}, 6, False),
        ({"discarded": True}, 7, True),
        ({"superseded": True}, 29, False),
    ],
)
def test_a_landing_goes_when_nothing_needs_it_any_more(changes: dict[str, object], days: int, goes: bool) -> None:
    assert (why_landing_stays(use(**changes), T0 + days * DAY, 30 * DAY, 7 * DAY) == "") is goes


@pytest.mark.parametrize(
    ("changes", "days", "may"),
    [({}, 29, True), ({}, 30, False), ({"superseded": True}, 1, False), ({"discarded": True}, 1, False)],
)
def test_staged_files_are_spared_while_their_cut_may_be_appended(
    changes: dict[str, object], days: int, may: bool
) -> None:
    assert may_still_be_committed(use(**changes), T0 + days * DAY, 30 * DAY) is may
