"""What names were meant."""

from __future__ import annotations

import pytest

from lakeward.domain.shaping import suggest


@pytest.mark.parametrize(
    ("known", "said"),
    [
        (["claims", "policies"], "did you mean policies?"),
        (["rates"], "there are: rates."),
        ([], "there is none."),
    ],
)
def test_names_that_are_near_or_all_or_none(known: list[str], said: str) -> None:
    assert suggest("policy", known) == said
