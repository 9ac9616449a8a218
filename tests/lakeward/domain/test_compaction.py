from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lakeward.domain.compaction import choose
from lakeward.domain.file_facts import LiveFile

FILES = st.lists(
    st.builds(LiveFile, st.uuids().map(str), st.integers(1, 9), st.integers(1, 200), st.sampled_from("abc")),
    max_size=30,
)


@given(files=FILES, small=st.integers(1, 150), least=st.integers(2, 6), target=st.integers(50, 200))
def test_whole_partitions_of_small_files_that_become_fewer(
    files: list[LiveFile], small: int, least: int, target: int
) -> None:
    chosen, into = choose(files, small, least, target)
    assert len(set(chosen)) == len(chosen)
    assert into < len(chosen) or not chosen
    for partition in "abc":
        due = {f for f in files if f.partition == partition and f.bytes < small}
        taken = {f for f in chosen if f.partition == partition}
        assert taken in (set(), due)
        if len(due) < least:
            assert not taken
        if len(due) >= least and sum(f.bytes for f in due) <= target * (len(due) - 1):
            assert taken == due


def test_how_many_they_become() -> None:
    files = [LiveFile(f"f{n}", 1, 40, "a") for n in range(8)] + [LiveFile("big", 1, 90, "a")]
    chosen, into = choose(files, 50, 8, 128)
    assert ([f.url for f in chosen], into) == ([f"f{n}" for n in range(8)], 3)


def test_a_file_with_a_tenth_of_its_rows_dead_is_rewritten_with_the_small_ones_beside_it() -> None:
    dying = LiveFile("dying", 100, 90, "a", dead=10, deletes=("d",))
    lively = LiveFile("lively", 100, 90, "b", dead=9, deletes=("d",))
    gone = LiveFile("gone", 5, 10, "c", dead=5, deletes=("d",))
    beside = [LiveFile("small", 1, 40, "a"), LiveFile("small elsewhere", 1, 40, "b")]
    chosen, into = choose([dying, lively, gone, *beside], 50, 8, 100)
    assert ([f.url for f in chosen], into) == (["dying", "small", "gone"], 2)
