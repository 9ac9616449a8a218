"""Run the bench: ``python -m tests.bench --help``."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path

import psycopg
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from tests.bench import migrations, report
from tests.bench.measure import PEERS, Measured, run, steps
from tests.databases import airflow_connection
from tests.scenarios.tpch.load import load

from lakeward.lab import Lab
from lakeward.lab.postgres import binaries

MOVE = ("plan", "extract", "prepare", "flatten", "append")
_ROUND = 22
_LARGE = 4
GX = "import great_expectations"


class Bench:
    """One run: servers of its own, rounds of every case, and what each took."""

    def __init__(self, folder: Path, lab: Lab, scale: float, orders: int, say: Callable[[str], None]) -> None:
        self.folder = folder
        self.say = say
        say(f"loading TPC-H at scale {scale:g} and {orders:,} orders with JSON")
        self.uri = load(lab, scale, folder)
        lab.seed(orders=orders)
        os.environ.update(lab.env())
        os.environ["AIRFLOW_CONN_TPCH_SOURCE"] = airflow_connection(self.uri)
        self.retail = f"{self.uri.rpartition('/')[0]}/retail"
        self.files = migrations.write(folder)
        self.taken: dict[str, Measured] = defaultdict(Measured)
        self.failed: list[tuple[str, str]] = []
        self.runs = 0
        self.price: Decimal | None = None

    def rounds(self, count: int) -> None:
        """Every case ``count`` times; other cases lie between two rounds of one."""
        for _ in range(count):
            self._round()

    def _round(self) -> None:
        """Every case once, beside its peers."""
        dlt = [PEERS, Path(__file__).with_name("dlt_lineitem.py"), self.uri]
        duck = [sys.executable, "-m", "tests.bench.duck"]
        copy = [binaries() / "psql", self.uri, "-c", r"\copy lineitem TO /dev/null (FORMAT binary)"]
        self.case("copy", lambda: self._peer("copy", copy))
        self.case("lineitem", lambda: self._run("lineitem", ("plan",), ("land",), ("extract",)))
        self.case("figures", lambda: self._run("figures", ("plan",), ("extract",)))
        self.case("parity", self.parity)
        self.case("group by", self.group_by)
        self.case("import", lambda: self._peer("import", [sys.executable, "-c", GX]))
        self.case("tpch", self.tpch)
        self.case("dlt", lambda: self._peer("dlt", [*dlt, self._empty()]))
        self.case("duckdb tpch", lambda: self._peer("duckdb tpch", [*duck, "tpch", self.uri, self._empty()]))
        self.case("orders", lambda: self._run("orders", MOVE))
        self.case("duckdb orders", lambda: self._peer("duckdb orders", [*duck, "orders", self.retail, self._empty()]))

    def case(self, name: str, measure: Callable[[], object]) -> None:
        """Measure a case; one that fails is told at the end, and the others keep what they found."""
        try:
            measure()
        except (RuntimeError, OSError, psycopg.Error) as error:
            self.failed.append((name, str(error)))

    def parity(self) -> None:
        """Lineitem compared with its source, row by row: equal, and with one wrong cent, which both must name."""
        run_key = self._run("rows", ("plan",), ("extract",))
        self._steps("rows", MOVE[2:], run_key, "rows append")
        copy = self._empty()
        self._peer("copy of lineitem", [sys.executable, "-m", "tests.bench.duck", "copy", self.uri, copy])
        reladiff = [PEERS, Path(__file__).with_name("reladiff_lineitem.py"), self.uri, copy / "copy.db"]
        try:
            for case, cents in (("equal", 0), ("one cent", 1)):
                self._dearer(cents)
                ours = self._steps("rows", ("parity",), run_key, f"parity, {case}")
                theirs = self._peer(f"reladiff, {case}", reladiff)
                if [bool(ours), bool(theirs)] != [bool(cents)] * 2:
                    raise RuntimeError(f"{case}: lakeward found {ours!r}, reladiff {theirs!r}")
        finally:
            self._dearer(0)

    def group_by(self) -> None:
        """A KPI of lineitem beside the plain GROUP BY of both sides, by CPU seconds."""
        printed = self._peer(
            "figures beside GROUP BY", [sys.executable, "-m", "tests.bench.figures", self.uri, self._empty()]
        )
        for name, seconds in json.loads(printed).items():
            self.taken[f"revenue, {name}"].cpu.append(float(seconds))

    def _dearer(self, cents: int) -> None:
        """Make one price of lineitem so much larger than it was."""
        where = b"WHERE l_orderkey = 1 AND l_linenumber = 1"
        with psycopg.connect(self.uri) as con:
            if self.price is None:
                self.price = con.execute(b"SELECT l_extendedprice FROM lineitem " + where).fetchall()[0][0]
            con.execute(b"UPDATE lineitem SET l_extendedprice = %s " + where, [self.price + Decimal(cents) / 100])

    def tpch(self) -> None:
        """All eight tables: moved, then proved."""
        self._run("tpch", MOVE, ("validate",), ("compare",))

    def appends(self, count: int) -> list[float]:
        """Seconds of small batches, one after the other; none when one of them fails."""
        self.say(f"{count} small appends")
        printed = ""

        def measure() -> None:
            nonlocal printed
            argv = [sys.executable, "-m", "tests.bench.job", "appends", str(count)]
            printed = run(argv, self.taken["appends"], os.environ, self.folder / "appends.log")

        self.case("appends", measure)
        return [float(line) for line in printed.split()]

    def _run(self, file: str, *processes: tuple[str, ...]) -> str:
        """A new run of a file, in as many processes as given; its key."""
        self.runs += 1
        for names in processes:
            self._steps(file, names, f"r{self.runs}", f"{file} {names[0] if len(names) == 1 else 'move'}")
        return f"r{self.runs}"

    def _steps(self, file: str, names: tuple[str, ...], run_key: str, case: str) -> str:
        self.say(case)
        return steps(names, self.files[file], self.folder, run_key, self.taken[case])

    def _peer(self, name: str, argv: list[str | Path]) -> str:
        self.say(name)
        return run(argv, self.taken[name], os.environ, self.folder / "peer.log")

    def _empty(self) -> Path:
        folder = self.folder / "peer"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return folder


def main() -> None:
    """Measure, print the table and write the report."""
    options = _options()
    bar = Progress(BarColumn(), TimeElapsedColumn(), TextColumn("{task.description}"), transient=True)
    with tempfile.TemporaryDirectory(prefix="lakeward-bench-") as folder, bar:
        task = bar.add_task("starting a lab", total=options.rounds * _ROUND + 1 + _LARGE * bool(options.large))
        home, done = Path(folder), -2

        def say(what: str) -> None:
            nonlocal done
            done += 1
            bar.update(task, description=what, completed=max(done, 0))

        lab = Lab(home)
        lab.up()
        try:
            bench = Bench(home, lab, options.scale, options.orders, say)
            bench.rounds(options.rounds)
            appended = bench.appends(options.appends)
            large: dict[str, Measured] = {}
            if options.large:
                bench.case(f"scale {options.large:g}", lambda: large.update(_large(home / "large", lab, options, say)))
        finally:
            lab.down(purge=True)
    found = report.Report(
        options.scale, options.orders, bench.taken, appended, options.large, large, tuple(bench.failed)
    )
    sys.stdout.write(found.markdown())
    if options.report:
        found.write(options.report)
    sys.exit(bool(bench.failed))


def _large(folder: Path, lab: Lab, options: argparse.Namespace, say: Callable[[str], None]) -> Mapping[str, Measured]:
    """What one round of TPC-H takes at the large scale."""
    folder.mkdir()
    bench = Bench(folder, lab, options.large, options.orders, say)
    bench.tpch()
    return bench.taken


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--scale", type=float, default=1, help="TPC-H scale factor (1: 6 million lines)")
    parser.add_argument("--orders", type=int, default=2_000_000, help="orders with nested JSON")
    parser.add_argument("--rounds", type=int, default=3, help="rounds; the report shows medians")
    parser.add_argument("--appends", type=int, default=1000, help="small batches, one after the other")
    parser.add_argument("--large", type=float, default=3, help="scale factor of one more round, for memory; 0: none")
    parser.add_argument("--report", type=Path, help="folder for bench.md and its plots")
    return parser.parse_args()


if __name__ == "__main__":
    main()
