"""Iceberg tables that are there already: a namespace of a catalog, each table at its current snapshot."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import duckdb

from lakeward.adapters.duck_setup import load_extension, use_storage
from lakeward.adapters.iceberg import properties_from
from lakeward.adapters.iceberg.catalog import open_catalog
from lakeward.adapters.iceberg.read import access_of
from lakeward.adapters.queried.pinned import Pin, Pinned
from lakeward.domain.sql import text
from lakeward.errors import SourceError

if TYPE_CHECKING:
    from pyiceberg.table import Table

    from lakeward.adapters.connections import Connection


class IcebergTables:
    """The tables of a namespace."""

    def __init__(self, connection: Connection, namespace: str) -> None:
        self._properties = properties_from(connection)
        self._namespace = tuple(namespace.split("."))
        self.label = f"{connection.conn_id}, namespace {namespace}"
        self.secrets = connection.secrets

    @contextmanager
    def fixed(self, con: duckdb.DuckDBPyConnection) -> Iterator[Pinned]:
        """Every table at its current snapshot."""
        from pyiceberg.exceptions import NoSuchNamespaceError

        load_extension(con, "iceberg")
        with open_catalog(self._properties) as catalog:
            try:
                tables = [catalog.load_table(name) for name in sorted(catalog.list_tables(self._namespace))]
            except NoSuchNamespaceError:
                raise SourceError(f"There is no {self.label}.", todo="Write the namespace as `source.path`.") from None
        if not tables:
            raise SourceError(f"There is no table in {self.label}.", todo="Write the namespace as `source.path`.")
        for table in tables:
            access = access_of({str(k): str(v) for k, v in table.io.properties.items()})
            use_storage(con, access, table.metadata_location)
        yield Pinned(con, "iceberg", map(_pin, tables))


def _pin(table: Table) -> Pin:
    from pyiceberg.manifest import ManifestContent

    snapshot = table.current_snapshot()
    if snapshot and any(m.content == ManifestContent.DELETES for m in snapshot.manifests(table.io)):
        raise SourceError(
            f"{'.'.join(table.name())}: snapshot {snapshot.snapshot_id} has delete files, which were not tried as a source.",
            todo="Let your engine rewrite its data files first (in Spark: `rewrite_data_files` with delete-file-threshold 1).",
        )
    schema = table.schema()
    location = text(table.metadata_location.removeprefix("file://"))
    return Pin(
        name=table.name()[-1],
        url=table.metadata_location,
        version=f"snapshot {snapshot.snapshot_id if snapshot else 'none'}",
        relation=f"iceberg_scan({location})",  # a metadata file is of one snapshot; naming it would give that one's older schema
        key=tuple(sorted(schema.identifier_field_names())),
        required=frozenset(field.name for field in schema.fields if field.required),
    )
