"""Conditional writes whose answer is lost, late or wrong, on the lab's real store: who won is what the object says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from uuid import uuid4

import pytest
from tests.fault_proxy import Faults, Request, fault_proxy

from lakeward.adapters.connections import from_environment
from lakeward.adapters.objects import S3Store
from lakeward.errors import ConflictError, LakeError, SpecError
from lakeward.lab import Lab

pytestmark = pytest.mark.usefixtures("lab")


def conditional(request: Request) -> bool:
    return request.kind == "put on condition"


@contextmanager
def behind_proxy(lab: Lab, *plan: str) -> Iterator[tuple[S3Store, Faults]]:
    """A folder of the landing seen through a proxy, given up on after a second of silence."""
    connection = from_environment("landing")
    with fault_proxy(lab.env()["LAKEWARD_LAB_S3"], *plan, meets=conditional) as faults:
        extra = {**connection.extra, "endpoint_url": faults.url, "config_kwargs": {"read_timeout": 1}}
        store = S3Store(f"s3://landing/t{uuid4().hex[:8]}", replace(connection, extra=extra))
        yield store, faults
        store.close()


LANDED = ["409 after", "500 after", "503 after", "504 after", "torn after", "stall after"]


@pytest.mark.parametrize("fault", ["409 before", "429 before", "500 before", "503 before", "torn before", *LANDED])
def test_a_write_that_is_sent_again_finds_itself(lab: Lab, fault: str) -> None:
    with behind_proxy(lab, fault, "ok", fault) as (store, faults):
        assert store.put_new("a", b"first") is True
        assert store.get("a") == (b"first", store.etag("a"))
        etag = store.etag("a")
        assert etag
        assert store.put_if("a", b"second", etag) is True
        assert faults.met == 4
        assert store.put_new("a", b"third") is False
        assert store.put_if("a", b"third", etag) is False
        found = store.get("a")
        assert found
        assert found[0] == b"second"


def test_a_store_that_never_decides_is_told_and_the_next_try_finds_what_landed(lab: Lab) -> None:
    with behind_proxy(lab, "409 after", *["409 before"] * 5) as (store, faults):
        with pytest.raises(ConflictError, match="could not decide between writers of a, 6 times") as told:
            store.put_new("a", b"mine")
        assert told.value.todo
        assert faults.met == 6
        assert store.put_new("a", b"other") is False


def test_a_store_that_is_ill_for_long_is_told(lab: Lab) -> None:
    with behind_proxy(lab, *["503 before"] * 4) as (store, _):
        with pytest.raises(LakeError, match=r"could not write a: .*SlowDown") as told:
            store.put_new("a", b"mine")
        assert "Run the step again" in told.value.todo
        assert store.put_new("a", b"mine") is True


@pytest.mark.parametrize("given", ["soon", ["read_timeout", 1], {"read_timeout": "soon"}])
def test_patience_that_is_no_number_is_refused(given: object) -> None:
    connection = from_environment("landing")
    with pytest.raises(SpecError, match="config_kwargs"):
        S3Store("s3://landing/x", replace(connection, extra={**connection.extra, "config_kwargs": given}))
