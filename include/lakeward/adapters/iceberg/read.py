"""What a table's snapshots hold: live data files, statistics, and how DuckDB reaches them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from urllib.parse import unquote, urlsplit

from pyiceberg.manifest import ManifestEntry
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Operation, Snapshot

from lakeward.adapters.iceberg.deletes import Content, content_of, dead_positions
from lakeward.adapters.iceberg.properties import is_true
from lakeward.adapters.iceberg.schema import iceberg_type
from lakeward.domain.changes import position
from lakeward.domain.facts import LakeTable
from lakeward.domain.file_facts import FileSet, LiveFile, StorageAccess
from lakeward.errors import LakeError
from lakeward.ports import FileStatistics, TableState

WINDOW = "lakeward.window."
"""Begins the property with the batch that landed last in a window; of a sliced table only the last window has one."""
WINDOWS = "lakeward.windows"
"""Of a sliced table: every window that has landed, as few intervals."""
BATCH = "lakeward.batch-id"
SLICE = "lakeward.window"
"""In a snapshot: the window that it has brought, of a sliced table."""
DROPPED = "lakeward.dropped-cut"
REPAIR = "lakeward.repair"
"""In a snapshot, the repair that made it; as a property of the table, the last one and its snapshot."""
POSITION = "lakeward.position"
"""Of the source's change log: as a property, up to where a table has its changes; in a snapshot, up to where it brings them."""
_NOBODYS = 2**31 - 1
"""A field id that no table comes to."""
ORIGIN = "lakeward.origin-snapshot-id"
"""In a compacted snapshot: the one whose rows it holds."""


def pinned(table: Table, snapshot_id: int) -> Snapshot:
    """A snapshot by id; LakeError when the table no longer has it."""
    found = table.metadata.snapshot_by_id(snapshot_id)
    if found is None:
        raise LakeError(
            f"Table {'.'.join(table.name())} no longer has snapshot {snapshot_id}.",
            todo="Somebody expired it in spite of its tag, or dropped the table and created it anew. Run a new cut; keep tags that begin with cut_ out of expiry.",
        )
    return found


def live_entries(table: Table, snapshot: Snapshot | None) -> list[ManifestEntry]:
    """The entries of a snapshot's live data files, for those who exchange whole files: LakeError when delete files hide some rows."""
    found = content_of(table, snapshot)
    if found.deletes and snapshot:
        raise LakeError(
            f"Table {'.'.join(table.name())}, snapshot {snapshot.snapshot_id}: delete files hide rows of the data files.",
            todo="Compact the table (`compaction.mode: rewrite` folds them in), or run a new cut; was it somebody else who deleted rows?",
        )
    return found.data


def listed(table: Table) -> tuple[LiveFile, ...]:
    """The live data files of the current snapshot that have the table's own partition spec, with what hides rows of them."""
    spec, found = table.spec().spec_id, content_of(table, table.current_snapshot())
    dead = dead_positions(table, found.deletes).group_by(["file_path", "by"]).aggregate([("pos", "count")]).to_pylist()
    hidden: dict[str, list[tuple[int, str]]] = {}
    for row in dead:
        by = found.deletes[row["by"]].data_file.file_path
        hidden.setdefault(row["file_path"], []).append((row["pos_count"], by))
    return tuple(
        LiveFile(
            url=file.file_path,
            rows=file.record_count,
            bytes=file.file_size_in_bytes,
            partition=repr(file.partition),
            dead=sum(count for count, _ in hidden.get(file.file_path, ())),
            deletes=tuple(sorted(by for _, by in hidden.get(file.file_path, ()))),
        )
        for file in (entry.data_file for entry in found.data)
        if file.spec_id == spec
    )


def batches(table: Table) -> dict[str, tuple[str, int]]:
    """Window to the batch that landed last in it, and the snapshot that did it."""
    found = {}
    for name, value in table.properties.items():
        if name.startswith(WINDOW):
            batch, _, snapshot = value.partition(":")
            found[name.removeprefix(WINDOW)] = (batch, int(snapshot))
    return found


def last_repair(table: Table) -> tuple[str, int]:
    """Id of the repair that a table took last, and the snapshot of it; empty and 0 when there was none."""
    repair, _, snapshot = table.properties.get(REPAIR, "").partition(":")
    return repair, int(snapshot or 0)


