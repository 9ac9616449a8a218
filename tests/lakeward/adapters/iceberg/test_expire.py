"""Snapshots and tags that are forgotten, in one commit, on condition that nothing that names them has moved."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from test_leftovers import before_the_commit
from tests.lakes import MIGRATION, batch, group, ids_in, orders, stage

from lakeward.adapters.iceberg import IcebergLake
from lakeward.domain.maintenance import Retention, TableHistory, decide_expiry
from lakeward.errors import ConflictError, LakeError

LATER = datetime.now(UTC) + timedelta(days=365)
RULE = Retention(frozenset(), frozenset(), undo=True, keep_cuts=1, keep_snapshots=1, before=LATER)


def cuts(lake: IcebergLake, count: int) -> list[int]:
    """So many cuts one after the other; their snapshots."""
    names = [f"c{n}" for n in range(count)]
    return [
        lake.commit(group(c, stage(lake, orders(n + 3))), c, MIGRATION)[1][0].snapshot_id for n, c in enumerate(names)
    ]


def shown(history: TableHistory) -> tuple[set[int], set[str]]:
    return {s.snapshot_id for s in history.snapshots}, set(history.tags)


def test_old_cuts_are_forgotten_and_the_rest_is_as_it_was(lake: IcebergLake) -> None:
    made = cuts(lake, 4)
    before = lake.state("orders")
    history = lake.history("orders")
    lake.expire(history, decide_expiry(history, RULE))
    assert shown(lake.history("orders")) == ({made[2], made[3]}, {"cut_c3"})
    assert lake.state("orders") == before
    assert ids_in(lake, made[2]) == list(range(5))
    (again,) = lake.commit([batch("c3", stage(lake, orders(6)))], "c3", MIGRATION)[1]
    assert (again.already, again.snapshot_id) == (True, made[3])


def test_a_table_that_moved_meanwhile_is_left_alone(lake: IcebergLake) -> None:
    cuts(lake, 3)
    history = lake.history("orders")
    lake.commit([batch("new", stage(lake, orders(2)))], "new", MIGRATION)
    with pytest.raises(ConflictError, match="moved"):
        lake.expire(history, decide_expiry(history, RULE))
    assert len(lake.history("orders").tags) == 4


def test_a_tag_that_somebody_set_meanwhile_keeps_its_snapshot(lake: IcebergLake) -> None:
    made = cuts(lake, 3)
    history = lake.history("orders")
    lake._open("orders").manage_snapshots().create_tag(made[0], "audit").commit()
    with pytest.raises(ConflictError, match="moved"):
        lake.expire(history, decide_expiry(history, RULE))
    history = lake.history("orders")
    lake.expire(history, decide_expiry(history, RULE))
    assert ids_in(lake, made[0]) == list(range(3))


def test_the_cut_before_is_given_back_and_the_one_before_that_is_told_to_be_gone(lake: IcebergLake) -> None:
    made = cuts(lake, 4)
    history = lake.history("orders")
    lake.expire(history, decide_expiry(history, RULE))
    assert lake.drop_batch("orders", "c3")
    state = lake.state("orders")
    assert state
    assert (state.snapshot_id, state.rows) == (made[2], 5)
    lake._open("orders").manage_snapshots().create_tag(made[2], "cut_c2").commit()  # as if it had been kept
    with pytest.raises(LakeError, match="was expired"):
        lake.drop_batch("orders", "c2")
    assert lake.state("orders") == state


def test_expiry_between_a_look_and_a_commit_and_between_tries_changes_neither(
    lake: IcebergLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    cuts(lake, 4)
    files = stage(lake, orders(9))

    def forget() -> None:
        history = lake.history("orders")
        lake.expire(history, decide_expiry(history, RULE))

    with before_the_commit(monkeypatch, forget):
        (landed,) = lake.commit([batch("new", files)], "new", MIGRATION)[1]
    forget()
    (again,) = lake.commit([batch("new", files)], "new", MIGRATION)[1]
    assert (landed.already, again.already, again.snapshot_id) == (False, True, landed.snapshot_id)
    assert ids_in(lake, landed.snapshot_id) == list(range(9))
    assert shown(lake.history("orders"))[1] == {"cut_new"}


def test_a_table_without_snapshots_has_nothing_to_forget(lake: IcebergLake) -> None:
    history = lake.history("orders")
    assert (history.snapshots, history.branches) == ((), {})
    assert decide_expiry(history, RULE).snapshots == ()
