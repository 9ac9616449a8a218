"""Up, down, repair: real processes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import boto3
import psycopg
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, IncompleteReadError, ResponseStreamingError

from lakeward.lab import Lab, LabError
from lakeward.lab.processes import Piece, birth_of, free_ports, is_alive, stop
from lakeward.lab.state import Credentials, Ports, Record

INCLUDE = Path(__file__).resolve().parents[3] / "include"


def belonging_to(folder: Path) -> set[int]:
    """Every living process that names the lab's folder in its command line or works in it."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                named = str(folder).encode() in (entry / "cmdline").read_bytes()
                within = (entry / "cwd").readlink().is_relative_to(folder)
            except OSError:
                continue
            if (named or within) and birth_of(int(entry.name)):
                found.add(int(entry.name))
    return found


def free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab of our own, beside the session's, that may be hurt."""
    one = Lab(tmp_path_factory.mktemp("second"))
    one.up()
    yield one
    one.down(purge=True)


def test_two_labs_stand_side_by_side(lab: Lab, second: Lab) -> None:
    ours, theirs = Record.read(lab.folder), Record.read(second.folder)
    assert ours is not None
    assert theirs is not None
    assert not set(asdict(ours.ports).values()) & set(asdict(theirs.ports).values())
    assert Credentials.of(lab.folder).secret_key != Credentials.of(second.folder).secret_key
    for one in (lab, second):
        with psycopg.connect(one.env()["LAKEWARD_LAB_POSTGRES"]) as connection:
            row = connection.execute(
                "SELECT current_setting('wal_level'), current_setting('data_directory')"
            ).fetchone()
        assert row == ("logical", str(one.folder / "postgres"))


def test_up_when_up_does_nothing_and_says_so(second: Lab) -> None:
    before = second.status()
    again = second.up()
    assert again.started == ()
    assert again == before


def test_secrets_are_for_the_owner_alone(second: Lab) -> None:
    keys = Credentials.of(second.folder)
    for name in ("credentials.json", "s3.json", "state.json"):
        assert (second.folder / name).stat().st_mode & 0o777 == 0o600
    assert keys.secret_key not in repr(keys)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) in belonging_to(second.folder):
            assert keys.secret_key.encode() not in (entry / "cmdline").read_bytes()
    logs = "".join(path.read_text() for path in second.folder.glob("*.log"))
    assert keys.secret_key not in logs
    assert keys.admin_password not in logs


