"""Differences by the command line: shown, repaired, accepted, withdrawn; each refusal says what to do."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from click.testing import Result
from test_story import FILE, SHOP
from tests.lakeward.cli.conftest import Source

Run = Callable[..., Result]
GIVEN = ("--owner", "finance", "--reason", "T-12", "--expires", "2099-12-31", "--by", "ann")


@pytest.fixture(scope="module")
def shop(source: Source, tmp_path_factory: pytest.TempPathFactory, cli: Run) -> Iterator[Path]:
    """A published shop, of whose orders one has changed since."""
    source.execute(*SHOP)
    folder = tmp_path_factory.mktemp("differences")
    os.environ["LAKEWARD_HOME"] = str(folder / "home")
    path = folder / "shop.yaml"
    path.write_text(FILE.format(name=f"shop{uuid4().hex[:8]}", conn=source.conn))
    done = cli("run", path)
    assert done.exit_code == 0, done.output
    source.execute("UPDATE orders SET total = total + 0.01 WHERE id = 77")
    yield path
    del os.environ["LAKEWARD_HOME"]


def parity(cli: Run, path: Path, *more: str) -> tuple[int, dict[str, list[dict[str, object]]]]:
    done = cli("parity", path, "--recheck-after", "0s", "--json", *more)
    return done.exit_code, json.loads(done.stdout)


def test_a_row_is_shown_repaired_accepted_and_open_again(shop: Path, cli: Run) -> None:
    looked = cli("parity", shop, "--recheck-after", "1s")
    assert looked.exit_code == 1
    assert "settled on recheck after 1 s" in looked.stdout
    shown = cli("repair", shop)
    assert shown.exit_code == 1
    assert "77.77" in shown.stdout
    assert "77.78" in shown.stdout
    assert "Nothing was changed" in shown.stdout
    assert parity(cli, shop)[0] == 1
    done = cli("repair", shop, "--group", "sales", "--confirm")
    assert done.exit_code == 0, done.output
    assert "before: " in done.stdout
    assert parity(cli, shop)[0] == 0
    assert "no row differs" in cli("repair", shop).stdout

    code, found = parity(cli, shop, "--at", "cut")
    assert (code, {f["accepted"] for f in found["findings"]}) == (1, {None})
    for rule in (("--rows", "orders", "--key", "77", "--column", "total"), ("--kpi", "revenue", "--amount", "0.01")):
        dry = cli("accept", shop, *rule, *GIVEN)
        assert dry.exit_code == 0, dry.output
        assert "1 difference accepted by ann for finance until 2099-12-31" in dry.stdout
        assert "Nothing was written" in dry.stdout
        assert "until 2099-12-31:" in " ".join(dry.stdout.split())  # an id has what is written
        assert "Accepted: " in cli("accept", shop, *rule, *GIVEN, "--confirm").stdout
    code, found = parity(cli, shop, "--at", "cut")
    accepted = {v["subject"]: v["accepted"] for v in found["verdicts"] if v["outcome"] == "fail"}
    assert (code, sorted(accepted)) == (1, ["orders", "revenue"])
    ids = {name: next(iter(one)) for name, one in accepted.items()}  # type: ignore[call-overload]
    assert {f["accepted"] for f in found["findings"]} == set(ids.values())
    assert "accepted by ann" in cli("parity", shop, "--at", "cut").stdout
    assert ids["orders"] in cli("accept", shop, "--list").stdout
    for file in Path(os.environ["LAKEWARD_HOME"]).glob("ledger.db*"):
        file.unlink()
    assert "2 acceptances" in cli("ledger", "rebuild", shop).stdout
    (one,) = json.loads(cli("status", shop, "--json").stdout)["migrations"]
    assert {a["id"] for a in one["accepted"]} == set(ids.values())
    gone = cli("accept", shop, "--withdraw", ids["orders"], "--reason", "mended")
    assert "Withdrawn: rows orders" in gone.stdout
    assert ids["orders"] not in cli("accept", shop, "--list").stdout


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("accept",), 1, "--kpi NAME, --rows TABLE or --counts TABLE"),
        (("accept", "--counts", "orders", *GIVEN), 1, "no difference in what was named"),
        (("accept", "--counts", "orders", "--amount", "1", *GIVEN), 1, "Name --counts TABLE alone"),
        (("accept", "--counts", "orders", "--rows", "orders", *GIVEN), 1, "One of them"),
        (("accept", "--kpi", "revenu", *GIVEN), 1, "revenue"),
        (("accept", "--kpi", "revenue"), 1, "needs --owner, --reason, --expires"),
        (("accept", "--kpi", "revenue", "--amount", "1e", *GIVEN), 1, "--amount 1e is no number"),
        (("accept", "--rows", "ordes", *GIVEN), 1, "orders"),
        (("accept", "--rows", "orders", "--group", "sale", *GIVEN), 1, "sales"),
        (("accept", "--rows", "orders", "--key", "1", *GIVEN), 1, "no difference in what was named"),
        (("accept", "--rows", "orders", "--key", "77,1", *GIVEN), 1, "has 2 parts, and the key of orders is id"),
        (("accept", "--rows", "orders", "--column", "totl", *GIVEN), 1, "Did you mean `total`"),
        (("accept", "--rows", "orders", "--dimension", "a=b", *GIVEN), 1, "--dimension narrows a KPI"),
        (("accept", "--kpi", "revenue", "--key", "77", *GIVEN), 1, "narrow rows, not a KPI"),
        (("accept", "--kpi", "revenue", "--dimension", "nope=1", *GIVEN), 1, "no dimension 'nope'"),
        (("accept", "--kpi", "revenue", "--period", "30.3.2025", *GIVEN), 1, "Write it as in 2025-03-30"),
        (("accept", "--withdraw", "0123456789abcdef", "--reason", "x"), 1, "has no acceptance"),
        (("accept", "--withdraw", "0123456789abcdef"), 1, "needs --reason"),
        (("repair", "--group", "sale"), 2, "sales"),
        (("repair", "--table", "order"), 2, "orders"),
        (("parity", "--recheck-after", "soon"), 2, "--recheck-after"),
    ],
)
def test_what_is_refused_says_what_to_do(shop: Path, cli: Run, words: tuple[str, ...], code: int, told: str) -> None:
    done = cli(words[0], shop, *words[1:])
    assert (done.exit_code, told in done.output) == (code, True), done.output
