"""The bench keeps what it has measured when a case fails, and tells which did."""

from __future__ import annotations

import math
import os
import sys
from collections import defaultdict
from pathlib import Path

import pytest
from tests.bench.measure import Measured, run
from tests.bench.report import Report


def test_a_process_that_fails_in_one_round_has_no_figure(tmp_path: Path) -> None:
    taken = Measured()
    assert run([sys.executable, "-c", "print(1)"], taken, os.environ, tmp_path / "log") == "1\n"
    assert taken.median > 0
    assert taken.peak > 1
    with pytest.raises(RuntimeError, match="no luck"):
        run([sys.executable, "-c", "raise SystemExit('no luck')"], taken, os.environ, tmp_path / "log")
    assert math.isnan(taken.median)
    assert math.isnan(taken.peak)


def test_the_report_tells_what_failed_and_what_was_measured() -> None:
    taken: dict[str, Measured] = defaultdict(Measured)
    names = ("copy", "lineitem land", "lineitem extract", "figures extract", "rows extract", "tpch move", "tpch compare",
             "tpch validate", "import", "dlt", "duckdb tpch", "orders move", "duckdb orders")  # fmt: skip
    for name in names:
        taken[name] = Measured([2.0], [1.5], [500.0])
    taken["orders move"] = Measured([2.0], [1.5], [500.0], failed=True)
    large = {"tpch move": Measured([9.0], [8.0], [550.0])}
    told = Report(1, 1000, taken, (), 3, large, (("orders", "Out of Memory Error\nat sort"),)).markdown()
    lines = {line.split("|")[1].strip(): line for line in told.splitlines() if line.startswith("| ")}
    assert "| 1.00 × | 1.2 × | yes |" in lines["extract the rows of lineitem"]
    assert (
        "| failed | bare DuckDB: 2.0 s | failed | 1.5 × | **no** |"
        in lines["nested orders with a child table, flattened and landed"]
    )
    assert "| failed |  | failed | 800 MB | **no** |" in lines["peak memory of any other step"]
    assert "| failed |  | failed | 1 s | **no** |" in lines["append of a small batch"]
    assert "| 550.00 MB | at scale 1: 500.0 MB | 1.10 × |" in lines["peak memory at scale 3 (move)"]
    assert lines["orders move"] == "| orders move | failed | failed | failed |"
    assert told.endswith("## Failed\n\norders:\n\n    Out of Memory Error\n    at sort\n")
