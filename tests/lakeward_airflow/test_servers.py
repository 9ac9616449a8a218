"""The demo's Airflow ends with the demo, however that ends, and nothing else is touched."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lakeward.lab.processes import Piece, birth_of, is_alive
from lakeward_airflow.demo import servers

# A leader with a child that has a group and a title of its own, as Airflow's tasks have.
CHILD = (
    "import os, time; os.setpgid(0, 0); from setproctitle import setproctitle; setproctitle('x' * 60); time.sleep(60)"
)
LEADER = f"import subprocess, sys, time; print(subprocess.Popen([sys.executable, '-c', {CHILD!r}]).pid, flush=True); time.sleep(60)"


@pytest.fixture
def family() -> Iterator[tuple[int, int]]:
    with subprocess.Popen(
        [sys.executable, "-c", LEADER], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as one:
        assert one.stdout is not None
        child = int(one.stdout.readline())
        yield one.pid, child
        for pid in (one.pid, child):
            if birth_of(pid):
                os.kill(pid, signal.SIGKILL)


def gone(pid: int) -> bool:
    """Dead; whoever inherits it may take a while to bury it."""
    for _ in range(100):
        birth = birth_of(pid)
        if birth is None or not is_alive(Piece("test", pid, birth)):
            return True
        time.sleep(0.05)
    return False


def test_a_session_is_ended_to_its_last_child_even_without_its_leader(family: tuple[int, int]) -> None:
    leader, child = family
    birth = birth_of(leader)
    assert birth is not None
    os.kill(leader, signal.SIGKILL)
    assert gone(leader)
    servers._end([(leader, birth)])
    assert gone(child)


def test_a_pid_that_is_another_process_by_now_is_left_alone(family: tuple[int, int]) -> None:
    leader, child = family
    birth = birth_of(leader) or ""
    servers._end([(leader, birth[:-1] + ("0" if birth[-1] != "0" else "1")), (leader, "another-boot:1")])
    assert birth_of(leader)
    assert birth_of(child)


def test_a_note_that_was_cut_off_is_no_obstacle(tmp_path: Path) -> None:
    note = tmp_path / "sessions.json"
    assert servers._noted(note) == []
    note.write_text('[[1, "a')
    assert servers._noted(note) == []
