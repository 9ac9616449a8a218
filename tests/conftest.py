"""Fixtures for the whole suite."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lakeward.lab import Lab, mariadb

SEEDED_ORDERS = 2000


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A real lab for the session, its retail source seeded, its connections in os.environ.

    LAKEWARD_TEST_LAB_HOME names the home of a lab that runs already (`lakeward lab up`): quicker while developing.
    """
    given = os.environ.get("LAKEWARD_TEST_LAB_HOME")
    one = Lab(Path(given) if given else tmp_path_factory.mktemp("lab_home"))
    before, owner = dict(os.environ), os.getpid()
    try:
        if not (given and one.status()):
            one.up()
        one.seed(orders=SEEDED_ORDERS)
        os.environ.update(one.env())
        yield one
    finally:
        os.environ.clear()
        os.environ.update(before)
        if (
            not given and os.getpid() == owner
        ):  # a process that was forked off, as Airflow does, must not end what others use
            one.down(purge=True)


@pytest.fixture(scope="session")
def maria(tmp_path_factory: pytest.TempPathFactory) -> Iterator[mariadb.Server]:
    """A real MariaDB for the session."""
    with mariadb.running(tmp_path_factory.mktemp("maria")) as server:
        yield server


@pytest.hookimpl(tryfirst=True)  # before pytest makes its own
def pytest_configure(config: pytest.Config) -> None:
    """Register the markers by which `make unit` leaves out what needs servers, and `make test` the long campaigns.

    Temporary files of a run get a folder of its own: pytest closes its usual one to others whenever a run starts, also to the
    user that PostgreSQL runs as when another run by root is under way.
    """
    if config.option.basetemp is None:
        config.option.basetemp = tempfile.mkdtemp(prefix="lakeward-tests-")
        config.add_cleanup(lambda: shutil.rmtree(config.option.basetemp, ignore_errors=True))
    config.addinivalue_line(
        "markers", "soak: a campaign in full length, run by `make soak`; a short form is in the suite"
    )
    config.addinivalue_line(
        "markers", "lab: needs the lab's servers; set by itself on tests that use the fixture `lab`"
    )


@pytest.hookimpl(tryfirst=True)  # before xdist, which reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what uses the lab, directly or through another fixture; files stay whole, and one worker begins with Airflow."""
    for item in items:
        names = getattr(item, "fixturenames", ())
        if "lab" in names:
            item.add_marker("lab")
        item.add_marker(pytest.mark.xdist_group("airflow" if "live" in names else str(item.path)))
    items.sort(key=lambda item: "live" not in getattr(item, "fixturenames", ()))
