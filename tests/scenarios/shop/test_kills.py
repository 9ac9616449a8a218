"""A worker killed before or after any call that a step makes, and run again, leaves the lake as if nothing had happened."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from shop import Fingerprint, check_finished, check_half_published, fingerprint, shop
from tests.chain import WHOLE_WAY, Chain
from tests.databases import create_database
from tests.kill import Call, Kill, killed, record

from lakeward.lab import Lab
from lakeward.steps.evidence import verify

PURE = {"lake.qualified", "store.url"}
"""Calls that reach nothing outside the process."""


@pytest.fixture(scope="module")
def uri(lab: Lab) -> str:
    return create_database(lab, (Path(__file__).parent / "schema.sql").read_text())


@pytest.fixture(scope="module")
def calm(uri: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, list[Call]], Fingerprint]:
    """What a run that nobody kills calls, by step, and what it leaves."""
    chain = shop(uri, tmp_path_factory.mktemp("calm"))
    calls = {}
    for step in WHOLE_WAY:
        calls[step] = [call for call in record(chain, step) if f"{call.port}.{call.name}" not in PURE]
        if step == "compare":
            check_finished(chain, uri)
    return calls, fingerprint(chain)


def run_through(chain: Chain, uri: str, kills: list[Kill]) -> list[Kill]:
    """Go the whole way, each step killed first wherever a kill says; the kills that were never come to."""
    missed = []
    for step in WHOLE_WAY:
        for kill in kills:
            if kill.step == step and not killed(chain, kill):
                missed.append(kill)
            elif kill.step == step and step != "plan":
                check_half_published(chain)
        chain.step(step, attempt="again")
        if step == "compare":
            check_finished(chain, uri)
    return missed


@pytest.mark.parametrize("seed", [20261125, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(20))])
def test_killed_once_in_every_step_the_lake_is_identical(
    uri: str, tmp_path: Path, calm: tuple[dict[str, list[Call]], Fingerprint], seed: int
) -> None:
    calls, undisturbed = calm
    draw = random.Random(seed)
    kills = [Kill(step, draw.choice(calls[step]), draw.choice(["before", "after"])) for step in WHOLE_WAY]
    chain = shop(uri, tmp_path)
    assert run_through(chain, uri, kills) == []
    assert fingerprint(chain) == undisturbed
    with chain.ports() as ports:
        found = verify(ports.store)
    assert found.wrong == ()


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_killed_at_every_call_in_turn_the_lake_is_identical(
    uri: str, tmp_path: Path, calm: tuple[dict[str, list[Call]], Fingerprint]
) -> None:
    """What a killed step has stored already is not done again: then there may be no such call any more."""
    calls, undisturbed = calm
    kills = [Kill(step, call, when) for step in WHOLE_WAY for call in calls[step] for when in ("before", "after")]
    chain = shop(uri, tmp_path)
    missed = run_through(chain, uri, kills)
    assert len(missed) < len(kills) / 2
    assert fingerprint(chain) == undisturbed
