"""What goes on beside a migration of months: maintenance, audits, proposals for the file."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lakeward.cli.app import app
from lakeward.lab import Lab
from lakeward.spec.models import BudgetSpec
from lakeward.steps import propose
from lakeward.steps.clean import clean
from lakeward.steps.evidence import verify
from lakeward.steps.expire import expire
from phased import Shop, now


@pytest.fixture
def shop(lab: Lab, tmp_path: Path) -> Shop:
    return Shop(lab, tmp_path)


def test_windows_go_on_after_all_that_can_be_tidied_up_is_gone(shop: Shop) -> None:
    shop.change("calendar:", "maintenance: {keep_snapshots: 1, keep_cuts: 1, snapshots: 1d}\ncalendar:")
    shop.move("stock", budget=BudgetSpec(rows=16))
    later = now() + timedelta(days=400)
    with shop.ports() as ports:
        spec = shop.plan(ports, "tidy").migration
        expire(spec, ports, later, dry_run=False)
        report = clean(spec, ports, later, dry_run=False)
        assert all("manifest" not in one.where for one in report.leftovers)
        assert verify(ports.store).wrong == ()
    assert shop.lake("stock") == shop.source("SELECT sku FROM stock WHERE sku < 10 ORDER BY 1")
    shop.source("DELETE FROM stock WHERE sku = 3")
    assert shop.move("stock", window="0", again=True).moved == ("0/10",)
    assert shop.move("stock").complete
    shop.check_same("stock")
    with shop.ports() as ports:
        assert verify(ports.store).wrong == ()


def test_windows_and_waves_are_proposed_from_rows_that_were_counted(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(propose, "LARGE", 22)
    shop.source("ANALYZE")
    shop.change("    window: {table: public.orders, column: placed_at, size: 1 month}\n", "")
    text = shop.file.read_text()
    shop.file.write_text(text[: text.index("waves:")] + text[text.index("kpis:") :])
    with shop.ports() as ports:
        lines = propose.propose(shop.plan(ports, "p"), ports)
    assert "    window: {table: public.orders, column: placed_at, size: 1 week}" in lines
    assert lines[-2:] == ["    - {name: stock, groups: [stock]}", "    - {name: sales, groups: [sales]}"]


def test_a_window_that_no_group_has_is_told_by_the_exit_code(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKEWARD_HOME", str(shop.home))
    done = CliRunner().invoke(app, ["run", str(shop.file), "--window", "2031-05"])
    assert done.exit_code == 1
    assert "No group has a window '2031-05' with rows in it" in done.output
    assert CliRunner().invoke(app, ["run", str(shop.file), "--window", "2024-04-30"]).exit_code == 0
    assert list(shop.pointer().windows) == ["2024-04-01/2024-05-01"]
