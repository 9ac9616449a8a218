"""The state machine, move by move: every pattern, state, memory of a state before, and state asked for."""

from __future__ import annotations

from itertools import product

import pytest

from lakeward.domain.evidence import State
from lakeward.domain.transitions import allowed, back, check_move, earlier, forward
from lakeward.errors import GateError

L, D, R, W, X = State.LEGACY, State.DUAL, State.READERS, State.WRITERS, State.RETIRED
PATTERNS = ("lift_and_shift", "phased", "strangler_fig", "hybrid")
FORWARD = {
    "lift_and_shift": {(L, W), (W, X)},
    "phased": {(L, W), (W, X)},
    "strangler_fig": {(L, D), (D, R), (R, W), (W, X)},
    "hybrid": {(L, W), (W, X)},
}
ORDER = (L, D, R, W, X)
STATES_OF = {p: ORDER if p == "strangler_fig" else (L, W, X) for p in PATTERNS}


def may(pattern: str, before: State, after: State, previous: State | None) -> bool:
    """The rule in other words than the module's."""
    if (before, after) in FORWARD[pattern]:
        return True
    goes_back = before is not X and after is previous and ORDER.index(after) < ORDER.index(before)
    return goes_back and {before, after} <= set(STATES_OF[pattern])


@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_move_is_allowed_or_refused_as_the_rule_says(pattern: str) -> None:
    permitted = 0
    for before, after, previous in product(State, State, (*State, None)):
        if may(pattern, before, after, previous):
            check_move(pattern, before, after, previous)
            assert after in allowed(pattern, before, previous)
            permitted += 1
        else:
            with pytest.raises(GateError) as said:
                check_move(pattern, before, after, previous)
            assert before.value in said.value.what
            assert after.value in said.value.what
            assert said.value.todo
            assert all(state.value in said.value.todo for state in allowed(pattern, before, previous))
    assert permitted > len(FORWARD[pattern])


@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_state_before_is_the_one_from_which_it_is_gone_on(pattern: str) -> None:
    assert {(earlier(pattern, state), state) for state in State} - {(None, L)} >= FORWARD[pattern]
    assert earlier(pattern, L) is None


@pytest.mark.parametrize("pattern", PATTERNS)
def test_nothing_leaves_retired(pattern: str) -> None:
    for previous in (*State, None):
        assert allowed(pattern, X, previous) == ()
        assert back(pattern, X, previous) is None


@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_way_forward_ends_at_retired(pattern: str) -> None:
    state, seen = State.LEGACY, [State.LEGACY]
    while (after := forward(pattern, state)) is not None:
        state = after
        seen.append(state)
    assert tuple(seen) == STATES_OF[pattern]


@pytest.mark.parametrize(
    ("before", "after", "previous", "said"),
    [
        (L, L, None, "that is where it is"),
        (L, X, None, "states are not skipped"),
        (L, D, None, "dual is no state of this pattern"),
        (W, L, None, "knows no state before"),
        (X, W, W, "the old system is retired"),
    ],
)
def test_a_refusal_says_why_and_what_is_allowed(before: State, after: State, previous: State | None, said: str) -> None:
    with pytest.raises(GateError, match=said):
        check_move("lift_and_shift", before, after, previous)


def test_a_refusal_names_the_state_to_go_back_to() -> None:
    with pytest.raises(GateError, match=r"(?s)which was readers.*retired or readers"):
        check_move("strangler_fig", W, L, R)


def test_an_unknown_pattern_is_refused() -> None:
    with pytest.raises(GateError, match="'big_bang' is no pattern"):
        check_move("big_bang", L, W, None)
