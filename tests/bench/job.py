"""Steps of one run in a process of their own: ``python -m tests.bench.job STEP[,STEP] FILE HOME RUN``."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from tests.chain import Chain

from lakeward.ports import silent
from lakeward.steps.artifacts import read_plan
from lakeward.steps.compare_now import compare_now
from lakeward.steps.drill import drill_all


def appends(count: int) -> None:
    """Land ``count`` batches of 100 rows in the lab's catalog, one after the other; prints the seconds of each."""
    from tests import lakes

    lake = lakes.open_lake(lakes.lab_connection())
    lake.prepare(lakes.TABLES, lakes.MIGRATION)
    for number in range(count):
        began = time.monotonic()
        cut = f"{number:016x}"
        lake.commit(lakes.group(cut, lakes.stage(lake, lakes.orders(100, first=100 * number))), cut, lakes.MIGRATION)
        sys.stdout.write(f"{time.monotonic() - began:.4f}\n")


def land(chain: Chain) -> None:
    """Land every table's rows, as the extract step does, without the figures that the source reckons beside them."""
    with chain.ports() as ports:
        plan = read_plan(ports.store, chain.loaded.spec.migration, chain.run_key)
        for group in plan.groups:
            with ports.source.cut(group.tables) as cut:
                for table in group.tables:
                    cut.land(table, ports.store.url(f"rows/{table.name}"), ports.store.access, silent)


def parity(chain: Chain) -> None:
    """Compare every column of every row with the source as it is, and name the cells that differ; prints these."""
    with chain.ports() as ports:
        plan = read_plan(ports.store, chain.loaded.spec.migration, chain.run_key)
        verdicts = compare_now(plan, ports, datetime.now(UTC))
        if wrong := [v for v in verdicts if v.outcome == "error"]:
            raise SystemExit(wrong[0].summary)
        for _, findings in drill_all(plan, [v for v in verdicts if v.failed], ports, now=True):
            for f in findings:
                sys.stdout.write(f"{f.table} {f.key} {f.column} {f.expected} {f.found}\n")


def main(steps: str, file: str, home: str, run: str) -> None:
    """Run the steps for every group."""
    chain = Chain(Path(file), Path(home), run)
    for step in steps.split(","):
        if step == "plan":
            chain.plan()
        elif step in ALONE:
            ALONE[step](chain)
        else:
            chain.step(step)


ALONE = {"land": land, "parity": parity}

if __name__ == "__main__":
    if sys.argv[1] == "appends":
        appends(int(sys.argv[2]))
    else:
        main(*sys.argv[1:])
