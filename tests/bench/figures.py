"""What a KPI costs beside a plain GROUP BY, on both sides: ``python -m tests.bench.figures URI FOLDER``; prints CPU seconds as JSON.

The source's are those of its server process (this machine's, without parallel workers), the lake's those of DuckDB over Parquet.
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg

from lakeward.adapters.duck_setup import connect, load_extension
from lakeward.domain import kpi
from lakeward.domain.facts import GroupPlan, LakeColumn, LakeTable, LandedColumn, TablePlan
from lakeward.domain.sql import ident, text
from lakeward.spec.models import CalendarSpec

COLUMNS = {
    "l_orderkey": ("bigint", "long"),
    "l_linenumber": ("integer", "int"),
    "l_shipdate": ("date", "date"),
    "l_returnflag": ("character(1)", "string"),
    "l_linestatus": ("character(1)", "string"),
    "l_extendedprice": ("numeric(15,2)", "decimal(15,2)"),
    "l_discount": ("numeric(15,2)", "decimal(15,2)"),
}
KPI = kpi.KpiSpec.model_validate(
    {
        "name": "revenue",
        "table": "lineitem",
        "measure": "sum(l_extendedprice * (1 - l_discount))",
        "date": "l_shipdate",
        "dimensions": ["l_returnflag", "l_linestatus"],
    }
)
PLAIN = (
    "SELECT l_shipdate, l_returnflag, l_linestatus, sum(l_extendedprice * (1 - l_discount)), count(*) FROM lineitem "
    "GROUP BY l_shipdate, l_returnflag, l_linestatus"
)
_ROUNDS = 3


def resolved() -> kpi.ResolvedKpi:
    """The KPI over lineitem alone."""
    landed = tuple(LandedColumn(n, t, s, ident(n), native=True, nullable=False) for n, (s, t) in COLUMNS.items())
    columns = tuple(LakeColumn(n, t, True, "value", n) for n, (_, t) in COLUMNS.items())
    lake = LakeTable("lineitem", columns, ("l_orderkey", "l_linenumber"))
    plan = TablePlan("public", "lineitem", (), landed, (), (lake,), True, True, 0)
    return kpi.resolve(KPI, GroupPlan("trade", "0" * 16, (plan,), (), 0.01), CalendarSpec())


def least(work: Callable[[], object], clock: Callable[[], float]) -> float:
    """CPU seconds of the quickest of a few rounds."""
    taken = []
    for _ in range(_ROUNDS):
        began = clock()
        work()
        taken.append(clock() - began)
    return min(taken)


def main(uri: str, folder: str) -> None:
    """Measure both sides."""
    r, found = resolved(), {}
    with psycopg.connect(uri, autocommit=True, options="-c max_parallel_workers_per_gather=0") as source:
        stat = Path(f"/proc/{source.info.backend_pid}/stat")

        def served() -> float:
            fields = stat.read_text().rpartition(")")[2].split()
            return (int(fields[11]) + int(fields[12])) / 100

        for name, sql in (("source plain", PLAIN), ("source", kpi.source_sql(r))):
            found[name] = least(lambda sql=sql: source.execute(sql.encode()).fetchall(), served)  # type: ignore[misc]
    lake = connect("2GB", 2, folder)
    load_extension(lake, "postgres_scanner")
    lake.execute(f"ATTACH {text(uri)} AS src (TYPE postgres, READ_ONLY)")
    file = text(str(Path(folder) / "lineitem.parquet"))
    lake.execute(
        f"COPY (SELECT {', '.join(COLUMNS)} FROM src.public.lineitem) TO {file} (FORMAT parquet, COMPRESSION zstd)"
    )
    lake.execute(f"CREATE VIEW lineitem AS FROM {file}")

    def spent() -> float:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return usage.ru_utime + usage.ru_stime

    for name, sql in (("lake plain", PLAIN), ("lake", kpi.lake_sql(r, "lineitem"))):
        found[name] = least(lambda sql=sql: lake.execute(sql).to_arrow_table(), spent)  # type: ignore[misc]
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
