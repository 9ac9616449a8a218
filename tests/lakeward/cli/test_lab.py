"""`lakeward lab`: a lab that is up, one that is not."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from lakeward.lab import Lab

Run = Callable[..., Result]


def test_what_is_not_up_says_so(cli: Run, home: Path) -> None:
    done = cli("lab", "status")
    assert done.exit_code == 1
    assert "is not up. Start it: lakeward lab up" in done.stdout
    for command in ("env", "seed"):
        done = cli("lab", command)
        assert done.exit_code == 1
        assert "What to do" in done.stderr
    assert cli("lab", "down").exit_code == 0


def test_env_is_what_a_shell_evaluates_to(cli: Run, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKEWARD_HOME", str(lab.home))
    done = cli("lab", "env")
    assert done.exit_code == 0
    names = list(lab.env())
    shell = f'eval "$1"; for name in {" ".join(names)}; do printf "%s\\0" "${{!name}}"; done'
    values = subprocess.run(["bash", "-c", shell, "-", done.stdout], capture_output=True, text=True, check=True).stdout
    assert dict(zip(names, values.split("\0"), strict=False)) == lab.env()


def test_a_running_lab_is_left_running_and_seeded_once(cli: Run, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKEWARD_HOME", str(lab.home))
    before = lab.status()
    assert before is not None
    done = cli("lab", "up")
    assert done.exit_code == 0
    assert "runs already" in done.stdout
    assert str(before.postgres_port) in cli("lab", "status").stdout
    done = cli("lab", "seed", "--orders", "2000")
    assert done.exit_code == 0
    assert "2,000" in done.stdout
    after = lab.status()
    assert after is not None
    assert after.processes == before.processes


def test_a_port_beyond_the_last_is_refused(cli: Run, home: Path) -> None:
    assert cli("lab", "up", "--s3-port", "70000").exit_code == 2
