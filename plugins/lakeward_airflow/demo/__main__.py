"""`python -m lakeward_airflow.demo`: the demo from the command line."""

from __future__ import annotations

import argparse
import os
import sys

from rich.console import Console
from rich.markup import escape

from lakeward.errors import LakewardError
from lakeward_airflow.demo.runner import PATTERNS, Demo


def main() -> int:
    """Play the demo: 0 when everything happened, 1 when something did not, 130 on Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m lakeward_airflow.demo", description=__doc__)
    parser.add_argument("--pattern", choices=sorted(PATTERNS), default=os.environ.get("PATTERN") or "lift_and_shift")
    parser.add_argument("--orders", type=int, default=int(os.environ.get("DEMO_ORDERS") or 20_000))
    parser.add_argument("--keep", action="store_true", help="leave the servers running until Ctrl-C")
    given = parser.parse_args()
    console = Console(soft_wrap=not sys.stdout.isatty(), width=None if sys.stdout.isatty() else 160)
    demo = Demo(console, given.pattern, given.orders)
    try:
        demo.play(keep=given.keep)
    except LakewardError as error:
        console.print(f"[red]The demo failed.[/] {escape(str(error))}", highlight=False)
        return 1
    except KeyboardInterrupt:
        console.print("Interrupted; what was started has been ended.")
        return 130
    done = {
        "phased": "Moved and proved.",
        "strangler_fig": "Loaded, followed, switched, and proved.",
        "hybrid": "Joined, proved, cut over and back.",
    }
    demo.say(f"[bold green]{done.get(given.pattern, 'Moved, proved, approved, cut over.')}[/]")
    return 0


if __name__ == "__main__":
    sys.exit(main())
