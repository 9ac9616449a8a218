"""`lakeward run` and `lakeward status` of a strangler fig: loaded by the first call, followed by each later one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from strangler import Shop
from typer.testing import CliRunner

from lakeward.cli.app import app
from lakeward.lab import Lab


def test_the_first_run_loads_and_later_ones_follow(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKEWARD_HOME", str(tmp_path / "home"))
    shop = Shop(lab, tmp_path)
    run = CliRunner().invoke
    try:
        first = run(app, ["run", str(shop.file)])
        assert first.exit_code == 0, first.output
        assert "initial load" in first.output
        shop.run("UPDATE orders SET total = total + 0.01 WHERE id = 7", "DELETE FROM orders WHERE id = 8")
        second = run(app, ["run", str(shop.file)])
        assert second.exit_code == 0, second.output
        assert "5 changes of 2 transactions" in second.output  # an order goes with its three lines
        told = json.loads(run(app, ["status", str(shop.file), "--json"]).stdout)["migrations"][0]
        (group,), (slot,) = told["groups"], told["slots"]
        assert (group["position"], slot["active"], slot["lost"]) == (slot["confirmed"], False, False)
        assert {v["outcome"] for v in told["verdicts"]} == {"pass"}
        (meter,) = told["meters"]["newest"]
        assert (meter["changes"], meter["failures"], meter["freshness"]["count"] > 0) == (5, 0, True)
        assert meter["lake"]["queries"]["by_status"]["count"] == meter["source"]["queries"]["by_status"]["count"] == 1
        cost = told["meters"]["double_cost"]
        assert (cost["days"], cost["source"].endswith(" EUR")) == (1, True)
        shown = run(app, ["status", str(shop.file)]).output
        assert "report by_status" in shown
        assert "Double cost for 1 days so far" in shown
        shop.run("UPDATE orders SET payload = '{\"channel\": 7}' WHERE id = 9")
        third = run(app, ["run", str(shop.file)])
        assert third.exit_code == 3, third.output
        assert "1 rows quarantined" in third.output
        refused = run(app, ["run", str(shop.file), "--until", "append"])
        assert (refused.exit_code, "changes.tenure" in refused.output) == (1, True)
    finally:
        shop.close()
