"""One table's part of a group's commit. Leans on PyIceberg's internals, pinned to 0.12.0; beside deletes.py nothing else in lakeward does.

A change holds what the catalog is asked to do and what it must find: the new snapshot with exactly the batch's files, the
window's property and the cut's tag, on condition that main is where it was when the change was made.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from pyiceberg.catalog import Catalog
from pyiceberg.catalog.rest import DEFAULT_ENDPOINTS, VIEW_ENDPOINTS, Endpoint, HttpMethod, RestCatalog
from pyiceberg.catalog.rest.response import _handle_non_200_response
from pyiceberg.exceptions import CommitFailedException, CommitStateUnknownException
from pyiceberg.expressions import AlwaysTrue
from pyiceberg.manifest import DataFile, ManifestEntry, ManifestEntryStatus, ManifestFile
from pyiceberg.table import CommitTableRequest, Namespace, Table, TableIdentifier, Transaction
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.refs import MAIN_BRANCH, SnapshotRefType
from pyiceberg.table.snapshots import Operation, Summary
from pyiceberg.table.update import (
    AssertRefSnapshotId,
    AssertTableUUID,
    RemovePropertiesUpdate,
    RemoveSnapshotRefUpdate,
    RemoveSnapshotsUpdate,
    SetPropertiesUpdate,
    SetSnapshotRefUpdate,
    TableRequirement,
    TableUpdate,
)
from pyiceberg.table.update.snapshot import _FastAppendFiles, _OverwriteFiles, _SnapshotProducer
from pyiceberg.typedef import EMPTY_DICT
from requests import HTTPError

from lakeward.adapters.iceberg.condemned import refuse_condemned

_ENDPOINT = "/v1/{prefix}/transactions/commit"
_UNKNOWN = frozenset(range(500, 600)) - {HTTPStatus.NOT_IMPLEMENTED}


@dataclass(frozen=True, slots=True)
class Change:
    """What is asked of the catalog for one table; ``snapshot_id`` is what main will be."""

    table: Table
    snapshot_id: int
    updates: tuple[TableUpdate, ...]
    requirements: tuple[TableRequirement, ...]
    producer: _SnapshotProducer[Any] | None = None

    def discard(self) -> None:
        """Delete the manifests of a change that certainly did not land."""
        if self.producer:
            self.producer._clean_all_uncommitted()


class Unstaged(Transaction):
    """A transaction in which nothing is staged: its metadata are the table's, not a deep copy of them at every look."""

    @property
    def table_metadata(self) -> TableMetadata:
        """The table's own."""
        return self._table.metadata


class _ReplaceAll(_OverwriteFiles):
    """A snapshot with the added files and nothing of the one before, whatever the number of its partitions."""

    def _build_delete_files_partition_predicate(self) -> None:
        """No pruning is wanted: every manifest is read."""

    def _existing_manifests(self) -> list[ManifestFile]:
        return []

    def replacing(self, entries: Iterable[ManifestEntry]) -> _ReplaceAll:
        """Name what was live."""
        self._live = list(entries)
        self._deleted_data_files = {entry.data_file for entry in self._live}
        return self

    def _deleted_entries(self) -> list[ManifestEntry]:
        return [
            ManifestEntry.from_args(
                status=ManifestEntryStatus.DELETED,
                snapshot_id=self._snapshot_id,
                sequence_number=entry.sequence_number,
                file_sequence_number=entry.file_sequence_number,
                data_file=entry.data_file,
            )
            for entry in self._live
        ]


class _Replace(_SnapshotProducer[object]):
    """A snapshot that holds its parent's rows; PyIceberg reckons totals for other operations only."""

    def _summary(self, snapshot_properties: dict[str, str] = EMPTY_DICT) -> Summary:
        return Summary(Operation.REPLACE, **super()._summary(snapshot_properties).additional_properties)


class _ExchangeRows(_OverwriteFiles):
    """Some files exchanged for others with other rows, all others as they were."""

    def _build_delete_files_partition_predicate(self) -> None:
        """The files are named, so that every manifest is read."""
        self._predicate = AlwaysTrue()


class ReplaceFiles(_Replace, _ExchangeRows):
    """Some files exchanged for others with the same rows, all others as they were."""


class _SameFiles(_Replace, _FastAppendFiles):
    """The very files of the parent."""


