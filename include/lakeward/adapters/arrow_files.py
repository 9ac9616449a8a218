"""Files as Arrow's file systems open them: a local path, or an object by the keys that are given for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from lakeward.domain.file_facts import FileFact, StorageAccess

CHUNK = 8 * 2**20


def open_input(url: str, access: StorageAccess) -> pa.NativeFile:
    """A file to read."""
    system, path = _found(url, access)
    return system.open_input_file(path)


def open_output(url: str, access: StorageAccess) -> pa.NativeFile:
    """A file to write; folders of a local path are made."""
    system, path = _found(url, access)
    if "://" not in url:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    return system.open_output_stream(path)


def copied_as_is(files: Iterable[BinaryIO], url: str, access: StorageAccess) -> Iterator[FileFact]:
    """Copy Parquet files below ``url``, byte for byte, under names of ours."""
    for n, content in enumerate(files):
        to, size = f"{url}/{n:05d}.parquet", 0
        with open_output(to, access) as copy:
            while part := content.read(CHUNK):
                copy.write(part)
                size += len(part)
        with open_input(to, access) as written:
            yield FileFact(to, pq.read_metadata(written).num_rows, size)


def _found(url: str, access: StorageAccess) -> tuple[pafs.FileSystem, str]:
    if not url.startswith("s3://"):
        return pafs.LocalFileSystem(), url.removeprefix("file://")
    endpoint = urlsplit(access.endpoint if "://" in access.endpoint else f"https://{access.endpoint}")
    system = pafs.S3FileSystem(
        access_key=access.access_key or None,
        secret_key=access.secret_key or None,
        session_token=access.session_token or None,
        region=access.region,
        endpoint_override=endpoint.netloc or None,
        scheme=endpoint.scheme,
        force_virtual_addressing=not access.path_style,
    )
    return system, url.removeprefix("s3://")
