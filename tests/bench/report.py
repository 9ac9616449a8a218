"""What the bench found: a table of ratios and targets, and plots."""

from __future__ import annotations

import json
import math
import os
import platform
import statistics
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.measure import PEERS, Measured

_OURS = (
    "lineitem land",
    "lineitem extract",
    "figures extract",
    "rows extract",
    "tpch move",
    "tpch compare",
    "orders move",
)
_EDGE = 25
"""Appends of which a median is taken, at the beginning and at the end."""


@dataclass(frozen=True, slots=True)
class Row:
    """One promise: what was measured, beside what, and what it may be."""

    what: str
    ours: float
    peer: str
    target: float
    unit: str = "s"
    theirs: float | None = None

    @property
    def value(self) -> float:
        """What is held against the target: the ratio to the peer, or the figure itself."""
        return self.ours / self.theirs if self.theirs else self.ours

    def line(self) -> str:
        """A line of the table."""
        theirs = f"{self.peer}: {_shown(self.theirs, self.unit, 1)}" if self.theirs else self.peer
        value = _shown(self.value, "×", 2) if self.theirs else _shown(self.value, self.unit, 1)
        limit = f"{self.target:g} {'×' if self.theirs else self.unit}"
        met = "yes" if self.value <= self.target else "**no**"
        return f"| {self.what} | {_shown(self.ours, self.unit, 2)} | {theirs} | {value} | {limit} | {met} |"


def _shown(value: float, unit: str, digits: int) -> str:
    return "failed" if math.isnan(value) else f"{value:.{digits}f} {unit}".rstrip()


def _worst(values: Iterable[float]) -> float:
    """The largest; no number where one is none."""
    found = list(values)
    return math.nan if any(map(math.isnan, found)) else max(found)


def _middle(values: Sequence[float]) -> float:
    return statistics.median(values) if values else math.nan


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that one run measured."""

    scale: float
    orders: int
    taken: Mapping[str, Measured]
    appends: Sequence[float]
    large_scale: float
    large: Mapping[str, Measured]
    failed: Sequence[tuple[str, str]] = ()

    def rows(self) -> list[Row]:
        """Every promise."""
        imports = self.taken["import"].median
        moved, orders = self.taken["tpch move"].median, self.taken["orders move"].median
        validate = self.taken["tpch validate"]
        proved = moved + validate.median - imports + self.taken["tpch compare"].median
        dlt, bare = self.taken["dlt"].median, self.taken["duckdb tpch"].median
        land = self.taken["lineitem land"].median
        rows = [
            Row("extract the rows of lineitem", land, "psql COPY binary to /dev/null", 1.2, theirs=self.taken["copy"].median),
            Row("plan, extract, flatten, sort and append all eight tables", moved, "dlt, lineitem alone", 1.0, theirs=dlt),
            Row("the same", moved, "bare DuckDB to Parquet", 2.5, theirs=bare),
            Row("the same, with validation and every KPI compared", proved, "dlt, lineitem alone", 1.5, theirs=dlt),
            Row("nested orders with a child table, flattened and landed", orders,
                "bare DuckDB", 1.5, theirs=self.taken["duckdb orders"].median),
            *(
                Row(f"all rows of lineitem compared, {case}", self.taken[f"parity, {case}"].median, "reladiff", 0.5,
                    theirs=self.taken[f"reladiff, {case}"].median)
                for case in ("equal", "one cent")
            ),
            Row("a KPI of lineitem on equal data, CPU of both sides", self._work("source", "lake"), "their own GROUP BY", 1.5,
                theirs=self._work("source plain", "lake plain")),
            Row("record validation, beside the import", validate.median - imports, "", 10),
            Row("peak memory of validation", validate.peak, "", 1200, "MB"),
            Row("peak memory of any other step", _worst(self.taken[name].peak for name in _OURS), "", 800, "MB"),
            Row("append of a small batch", _middle(self.appends[:_EDGE]), "", 1.0),
            Row(f"the same, {len(self.appends):,} batches later", _middle(self.appends[-_EDGE:]), "", 1.5),
        ]  # fmt: skip
        if self.large_scale:
            ratios = {n: ratio for n, m in self.large.items() if not math.isnan(ratio := m.peak / self.taken[n].peak)}
            worst = max(ratios, key=lambda name: ratios[name], default="")
            ours, theirs = (m[worst].peak if worst else math.nan for m in (self.large, self.taken))
            rows.append(
                Row(f"peak memory at scale {self.large_scale:g} ({worst.removeprefix('tpch ')})", ours,
                    f"at scale {self.scale:g}", 1.2, "MB", theirs)
            )  # fmt: skip
        return rows

    def _work(self, *sides: str) -> float:
        """CPU seconds of a KPI on some sides."""
        return sum(self.taken[f"revenue, {side}"].work for side in sides)

    def markdown(self) -> str:
        """The report, without plots."""
        rounds = max((len(m.seconds) for m in self.taken.values()), default=0)
        head = (
            f"TPC-H at scale {self.scale:g} and {self.orders:,} orders with nested JSON, from PostgreSQL 18 to an object store"
            f" with an Iceberg REST catalog, servers and steps on the same machine ({os.cpu_count()} cores,"
            f" {platform.machine()}). Medians of {rounds} rounds, each case a process of its own, imports"
            " included unless said otherwise. `make bench` measures anew."
        )
        plain = self.taken["lineitem extract"].median
        counts = plain - self.taken["lineitem land"].median
        figures, rows = (self.taken[f"{name} extract"].median - plain for name in ("figures", "rows"))
        apart = (
            f"Importing Great Expectations takes {self.taken['import'].median:.1f} s of validation. The source's own"
            f" counts and guards of lineitem take {counts:.1f} s of extraction, the figures of one KPI {figures:.1f} s, fingerprints of"
            f" all rows {rows:.1f} s; the table above is without the latter (`prove_rows: false`), its first line without any of these."
        )
        lines = [
            "# What the data plane costs",
            "",
            head,
            "",
            "| what | lakeward | beside | result | target | met |",
            "|---|---|---|---|---|---|",
            *(row.line() for row in self.rows()),
            "",
            apart,
            "",
            "| process | seconds | CPU seconds | peak MB |",
            "|---|---|---|---|",
            *(
                f"| {name} | {_shown(m.median, '', 2)} | {_shown(m.work, '', 2)} | {_shown(m.peak, '', 0)} |"
                for name, m in self.taken.items()
            ),
            "",
        ]
        if self.failed:
            lines += ["## Failed", ""]
        for name, error in self.failed:
            lines += [f"{name}:", "", *(f"    {line}" for line in error.splitlines()), ""]
        return "\n".join(lines)

    def write(self, folder: Path) -> None:
        """``bench.md`` and its plots below ``images``, drawn in the peers' environment."""
        images = folder / "images"
        images.mkdir(parents=True, exist_ok=True)
        bars = [
            (row.what, row.ours, row.peer, row.theirs)
            for row in self.rows()
            if row.unit == "s" and row.theirs and row.value > 0
        ]
        figures = json.dumps({"bars": bars, "appends": list(self.appends)})
        subprocess.run([PEERS, Path(__file__).with_name("plots.py"), images], input=figures, text=True, check=True)
        pictures = (
            "\n![Seconds by case](images/bench-seconds.svg)\n\n![Seconds of small appends](images/bench-appends.svg)\n"
        )
        (folder / "bench.md").write_text(self.markdown() + pictures)
