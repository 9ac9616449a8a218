"""Every boundary spoiled at random: before store, catalog and source stand proxies that fail as networks and servers do."""

from __future__ import annotations

import logging
import os
import random
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from shop import Fingerprint, check_finished, check_half_published, direct, fingerprint, shop
from tests.chain import WHOLE_WAY, Chain
from tests.databases import create_database
from tests.fault_proxy import Faults, Request, fault_proxy
from tests.tcp_proxy import Line, tcp_proxy

from lakeward.adapters.connections import Connection, from_environment
from lakeward.errors import LakewardError
from lakeward.lab import Lab

LOG = logging.getLogger(__name__)
"""Its warnings are shown when a test fails: the seed, every fault, and what the steps said."""

ANY = ("429 before", "500 before", "503 before", "504 before", "torn before", "torn after", "500 after", "503 after")
OF_KIND = {
    "put on condition": ("409 before", "409 after", "412 after", "504 after", "stall after", "twice"),
    "commit": ("409 before", "504 after", "stall after", "twice"),
    "create table": ("409 after", "504 after", "stall after"),
    "load table": ("truncated", "stall after"),
    "config": ("truncated", "stall after"),
    "get": ("truncated",),
    "list": ("truncated",),
    "multipart": ("504 after",),
}
SILENT = ("refused", "torn 0", "torn 300", "torn 3000", "torn 30000")


@dataclass
class Spoiled:
    """A run whose every connection leads through a proxy."""

    chain: Chain
    http: Faults
    source: Line


@contextmanager
def behind_proxies(uri: str, home: Path) -> Iterator[Spoiled]:
    """The shop, seen through proxies that pass everything on so far; what falls silent is given up after a second."""
    with ExitStack() as stack:
        http = stack.enter_context(fault_proxy(os.environ["LAKEWARD_LAB_S3"], meets=lambda request: True))
        line: list[Line] = []

        def connections(conn_id: str) -> Connection:
            found = from_environment(conn_id)
            if conn_id == "lakehouse":
                return replace(found, host=f"{http.url}/_iceberg", extra={**found.extra, "s3.endpoint": http.url})
            if conn_id == "landing":
                patience = {"config_kwargs": {"read_timeout": 1}}
                return replace(found, extra={**found.extra, "endpoint_url": http.url, **patience})
            if not line:
                line.append(stack.enter_context(tcp_proxy(found.host, found.port or 5432)))
            return replace(found, port=line[0].port)

        chain = shop(uri, home, connections)
        connections("shop_source")
        yield Spoiled(chain, http, line[0])


@pytest.fixture(scope="module")
def uri(lab: Lab) -> str:
    return create_database(lab, (Path(__file__).parent / "schema.sql").read_text())


@pytest.fixture(scope="module")
def calm(uri: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, tuple[int, int]], Fingerprint]:
    """Requests and connections of each step when nothing fails, and what the run leaves."""
    counts = {}
    with behind_proxies(uri, tmp_path_factory.mktemp("calm")) as run:
        for step in WHOLE_WAY:
            before = run.http.met, run.source.connections
            run.chain.step(step)
            counts[step] = run.http.met - before[0], run.source.connections - before[1]
        return counts, fingerprint(run.chain)


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(100, 140))])
def test_whatever_fails_the_lake_ends_as_the_source(
    uri: str,
    tmp_path: Path,
    calm: tuple[dict[str, tuple[int, int]], Fingerprint],
    seed: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("lakeward.adapters.iceberg.catalog.TIMEOUT", (1.0, 1.0))
    counts, undisturbed = calm
    draw = random.Random(seed)
    LOG.warning("seed %s", seed)
    with behind_proxies(uri, tmp_path) as run:
        clear = direct(run.chain)
        for step in WHOLE_WAY:
            go(run, step, counts[step], draw)
            if step != "plan":
                check_half_published(clear)
            if step == "compare":
                check_finished(clear, uri)
        assert fingerprint(clear) == undisturbed
    assert any(" failed: " in told for told in caplog.messages), "nothing was ever spoiled so that a step noticed"


def go(run: Spoiled, step: str, calm: tuple[int, int], draw: random.Random) -> None:
    """Spoil two tries of a step; the third finds everything well and must succeed."""
    for attempt in ("first", "second"):
        plan_faults(run, step, calm, draw)
        error = attempted(run.chain, step, attempt)
        if error:
            LOG.warning("%s %s failed: %s", step, attempt, error)
            assert error.todo, f"{step} says not what to do: {error.what}"
            assert not [secret for secret in secrets() if secret in str(error)], f"{step} tells secrets"
        run.http.plan.clear()
        run.source.plan.clear()
    run.chain.step(step, "third")


def attempted(chain: Chain, step: str, attempt: str) -> LakewardError | None:
    """What the step told; an error that is not one of ours ends the test."""
    try:
        chain.step(step, attempt)
    except LakewardError as error:
        return error
    return None


def plan_faults(run: Spoiled, step: str, calm: tuple[int, int], draw: random.Random) -> None:
    """A fault at a random request, or at some in a row, so that the clients' own tries don't suffice; at a connection too."""
    requests, connections = calm
    if connections and draw.random() < 0.5:
        how = draw.choice(SILENT)
        run.source.plan = ["ok"] * draw.randrange(connections) + [how]
        LOG.warning("%s: %s", step, run.source.plan)
        return
    row = draw.choice([1, 1, 1, 5, 20])

    def spoil(request: Request) -> str:
        fault = draw.choice(ANY + OF_KIND.get(request.kind, ()))
        LOG.warning("%s: %s at %s %s", step, fault, request.kind, request.path[:150])
        return fault

    run.http.plan = ["ok"] * draw.randrange(requests) + [spoil] * row


def secrets() -> list[str]:
    """What no message may show."""
    return [s for name in ("lakehouse", "landing", "shop_source") for s in from_environment(name).secrets]


def test_the_documentation_names_every_fault() -> None:
    page = (Path(__file__).parents[3] / "docs" / "faults.md").read_text()
    rows = re.findall(r"^\| ([a-z ]+) \| (`.*?`) \|", page, re.MULTILINE)
    told = {(kind, fault) for kind, faults in rows for fault in re.findall(r"`(.*?)`", faults)}
    injected = {("any request", fault) for fault in ANY}
    injected |= {(kind, fault) for kind, faults in OF_KIND.items() for fault in faults}
    assert told == injected