def origin(table: Table, snapshot: Snapshot | None) -> Snapshot | None:
    """The snapshot whose rows this one holds: compaction (``replace``) changes files, never rows. None: it was expired."""
    while snapshot and snapshot.summary and snapshot.summary.operation == Operation.REPLACE:
        told = snapshot.summary[ORIGIN]
        parent = int(told) if told else snapshot.parent_snapshot_id
        snapshot = table.metadata.snapshot_by_id(parent) if parent is not None else None
    return snapshot


def state_of(table: Table, name: str) -> TableState:
    """The table now."""
    current = table.current_snapshot()
    found = content_of(table, current)
    files = [entry.data_file for entry in found.data]
    return TableState(
        table=name,
        snapshot_id=current.snapshot_id if current else None,
        rows=sum(f.record_count for f in files) - sum(entry.data_file.record_count for entry in found.deletes),
        files=len(files),
        bytes=sum(f.file_size_in_bytes for f in files),
        batches={window: batch for window, (batch, _) in batches(table).items()},
        repair=last_repair(table)[0],
        sliced=WINDOWS in table.properties,
        position=position(table.properties.get(POSITION, "")),
    )


def statistics_of(found: Content, small_file: int) -> FileStatistics:
    """Files and bytes, and how many files are smaller than ``small_file`` bytes."""
    files = [entry.data_file for entry in found.data]
    hiding = Counter((e.data_file.spec_id, e.data_file.partition) for e in found.deletes)
    small = Counter((f.spec_id, f.partition) for f in files if f.file_size_in_bytes < small_file)
    return FileStatistics(
        files=len(files),
        bytes=sum(f.file_size_in_bytes for f in files),
        small_files=small.total(),
        largest_small_run=max(small.values(), default=0),
        largest_delete_run=max(hiding.values(), default=0),
    )


def readable(url: str) -> str:
    """A file's URL as DuckDB reads it."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        return unquote(parts.path)
    return f"s3{url[3:]}" if parts.scheme in {"s3a", "s3n"} else url


def file_set(table: Table, plan: LakeTable, urls: Sequence[str], deletes: Sequence[str] = ()) -> FileSet:
    """Files of a table as something to read."""
    found = tuple(map(readable, urls))
    remote = any(url.startswith("s3://") for url in found)
    access = access_of({str(k): str(v) for k, v in table.io.properties.items()}) if remote else StorageAccess()
    columns = tuple((c.name, c.type) for c in plan.columns)
    paths = tuple(urls) if deletes else ()
    return FileSet(found, access, columns, tuple(map(readable, deletes)), paths, _ids(table, plan))


def _ids(table: Table, plan: LakeTable) -> tuple[int, ...]:
    """Field ids of a plan's columns, where its files may have been written with others; what the table does not have yet has no file's."""
    schema = table.schema()
    there = {field.name: field for field in schema.fields}
    same = all(c.name in there and there[c.name].field_type == iceberg_type(c.type) for c in plan.columns)
    if same and len(table.metadata.schemas) == 1:
        return ()
    return tuple(there[c.name].field_id if c.name in there else _NOBODYS - n for n, c in enumerate(plan.columns))


def access_of(properties: Mapping[str, str]) -> StorageAccess:
    """How a table's files are reached: the properties of its own I/O, vended credentials included; else AWS's own chain."""
    key, secret, token = keys_of(properties, "s3", "client")
    endpoint = properties.get("s3.endpoint", "")
    return StorageAccess(
        endpoint=endpoint,
        region=properties.get("s3.region") or properties.get("client.region") or "us-east-1",
        access_key=key,
        secret_key=secret,
        session_token=token,
        path_style=bool(endpoint) and not is_true(properties, "s3.force-virtual-addressing"),
    )


def keys_of(properties: Mapping[str, str], *families: str) -> tuple[str, str, str]:
    """Access key, secret key and session token of the first family that has them, else AWS's own chain; empty when nobody has."""
    for family in families:
        if key := properties.get(f"{family}.access-key-id"):
            return key, properties.get(f"{family}.secret-access-key", ""), properties.get(f"{family}.session-token", "")
    import boto3

    profile = next((p for f in families if (p := properties.get(f"{f}.profile-name"))), None)
    credentials = boto3.Session(profile_name=profile).get_credentials()
    if credentials is None:
        return "", "", ""
    frozen = credentials.get_frozen_credentials()
    return frozen.access_key or "", frozen.secret_key or "", frozen.token or ""