@pytest.mark.parametrize("piece", ["postgres", "store", "front"])
def test_up_repairs_what_was_killed(second: Lab, piece: str) -> None:
    before = second.up()
    with psycopg.connect(second.env()["LAKEWARD_LAB_POSTGRES"], autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept AS SELECT 1 AS one")
    os.kill(before.processes[piece], signal.SIGKILL)
    while second.status():
        time.sleep(0.01)
    with pytest.raises(LabError, match="is not up"):
        second.env()
    after = second.up()
    assert after.started == (piece,)
    assert (after.postgres_port, after.s3_port) == (before.postgres_port, before.s3_port)
    assert {name for name in after.processes if after.processes[name] != before.processes[name]} == {piece}
    with psycopg.connect(second.env()["LAKEWARD_LAB_POSTGRES"]) as connection:
        assert connection.execute("SELECT one FROM kept").fetchone() == (1,)


def test_a_store_that_dies_while_answering_gives_no_short_object(second: Lab) -> None:
    up = second.up()
    landing = json.loads(second.env()["AIRFLOW_CONN_LANDING"])
    known = {
        "endpoint_url": landing["extra"]["endpoint_url"],
        "region_name": landing["extra"]["region_name"],
        "aws_access_key_id": landing["login"],
        "aws_secret_access_key": landing["password"],
    }
    s3 = boto3.client("s3", config=Config(retries={"max_attempts": 0}), **known)
    s3.put_object(Bucket="landing", Key="large", Body=bytes(64 * 2**20))
    stream = s3.get_object(Bucket="landing", Key="large")["Body"]
    assert len(stream.read(2**20)) == 2**20
    os.kill(up.processes["store"], signal.SIGKILL)
    with pytest.raises((IncompleteReadError, ResponseStreamingError)):
        stream.read()
    with pytest.raises(ClientError, match="503"):
        s3.head_object(Bucket="landing", Key="large")
    assert second.up().started == ("store",)
    s3.close()
    s3 = boto3.client("s3", config=Config(retries={"max_attempts": 10, "mode": "standard"}), **known)
    assert s3.get_object(Bucket="landing", Key="large")["Body"].read() == bytes(64 * 2**20)
    s3.close()


def test_a_port_that_differs_from_the_running_one_is_refused(second: Lab) -> None:
    with pytest.raises(LabError, match="already, not 1024"):
        second.up(postgres_port=1024)
    assert second.status() is not None


def test_life_of_a_lab_on_given_ports(tmp_path: Path) -> None:
    one, (postgres_port, s3_port) = Lab(tmp_path), free_ports(2)
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", s3_port))
        squatter.listen()
        with pytest.raises(LabError, match=f"port {s3_port} .* is taken"):
            one.up(postgres_port=postgres_port, s3_port=s3_port)
        assert belonging_to(one.folder) == set()
    state = one.up(postgres_port=postgres_port, s3_port=s3_port)
    assert (state.postgres_port, state.s3_port) == (postgres_port, s3_port)
    assert set(state.processes.values()) <= belonging_to(one.folder)
    record = Record.read(one.folder)
    assert record is not None
    one.down()
    assert belonging_to(one.folder) == set()
    assert one.status() is None
    assert all(free(port) for port in asdict(record.ports).values())
    assert not [path for path in Path("/tmp").glob("seaweedfs-*") if str(record.ports.filer) in path.name]
    one.down()  # once more: nothing to do
    # An interrupted `up` left a draft of a cluster, a crash a pid file that names a stranger: both are seen through.
    (one.folder / "postgres" / "postmaster.pid").write_text(f"{os.getpid()}\n")
    (one.folder / "postgres.new").mkdir()
    again = one.up()
    assert (again.postgres_port, again.s3_port) == (postgres_port, s3_port)
    one.down(purge=True)
    assert not one.folder.exists()


def test_a_stranger_with_a_recorded_pid_is_left_alone(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as stranger:
        try:
            stale = Piece("store", stranger.pid, "another boot:1")
            assert not is_alive(stale)
            stop(stale)
            assert stranger.poll() is None
            one = Lab(tmp_path)
            one.folder.mkdir()
            Record(Ports(*free_ports(8)), {"store": stale}).write(one.folder)
            assert one.status() is None
            one.down()
            assert stranger.poll() is None
        finally:
            stranger.kill()


@pytest.mark.parametrize("seconds", [0.35, 0.9, 1.4])
def test_an_interrupted_up_leaves_nothing(tmp_path: Path, seconds: float) -> None:
    home = tmp_path / "home"
    heard = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"  # not so in a suite run behind `&`
    )
    script = f"{heard}; import sys, pathlib; from lakeward.lab import Lab; Lab(pathlib.Path(sys.argv[1])).up()"
    env = {**os.environ, "PYTHONPATH": str(INCLUDE)}
    child = subprocess.Popen([sys.executable, "-c", script, str(home)], env=env, stderr=subprocess.PIPE, text=True)
    folder = home / "lab"
    deadline = time.monotonic() + 20
    while not (folder / "lock").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(seconds)
    child.send_signal(signal.SIGINT)
    _, complaint = child.communicate(timeout=30)
    deadline = time.monotonic() + 3
    while belonging_to(folder) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert "KeyboardInterrupt" in complaint
    assert belonging_to(folder) == set()
    if record := Record.read(folder):
        assert not record.pieces
        assert not Path(f"/tmp/seaweedfs-s3-{record.ports.store}.sock").exists()
    shutil.rmtree(folder)


def test_an_up_that_fails_leaves_nothing_and_shows_the_log(tmp_path: Path) -> None:
    one = Lab(tmp_path)
    one.folder.mkdir()
    (one.folder / "store").mkdir()
    (one.folder / "store" / "filerldb2").write_text("in the way")
    with pytest.raises(LabError, match=r"store .*the end of its log"):
        one.up()
    assert belonging_to(one.folder) == set()