def replace_files(
    table: Table, old: Iterable[ManifestEntry], new: Iterable[DataFile], summary: Mapping[str, str]
) -> Change:
    """A ``replace`` snapshot with new files in the place of old ones.

    :param old: entries of live data files.
    :raises LakeError: the janitor has given one of the new files up.
    """
    return _exchanged(ReplaceFiles, table, old, new, summary)


def exchange_rows(
    table: Table, old: Iterable[ManifestEntry], new: Iterable[DataFile], summary: Mapping[str, str]
) -> Change:
    """As ``replace_files``, by a snapshot that says that its rows are others: ``overwrite``."""
    return _exchanged(_ExchangeRows, table, old, new, summary)


def _exchanged(
    kind: type[_ExchangeRows],
    table: Table,
    old: Iterable[ManifestEntry],
    new: Iterable[DataFile],
    summary: Mapping[str, str],
) -> Change:
    producer = kind(Operation.OVERWRITE, Unstaged(table), table.io, uuid.uuid4(), dict(summary))
    for entry in old:
        producer.delete_data_file(entry.data_file)
    return made(table, producer, new)


def replace_rows(
    table: Table, live: list[ManifestEntry], files: Iterable[DataFile], summary: Mapping[str, str]
) -> Change:
    """A snapshot with exactly these files. An empty list of files makes a snapshot too.

    :param live: the entries of every live data file now.
    :raises LakeError: the janitor has given one of the files up.
    """
    transaction = Unstaged(table)
    told = dict(summary)
    producer: _SnapshotProducer[Any]
    if live:
        producer = _ReplaceAll(Operation.OVERWRITE, transaction, table.io, uuid.uuid4(), told).replacing(live)
    else:
        producer = _FastAppendFiles(Operation.APPEND, transaction, table.io, uuid.uuid4(), told)
    return made(table, producer, files)


def replace_some(
    table: Table, old: list[ManifestEntry], files: Iterable[DataFile], summary: Mapping[str, str]
) -> Change:
    """A snapshot with these files in the place of some live ones, beside all others; without old ones nothing is rewritten.

    :raises LakeError: the janitor has given one of the files up.
    """
    if old:
        return exchange_rows(table, old, files, summary)
    return made(
        table,
        _FastAppendFiles(Operation.APPEND, Unstaged(table), table.io, uuid.uuid4(), dict(summary)),
        files,
    )


def same_files(table: Table, summary: Mapping[str, str]) -> Change:
    """A snapshot with the very files of the current one: main moves, and what readers see does not."""
    kind = _SameFiles if table.current_snapshot() else _FastAppendFiles
    return made(table, kind(Operation.APPEND, Unstaged(table), table.io, uuid.uuid4(), dict(summary)), ())


def as_it_is(table: Table) -> Change:
    """No snapshot at all: what is said of the current one, on condition that it is still that."""
    current = table.current_snapshot()
    where = AssertRefSnapshotId(ref=MAIN_BRANCH, snapshot_id=current.snapshot_id if current else None)
    unchanged = (where, AssertTableUUID(uuid=table.metadata.table_uuid))
    return Change(table, current.snapshot_id if current else 0, (), unchanged)


def made(table: Table, producer: _SnapshotProducer[Any], files: Iterable[DataFile]) -> Change:
    """The change that a producer makes with these files; LakeError when the janitor has given one of them up."""
    files = list(files)
    refuse_condemned(table, (file.file_path for file in files))
    for file in files:
        producer.append_data_file(file)
    updates, requirements = producer._commit()
    uuid_unchanged = AssertTableUUID(uuid=table.metadata.table_uuid)
    return Change(table, producer.snapshot_id, updates, (*requirements, uuid_unchanged), producer)


def without(table: Table, snapshots: Iterable[int], tags: Iterable[str]) -> Change:
    """Tags and snapshots removed, on condition that every branch and tag is where it was."""
    current = table.current_snapshot()
    updates: tuple[TableUpdate, ...] = tuple(RemoveSnapshotRefUpdate(ref_name=tag) for tag in tags)
    if gone := list(snapshots):
        updates += (RemoveSnapshotsUpdate(snapshot_ids=gone),)
    where: list[TableRequirement] = [
        AssertRefSnapshotId(ref=name, snapshot_id=ref.snapshot_id) for name, ref in table.metadata.refs.items()
    ]
    unchanged = (*where, AssertTableUUID(uuid=table.metadata.table_uuid))
    return Change(table, current.snapshot_id if current else 0, updates, unchanged)


