"""Steps of one run in a process of their own: ``python -m tests.bench.job STEP[,STEP] FILE HOME RUN``."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from tests import lakes
from tests.chain import Chain


def appends(count: int) -> None:
    """Land ``count`` batches of 100 rows in the lab's catalog, one after the other; prints the seconds of each."""
    lake = lakes.open_lake(lakes.lab_connection())
    lake.prepare(lakes.TABLES, lakes.MIGRATION)
    for number in range(count):
        began = time.monotonic()
        cut = f"{number:016x}"
        lake.commit(lakes.group(cut, lakes.stage(lake, lakes.orders(100, first=100 * number))), cut, lakes.MIGRATION)
        sys.stdout.write(f"{time.monotonic() - began:.4f}\n")


def main(steps: str, file: str, home: str, run: str) -> None:
    """Run the steps for every group."""
    chain = Chain(Path(file), Path(home), run)
    for step in steps.split(","):
        if step == "plan":
            chain.plan()
        else:
            chain.step(step)


if __name__ == "__main__":
    if sys.argv[1] == "appends":
        appends(int(sys.argv[2]))
    else:
        main(*sys.argv[1:])
