"""TPC-H in a database of its own on the lab's PostgreSQL."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psycopg
from tests.databases import create_database

from lakeward.lab import Lab

TABLES = ("region", "nation", "supplier", "customer", "part", "partsupp", "orders", "lineitem")
_CHUNK = 1 << 20


def load(lab: Lab, scale: float, folder: Path) -> str:
    """Generate all tables at a scale factor below ``folder`` and load them; the database's libpq URI."""
    generator = Path(sys.executable).with_name("tpchgen-cli")
    subprocess.run([generator, "csv", "-s", str(scale), "--output-dir", folder], check=True, capture_output=True)
    uri = create_database(lab, Path(__file__).with_name("schema.sql").read_text())
    with psycopg.connect(uri) as con:
        for table in TABLES:
            file = folder / f"{table}.csv"
            with (
                con.cursor().copy(f"COPY {table} FROM STDIN (FORMAT csv, HEADER)".encode()) as copy,
                file.open("rb") as rows,
            ):
                while chunk := rows.read(_CHUNK):
                    copy.write(chunk)
            file.unlink()
        con.commit()
        con.autocommit = True
        con.execute("VACUUM ANALYZE")
    return uri
