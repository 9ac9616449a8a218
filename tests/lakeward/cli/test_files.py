"""`lakeward check`, `lakeward schema`, and what holds for every command."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from lakeward.cli.console import exits, progressing, table
from lakeward.cli.verdicts import finding_json, verdict_json
from lakeward.domain.evidence import Finding, Outcome, Verdict
from lakeward.errors import LakewardError

Run = Callable[..., Result]
RETAIL = Path(__file__).parents[3] / "dags" / "migrations" / "retail.yaml"
COMMANDS = [
    "init", "doctor", "check", "schema", "plan", "run", "parity", "status", "discard",
    "lab up", "lab down", "lab env", "lab status", "lab seed", "evidence verify", "ledger rebuild",
]  # fmt: skip


def test_good_files_are_good(cli: Run) -> None:
    done = cli("check", RETAIL)
    assert done.exit_code == 0
    assert f"{RETAIL}: good (lift_and_shift, 1 group, 4 tables, 9 KPIs)" in done.stdout


def test_every_bad_file_is_told_and_the_good_ones_too(cli: Run, tmp_path: Path) -> None:
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text(RETAIL.read_text().replace("to: products", "to: product"))
    second.write_text("- no\n")
    done = cli("check", first, RETAIL, second, tmp_path / "c.yaml")
    assert done.exit_code == 2
    assert "Did you mean `products`?" in done.stderr
    assert "the top level must be" in done.stderr
    assert "there is no such file" in done.stderr
    assert "good" in done.stdout
    assert "Traceback" not in done.stderr


def test_two_files_of_one_migration_are_refused(cli: Run, tmp_path: Path) -> None:
    copy = tmp_path / "copy.yaml"
    copy.write_text(RETAIL.read_text())
    done = cli("check", RETAIL, copy)
    assert done.exit_code == 2
    assert "both describe the migration `retail`" in done.stderr


def test_the_schema_is_json(cli: Run) -> None:
    done = cli("schema")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["$schema"].endswith("2020-12/schema")
    assert cli("schema", "--markdown").stdout.startswith("## Every key")


def test_the_json_is_described() -> None:
    page = (RETAIL.parents[2] / "docs" / "cli.md").read_text()
    at = datetime(2026, 1, 1, tzinfo=UTC)
    verdict = Verdict("kpi", "x", "m", "g", "c", Outcome.PASS, "h", "", 1, 0, at)
    described = [verdict_json(verdict), finding_json(verdict, Finding("x", "source-lake"))]
    for name in (name for part in described for name in part):
        assert f"`{name}`" in page or f".{name}[]`" in page, f"docs/cli.md does not describe {name}"


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example_or_says_what_it_does(cli: Run, command: str) -> None:
    done = cli(*command.split(), "--help")
    assert done.exit_code == 0
    assert "Usage:" in done.stdout
    assert "Example:" in done.stdout or command in {"lab down", "lab status"}


def test_help_is_quick() -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-m", "lakeward.cli", "--help"], capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert b"discard" in done.stdout
    assert (
        after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1.2
    )  # seconds of CPU; 0.4 on an idle core


def test_help_imports_nothing_heavy() -> None:
    code = "import sys, lakeward.cli.app; print(*sys.modules)"
    loaded = set(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    )
    assert loaded.isdisjoint(
        {"pydantic", "pyarrow", "duckdb", "pyiceberg", "great_expectations", "boto3", "sqlalchemy"}
    )


def test_errors_of_ours_have_a_code_and_no_traceback_others_keep_theirs() -> None:
    app = typer.Typer()

    @app.command()
    @exits(2)
    def fail(kind: str) -> None:
        if kind == "ours":
            raise LakewardError("It is broken.", todo="Mend it.")
        raise RuntimeError("surprise")

    ours = CliRunner().invoke(app, ["ours"])
    assert ours.exit_code == 2
    assert ours.stderr == "Error: It is broken.\n  What to do: Mend it.\n"
    with pytest.raises(RuntimeError, match="surprise"):
        CliRunner().invoke(app, ["theirs"], catch_exceptions=False)


def test_progress_without_a_terminal_is_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with progressing() as progress:
        progress("orders", 5, 10)
        progress("orders", 1000, 1000)
        progress("unknown", 3, 0)
    assert capsys.readouterr().err == "orders: 1,000 of 1,000\n"


def test_tables_show_what_is_in_them_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    table(("name", "rows"), [("[red]x[/red]", "1,000"), ("Zürich", "2")], right=("rows",))
    lines = capsys.readouterr().out.splitlines()
    assert "[red]x[/red]" in lines[2]
    assert lines[3].endswith("    2")
