"""The lake's tables as Airflow assets: named ``<connection>.<namespace>.<table>``, updated when their group is published."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, AssetAlias

from lakeward.spec.models import GroupSpec, Migration
from lakeward.spec.names import is_glob, slug, split_table

if TYPE_CHECKING:
    from airflow.sdk import Context

_GROUP = "lakeward"


def table_asset(connection: str, qualified: str) -> Asset:
    """The asset of one table: ``lakehouse.retail.orders``. A URI of another scheme would make Airflow import every provider."""
    uri = f"x-iceberg://{connection}/{qualified.replace('.', '/')}"
    return Asset(name=f"{connection}.{qualified}", uri=uri, group=_GROUP)


def published(migration: str) -> AssetAlias:
    """What stands for all tables that a migration publishes; which they are is known when a group was planned."""
    return AssetAlias(name=f"lakeward__{migration}", group=_GROUP)


def update_assets(context: Context, outlets: Iterable[object], connection: str, snapshots: Mapping[str, int]) -> None:
    """Tell Airflow of the tables (qualified name to snapshot) that stand behind a task's aliases."""
    events: Any = context["outlet_events"]
    for alias in (outlet for outlet in outlets if isinstance(outlet, AssetAlias)):
        for table, snapshot in snapshots.items():
            events[alias].add(table_asset(connection, table), extra={"snapshot": str(snapshot)})


def named_tables(spec: Migration) -> list[Asset]:
    """The tables that the file names: Airflow shows assets that a DAG refers to. Those of a glob show once they are used."""
    prefix = f"{spec.target.namespace}.{spec.target.table_prefix}"
    names = (name for group in spec.groups for name in _names(group))
    return [table_asset(spec.target.connection, f"{prefix}{name}") for name in dict.fromkeys(names)]


def _names(group: GroupSpec) -> Iterator[str]:
    for table in group.tables:
        if not is_glob(table.table):
            yield table.name or slug(split_table(table.table)[1])
        for nested in table.flatten:
            yield from (child.table for child in nested.children)
            yield from (child.table for child in nested.maps)
    yield f"{group.name}_quarantine"
