"""The shop as files: any format, any layout, in a folder or a bucket."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from uuid import uuid4

import duckdb
from shop_world import CUSTOMERS, KPIS, REFERENCE, ROWS
from tests.chain import Chain
from tests.sources import source_chain

from lakeward.adapters.connections import from_environment
from lakeward.adapters.objects import S3Store

CSV_TYPES = {
    "orders": {"id": "long", "customer": "int", "day": "date", "total": "decimal(18,2)"},
    "customers": {"id": "int"},
}


def write(root: Path, orders: Mapping[str, str], options: str) -> Path:
    """Files with the shop's rows: customers in one, orders by conditions in those that are named."""
    (root / "customers").mkdir(parents=True)
    ending = next(iter(orders)).partition(".")[2]
    with duckdb.connect() as con:
        con.execute(f"COPY ({CUSTOMERS}) TO '{root}/customers/all.{ending}' ({options})")
        for name, condition in orders.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            con.execute(f"COPY (SELECT * FROM ({ROWS}) WHERE {condition}) TO '{root}/{name}' ({options})")
    return root


def lake_chain(
    home: Path,
    root: Path,
    tables: Sequence[Mapping[str, object]],
    *,
    kpis: Sequence[Mapping[str, object]] = KPIS,
    group: Mapping[str, object] | None = None,
    **source: object,
) -> Chain:
    """A run over a folder through a connection of type ``fs``; ``source`` may name another ``kind``."""
    connection = {"conn_type": "fs", "extra": {"path": str(root.parent)}}
    return source_chain(
        home,
        str(source.pop("kind", "files")),
        connection,
        tables,
        kpis,
        source={"path": root.name, **source},
        group={"references": [REFERENCE]} | (group or {}),
    )


def upload(root: Path) -> str:
    """The files of a folder, in the lab's bucket; the URL of their prefix."""
    url = f"s3://landing/lake_{uuid4().hex[:10]}"
    store = S3Store(url, from_environment("landing"))
    for path in root.rglob("*"):
        if path.is_file():
            store.put(path.relative_to(root).as_posix(), path.read_bytes())
    store.close()
    return url


def bucket_chain(home: Path, url: str, tables: Sequence[Mapping[str, object]], **source: object) -> Chain:
    """A run over a prefix through a connection of type ``aws``: the lab's."""
    chain = source_chain(
        home,
        str(source.pop("kind", "files")),
        {"conn_type": "aws"},
        tables,
        KPIS,
        source={"path": url, **source},
        group={"references": [REFERENCE]},
    )
    os.environ[f"AIRFLOW_CONN_{chain.loaded.spec.migration.upper()}"] = os.environ["AIRFLOW_CONN_LANDING"]
    return chain
