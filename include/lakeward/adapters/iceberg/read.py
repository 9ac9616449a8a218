"""What a table's snapshots hold: live data files, statistics, and how DuckDB reaches them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

from pyiceberg.manifest import DataFile, ManifestContent, ManifestEntry
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Operation, Snapshot

from lakeward.adapters.iceberg.properties import is_true
from lakeward.domain.file_facts import LiveFile, StorageAccess
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
    """The entries of a snapshot's live data files; LakeError when delete files hide some of their rows."""
    found: list[ManifestEntry] = []
    for manifest in snapshot.manifests(table.io) if snapshot else ():
        entries = manifest.fetch_manifest_entry(table.io, discard_deleted=True)
        if manifest.content == ManifestContent.DELETES and entries and snapshot:
            raise LakeError(
                f"Table {'.'.join(table.name())}, snapshot {snapshot.snapshot_id}: delete files hide rows of the data files.",
                todo="Somebody else deleted rows. Rewrite the table's data files, or run a new cut into an empty table.",
            )
        found += entries
    return found


def live_files(table: Table, snapshot: Snapshot | None) -> list[DataFile]:
    """The live data files of a snapshot."""
    return [entry.data_file for entry in live_entries(table, snapshot)]


def listed(table: Table) -> tuple[LiveFile, ...]:
    """The live data files of the current snapshot that have the table's own partition spec."""
    spec = table.spec().spec_id
    return tuple(
        LiveFile(file.file_path, file.record_count, file.file_size_in_bytes, repr(file.partition))
        for file in live_files(table, table.current_snapshot())
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
    files = live_files(table, current)
    return TableState(
        table=name,
        snapshot_id=current.snapshot_id if current else None,
        rows=sum(f.record_count for f in files),
        files=len(files),
        bytes=sum(f.file_size_in_bytes for f in files),
        batches={window: batch for window, (batch, _) in batches(table).items()},
        repair=last_repair(table)[0],
        sliced=WINDOWS in table.properties,
    )


def statistics_of(files: list[DataFile], small_file: int) -> FileStatistics:
    """Files and bytes, and how many files are smaller than ``small_file`` bytes."""
    small = Counter((f.spec_id, f.partition) for f in files if f.file_size_in_bytes < small_file)
    return FileStatistics(
        files=len(files),
        bytes=sum(f.file_size_in_bytes for f in files),
        small_files=small.total(),
        largest_small_run=max(small.values(), default=0),
    )


def readable(url: str) -> str:
    """A file's URL as DuckDB reads it."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        return unquote(parts.path)
    return f"s3{url[3:]}" if parts.scheme in {"s3a", "s3n"} else url


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
