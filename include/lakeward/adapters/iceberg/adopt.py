"""Parquet files that fit a table as they are: copied into it byte for byte, found by their columns' names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.table import Table

from lakeward.adapters.arrow_files import CHUNK, open_input
from lakeward.adapters.iceberg.files import checksum
from lakeward.adapters.iceberg.schema import arrow_schema
from lakeward.domain.file_facts import FileSet, StagedFile
from lakeward.errors import UnsupportedError

_MAPPING = "schema.name-mapping.default"
"""The table's property by which readers find columns of files without field ids."""

ADOPTED = "lakeward.adopted"
"""The table's property that tells of files without field ids."""


def adopt_files(table: Table, files: FileSet, attempt: str) -> tuple[StagedFile, ...]:
    """Copy files; nothing is left behind when one of them does not fit.

    :param attempt: begins the files' names.
    :raises UnsupportedError: a file is not as the table's own would be; it says in what.
    """
    rows = [_fitting(table, url, files) for url in files.urls]
    if ADOPTED not in table.properties:
        mapping = table.properties.get(_MAPPING, table.schema().name_mapping.model_dump_json())
        with table.transaction() as change:
            change.set_properties({_MAPPING: mapping, ADOPTED: "true"})
    stem = f"{re.sub(r'[^A-Za-z0-9_-]+', '-', attempt)[:80]}-{uuid4().hex[:12]}"
    staged: list[StagedFile] = []
    try:
        for n, (url, count) in enumerate(zip(files.urls, rows, strict=True)):
            to = table.location_provider().new_data_location(f"{stem}-{n:05d}.parquet")
            staged.append(_copied(table, url, files, to, count))
    except BaseException:
        for file in staged:
            table.io.delete(file.url)
        raise
    return tuple(staged)


def _copied(table: Table, url: str, files: FileSet, to: str, rows: int) -> StagedFile:
    size = 0
    with open_input(url, files.access) as original, table.io.new_output(to).create() as copy:
        while part := original.read(CHUNK):
            copy.write(part)
            size += len(part)
    with table.io.new_input(to).open() as written:
        return StagedFile(to, rows, size, checksum(written), ())


def _fitting(table: Table, url: str, files: FileSet) -> int:
    """The rows of a file, whose columns are the table's by name, type and order."""
    with open_input(url, files.access) as file:
        footer = pq.read_metadata(file)
    found, wanted = _columns(footer.schema.to_arrow_schema()), _columns(arrow_schema(table.schema()))
    if found != wanted:
        odd = [f"{name} {kind}" for name, kind in found if (name, kind) not in wanted] or ["another order of columns"]
        raise UnsupportedError(
            f"{url} can't be adopted by table {table.name()[-1]} as it is: {', '.join(odd)}, where the table has "
            f"{', '.join(f'{name} {kind}' for name, kind in wanted if (name, kind) not in found) or 'its own'}.",
            todo="Leave `adopt` out: then its rows are written anew.",
        )
    return int(footer.num_rows)


def _columns(schema: pa.Schema) -> Sequence[tuple[str, pa.DataType]]:
    plain = {pa.large_string(): pa.string(), pa.large_binary(): pa.binary()}
    return [(field.name, plain.get(field.type, field.type)) for field in schema]
