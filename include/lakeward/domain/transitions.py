"""Which moves of a pointer there are: ``legacy → dual → readers → writers → retired``, and back to the state before.

===============  ============================================================  ==================================
pattern          forward                                                       back (from any but retired)
===============  ============================================================  ==================================
lift_and_shift   legacy → writers → retired                                    to the state before: legacy
phased, hybrid   the same, after a final sync with a source that nobody writes  to the state before: legacy
strangler_fig    legacy → dual → readers → writers → retired, one at a time    to the state before
===============  ============================================================  ==================================
"""

from __future__ import annotations

from lakeward.domain.evidence import State
from lakeward.errors import GateError

_CHAIN = (State.LEGACY, State.DUAL, State.READERS, State.WRITERS, State.RETIRED)
_SHORT = (State.LEGACY, State.WRITERS, State.RETIRED)
_CHAINS = {"lift_and_shift": _SHORT, "phased": _SHORT, "strangler_fig": _CHAIN, "hybrid": _SHORT}


def forward(pattern: str, state: State) -> State | None:
    """The one state that follows; None when nothing does."""
    chain = _chain(pattern)
    if state not in chain:
        return None
    after = chain.index(state) + 1
    return chain[after] if after < len(chain) else None


def back(pattern: str, state: State, previous: State | None) -> State | None:
    """The state to come back to: ``previous``, as the pointer remembers it; None when there is no way back."""
    chain = _chain(pattern)
    if state is State.RETIRED or state not in chain or previous not in chain:
        return None
    return previous if chain.index(previous) < chain.index(state) else None


def earlier(pattern: str, state: State) -> State | None:
    """The state before in the pattern's own order; None when there is none."""
    chain = _chain(pattern)
    return chain[chain.index(state) - 1] if state in chain[1:] else None


def allowed(pattern: str, state: State, previous: State | None) -> tuple[State, ...]:
    """Every state that may follow: forward first, then back."""
    found = (forward(pattern, state), back(pattern, state, previous))
    return tuple(s for s in found if s is not None)


def check_move(pattern: str, before: State, after: State, previous: State | None) -> None:
    """Nothing when the move is allowed; GateError says why it is not and what is."""
    may = allowed(pattern, before, previous)
    if after in may:
        return
    raise GateError(
        f"{pattern} can't go from {before.value} to {after.value}: {_reason(pattern, before, after, previous)}.",
        todo=f"From here it may go to {' or '.join(s.value for s in may)}." if may else "This state is the last one.",
    )


def _reason(pattern: str, before: State, after: State, previous: State | None) -> str:
    chain = _chain(pattern)
    if before is after:
        return "that is where it is"
    if before is State.RETIRED:
        return "the old system is retired, and there is nothing to go back to"
    for state in (before, after):
        if state not in chain:
            return f"{state.value} is no state of this pattern"
    if chain.index(after) > chain.index(before):
        return "states are not skipped"
    if previous is None:
        return "the pointer knows no state before"
    return f"going back means going to the state before, which was {previous.value}"


def _chain(pattern: str) -> tuple[State, ...]:
    if pattern not in _CHAINS:
        raise GateError(f"{pattern!r} is no pattern.", todo=f"Use one of {', '.join(_CHAINS)}.")
    return _CHAINS[pattern]
