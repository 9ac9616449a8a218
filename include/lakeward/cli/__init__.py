"""The command line: the same steps as Airflow's operators, without Airflow."""

from __future__ import annotations


def main() -> None:
    """Run the console script `lakeward`."""
    from lakeward.cli.app import app

    app(prog_name="lakeward")