def point_main_at(table: Table, snapshot_id: int) -> Change:
    """Main set back to an earlier snapshot."""
    current = table.metadata.refs.get(MAIN_BRANCH)
    return Change(
        table,
        snapshot_id,
        (_set_ref(MAIN_BRANCH, SnapshotRefType.BRANCH, snapshot_id),),
        (
            AssertRefSnapshotId(ref=MAIN_BRANCH, snapshot_id=current.snapshot_id if current else None),
            AssertTableUUID(uuid=table.metadata.table_uuid),
        ),
    )


def with_properties(change: Change, properties: Mapping[str, str], removed: Iterable[str] = ()) -> Change:
    """The change, and these properties set and removed with it."""
    gone = [name for name in removed if name in change.table.properties]
    more: tuple[TableUpdate, ...] = (SetPropertiesUpdate(updates=dict(properties)),) if properties else ()
    more += (RemovePropertiesUpdate(removals=gone),) if gone else ()
    return Change(change.table, change.snapshot_id, change.updates + more, change.requirements, change.producer)


def with_tag(change: Change, tag: str, *, remove: bool = False) -> Change:
    """The change, and its snapshot tagged with it (or a tag removed)."""
    update: TableUpdate = (
        RemoveSnapshotRefUpdate(ref_name=tag) if remove else _set_ref(tag, SnapshotRefType.TAG, change.snapshot_id)
    )
    return Change(change.table, change.snapshot_id, (*change.updates, update), change.requirements, change.producer)


def _set_ref(name: str, kind: SnapshotRefType, snapshot_id: int) -> SetSnapshotRefUpdate:
    return SetSnapshotRefUpdate.model_validate({"ref-name": name, "type": kind, "snapshot-id": snapshot_id})


def commit_one(catalog: Catalog, change: Change) -> None:
    """Ask for one table's change, once. CommitFailedException: nothing was changed."""
    catalog.commit_table(change.table, change.requirements, change.updates)


def commit_together(catalog: RestCatalog, changes: Iterable[Change]) -> None:
    """Ask for all changes in one transaction, once.

    :raises CommitFailedException: nothing was changed in any table.
    :raises CommitStateUnknownException: nobody knows.
    """
    asked = [_request(change) for change in changes]
    body = f'{{"table-changes": [{", ".join(request.model_dump_json() for request in asked)}]}}'
    _post(catalog, body)


def can_commit_together(catalog: Catalog) -> bool:
    """Whether the catalog has multi-table commits: as its configuration says, else by an empty one that changes nothing."""
    if not isinstance(catalog, RestCatalog):
        return False
    told = catalog._supported_endpoints
    if Endpoint(http_method=HttpMethod.POST, path=_ENDPOINT) in told:
        return True
    if told not in (set(DEFAULT_ENDPOINTS), set(DEFAULT_ENDPOINTS) | set(VIEW_ENDPOINTS)):
        return False
    answer = catalog._session.post(
        _url(catalog), data=b'{"table-changes": []}', headers={"Content-Type": "application/json"}
    )
    if answer.status_code in {*_UNKNOWN, HTTPStatus.TOO_MANY_REQUESTS}:
        answer.raise_for_status()
    return answer.status_code < 300 or answer.status_code in {400, 409, 422}


def _request(change: Change) -> CommitTableRequest:
    *namespace, name = change.table.name()
    identifier = TableIdentifier(namespace=Namespace(list(namespace)), name=name)
    return CommitTableRequest(identifier=identifier, requirements=change.requirements, updates=change.updates)


def _url(catalog: RestCatalog) -> str:
    return catalog.url(_ENDPOINT.removeprefix("/v1/{prefix}/"), prefixed=True)


def _post(catalog: RestCatalog, body: str) -> None:
    answer = catalog._session.post(_url(catalog), data=body.encode(), headers={"Content-Type": "application/json"})
    try:
        answer.raise_for_status()
    except HTTPError as error:
        known: dict[int, type[Exception]] = {409: CommitFailedException} | dict.fromkeys(
            _UNKNOWN, CommitStateUnknownException
        )
        _handle_non_200_response(error, known)
