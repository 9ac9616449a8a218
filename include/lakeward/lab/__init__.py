"""A whole lab on loopback: PostgreSQL with a retail source, and an object store that looks like AIStor Tables.

Usage::

    lab = Lab(Path(".lakeward"))
    state = lab.up()        # starts what is missing, touches nothing that runs
    lab.seed(orders=5000)   # the same rows for the same number
    os.environ |= lab.env()
    lab.down()
"""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from lakeward.lab import environment, postgres, seed, store
from lakeward.lab.processes import (
    LabError,
    Piece,
    free_ports,
    interrupts_deferred,
    is_alive,
    port_is_free,
    stop,
    wait_until,
)
from lakeward.lab.state import Credentials, Ports, Record, locked

__all__ = ["Lab", "LabError", "LabState"]

_PIECES = frozenset({"postgres", "store", "front"})


@dataclass(frozen=True, slots=True)
class LabState:
    """A lab that is up. `started` names the pieces that this call of `up` started: none when all ran already."""

    home: Path
    postgres_port: int
    s3_port: int
    processes: dict[str, int]
    started: tuple[str, ...] = ()


class Lab:
    """The lab of one LAKEWARD_HOME; several stand side by side, each on its own ports.

    :param home: the folder that holds everything of the lab, below `lab/`.
    """

    def __init__(self, home: Path) -> None:
        self.home = home.expanduser().absolute()
        self.folder = self.home / "lab"

    def up(self, *, postgres_port: int | None = None, s3_port: int | None = None) -> LabState:
        """Start what does not run, on the given ports, else those of last time, else free ones; return when ready.

        Raises LabError when a given port is taken or a server does not start; then nothing that was started stays.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        wanted = {name: port for name, port in (("postgres", postgres_port), ("s3", s3_port)) if port is not None}
        with locked(self.folder):
            for _ in range(2):
                try:
                    return self._up(wanted)
                except LabError:
                    record = Record.read(self.folder)
                    if record is None or self._alive(record) or all(map(port_is_free, asdict(record.ports).values())):
                        raise  # else another server was quicker to take one of the ports: others are chosen
            return self._up(wanted)

    def down(self, *, purge: bool = False) -> None:
        """End exactly the processes that the lab started; with `purge` remove its data and credentials too."""
        if not self.folder.exists():
            return
        with locked(self.folder):
            if record := Record.read(self.folder):
                self._stop(list(record.pieces.values()))
                replace(record, pieces={}).write(self.folder)
                store.remove_sockets(record.ports)
            if purge:
                shutil.rmtree(self.folder)

    def status(self) -> LabState | None:
        """The running lab; None when it is not up, or a piece of it has died."""
        record = Record.read(self.folder)
        return self._state(record) if record and set(self._alive(record)) == _PIECES else None

    def env(self) -> dict[str, str]:
        """The environment that points Airflow, the CLI and tests at this lab. Raises LabError when it is not up."""
        record = self._running()
        return environment.variables(record.ports, Credentials.of(self.folder))

    def seed(self, orders: int = 5000, progress: Callable[[str, int, int], None] | None = None) -> dict[str, int]:
        """Fill the retail source; the same rows for the same number of orders. Seeded already: nothing is done.

        :param progress: called with table, tables done, tables in all.
        :return: rows by table.
        """
        record, keys = self._running(), Credentials.of(self.folder)
        uri = postgres.connection_uri(record.ports.postgres, postgres.SUPERUSER, keys.admin_password, postgres.DATABASE)
        return seed.fill(uri, orders, progress)

    def _up(self, wanted: dict[str, int]) -> LabState:
        keys, record = Credentials.of(self.folder), Record.read(self.folder)
        running = self._alive(record) if record else {}
        self._stop([piece for name, piece in record.pieces.items() if name not in running] if record else [])
        ports = self._ports(record, running, wanted)
        if record and "front" in running and ports != record.ports:
            stop(running.pop("front"))  # it would look for the store where that no longer is
        started: list[Piece] = []
        starts: dict[str, Callable[[], Piece]] = {
            "postgres": lambda: postgres.start_postgres(self.folder, ports.postgres, keys),
            "store": lambda: store.start_store(self.folder, ports, keys),
            "front": lambda: store.start_front(self.folder, ports),
        }
        try:
            for name, begin in starts.items():
                if name not in running:
                    with interrupts_deferred():
                        started.append(begin())
                        Record(ports, running | {piece.name: piece for piece in started}).write(self.folder)
            self._wait(started, ports, keys)
        except BaseException:
            with interrupts_deferred():
                self._stop(started)
                Record(ports, running).write(self.folder)
                if "store" not in running:
                    store.remove_sockets(ports)
            raise
        record = Record(ports, running | {piece.name: piece for piece in started})
        return replace(self._state(record), started=tuple(piece.name for piece in started))

    def _wait(self, started: list[Piece], ports: Ports, keys: Credentials) -> None:
        ready: dict[str, Callable[[], bool]] = {
            "postgres": lambda: postgres.postgres_ready(ports.postgres, keys),
            "store": lambda: store.store_ready(ports, keys),
            "front": lambda: store.front_ready(ports),
        }
        for piece in started:
            wait_until(piece, ready[piece.name], log=self.folder / f"{piece.name}.log")
            if piece.name == "postgres":
                postgres.ensure_database(ports.postgres, keys)

    def _ports(self, record: Record | None, running: dict[str, Piece], wanted: dict[str, int]) -> Ports:
        """Ports of running pieces stay; for the others the given ones, else those of last time when still free."""
        owners = {"postgres": "postgres", "s3": "front"}
        names = [field.name for field in fields(Ports)]
        before = asdict(record.ports) if record else {}
        kept = {
            name: port for name, port in before.items() if owners.get(name, "store") in running or port_is_free(port)
        }
        chosen = dict(zip(names, free_ports(len(names)), strict=True)) | kept
        for name, port in wanted.items():
            if owners[name] in running and port != before[name]:
                what = f"the lab's {name} port is {before[name]} already, not {port}"
                raise LabError(what, todo="stop the lab first (lakeward lab down), then start it with the other port")
            if owners[name] not in running and not port_is_free(port):
                raise LabError(f"port {port} on 127.0.0.1, given for {name}, is taken", todo="give another, or none")
            chosen[name] = port
        return Ports(**chosen)

    def _running(self) -> Record:
        record = Record.read(self.folder)
        if record is None or self.status() is None:
            raise LabError(f"the lab in {self.home} is not up", todo="start it: lakeward lab up")
        return record

    def _state(self, record: Record) -> LabState:
        processes = {name: piece.pid for name, piece in record.pieces.items()}
        return LabState(self.home, record.ports.postgres, record.ports.s3, processes)

    @staticmethod
    def _alive(record: Record) -> dict[str, Piece]:
        return {name: piece for name, piece in record.pieces.items() if is_alive(piece)}

    @staticmethod
    def _stop(pieces: list[Piece]) -> None:
        """PostgreSQL's SIGINT is its fast shutdown, which does not wait for clients."""
        with ThreadPoolExecutor(max_workers=len(_PIECES)) as pool:
            how = {"postgres": signal.SIGINT}
            list(pool.map(lambda piece: stop(piece, how=how.get(piece.name, signal.SIGTERM)), pieces))
