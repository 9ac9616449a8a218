"""The same task in two workers at once, at every step: both end well or say what to do, and everything is there once."""

from __future__ import annotations

from pathlib import Path

import pytest
from shop import check_finished, check_half_published, shop
from tests.chain import WHOLE_WAY
from tests.databases import create_database
from tests.kill import run_twice

from lakeward.lab import Lab


@pytest.mark.parametrize("turn", [0, *(pytest.param(turn, marks=pytest.mark.soak) for turn in range(1, 10))])
def test_every_step_in_two_workers_at_once(lab: Lab, tmp_path: Path, turn: int) -> None:
    uri = create_database(lab, (Path(__file__).parent / "schema.sql").read_text())
    chain = shop(uri, tmp_path)
    for step in WHOLE_WAY:
        said = run_twice(chain, step)
        assert "" in said or step == "cut_over", f"{step}: {said}"
        assert [one for one in said if one and "What to do:" not in one] == [], step
        chain.step(step, attempt="late")
        check_half_published(chain)
        if step == "compare":
            check_finished(chain, uri)
