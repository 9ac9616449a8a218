"""The suite's own order."""

from __future__ import annotations

import os

import pytest


@pytest.mark.skipif("PYTEST_XDIST_WORKER" not in os.environ, reason="only workers share the suite out")
def test_a_file_is_run_by_one_worker(request: pytest.FixtureRequest) -> None:
    assert request.node.nodeid.endswith(f"@{__file__}")
