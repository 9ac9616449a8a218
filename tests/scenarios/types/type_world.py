"""Migrations made for a test: any tables of a database of its own, through the real chain."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from uuid import uuid4

from tests.chain import Chain
from tests.databases import airflow_connection
from tests.sources import lake_rows

from lakeward.adapters.connections import from_environment
from lakeward.adapters.iceberg import properties_from
from lakeward.adapters.iceberg.catalog import open_catalog
from lakeward.domain.evidence import Verdict

__all__ = ["chain_of", "count_of", "lake_rows", "lake_types", "land", "prove"]


def chain_of(
    uri: str,
    home: Path,
    tables: Sequence[Mapping[str, object]],
    kpis: Sequence[Mapping[str, object]] = (),
    **changes: object,
) -> Chain:
    """A run that moves these tables in one group ``g``; KPIs are the named ones, and the count of ``kpi_table``."""
    name = f"t{uuid4().hex[:10]}"
    os.environ[f"AIRFLOW_CONN_{name.upper()}"] = airflow_connection(uri, **changes)
    file = home / f"{name}.yaml"
    found = {
        "migration": name,
        "pattern": "lift_and_shift",
        "source": {"connection": name},
        "target": {"connection": "lakehouse", "namespace": name},
        "landing": {"path": f"s3://landing/{name}", "connection": "landing"},
        "groups": [{"name": "g", "tables": list(tables)}],
        "kpis": list(kpis),
    }
    file.write_text(json.dumps(found, ensure_ascii=False))  # JSON is YAML
    return Chain(file, home, "run")


def land(chain: Chain) -> None:
    """Every step up to the append, but for the record rules, which take their time."""
    chain.plan()
    for step in ("extract", "prepare", "flatten", "append"):
        chain.step(step)


def prove(chain: Chain) -> tuple[Verdict, ...]:
    """As ``land``, then the verdicts on figures and counts."""
    land(chain)
    verdicts = chain.step("compare")["g"]
    assert isinstance(verdicts, tuple)
    return verdicts


def count_of(table: str) -> Mapping[str, object]:
    """The KPI that every group needs."""
    return {"name": f"{table}_rows", "table": table, "measure": "count()"}


def lake_types(chain: Chain, table: str) -> dict[str, str]:
    """Column to Iceberg type, as the catalog tells them."""
    with chain.ports() as ports:
        name = ports.lake.qualified(table)
    with open_catalog(properties_from(from_environment("lakehouse"))) as catalog:
        return {field.name: str(field.field_type) for field in catalog.load_table(name).schema().fields}
