"""DuckDB as every adapter opens it: bounded memory, UTC, extensions from their wheels, keys scoped to what they open."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import duckdb
import pyarrow as pa

from lakeward.domain.duck import duck_type
from lakeward.domain.file_facts import FileSet, StorageAccess
from lakeward.domain.identity import digest
from lakeward.domain.sql import ident, text
from lakeward.errors import LakeError

_WHEELS = {
    "httpfs": "duckdb_extension_httpfs",
    "postgres_scanner": "duckdb_extension_postgres_scanner",
    "mysql_scanner": "duckdb_extension_mysql_scanner",
    "sqlite_scanner": "duckdb_extension_sqlite_scanner",
    "avro": "duckdb_extension_avro",
    "iceberg": "duckdb_extension_iceberg",
    "delta": "duckdb_extension_delta",
}
_BEFORE = {"iceberg": ("avro",)}
"""What an extension needs to be loaded before it."""
_NOT_BY_ITSELF: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}


def connect(memory_limit: str, threads: int, temp_dir: Path | str) -> duckdb.DuckDBPyConnection:
    """Open an in-memory database; ``memory_limit`` as ``512MB``. It spills into ``temp_dir`` and never reaches the network by itself."""
    con = duckdb.connect(
        ":memory:",
        config={
            "memory_limit": memory_limit,
            "threads": threads,
            "temp_directory": str(temp_dir),
            "preserve_insertion_order": "false",
            "allow_unsigned_extensions": "true",  # signatures are checked by _signed
            **_NOT_BY_ITSELF,
        },
    )
    con.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
    return con


def load_extension(con: duckdb.DuckDBPyConnection, name: str) -> None:
    """Load one of DuckDB's extensions from its wheel; elsewhere from what ``INSTALL`` has fetched. LakeError when neither is there."""
    try:
        for one in (*_BEFORE.get(name, ()), name):
            con.execute(f"LOAD {_signed(one)}")
    except duckdb.Error as error:
        raise LakeError(
            f"DuckDB's extension {name} does not load: {error}",
            todo=f"Install duckdb-extension-{name.replace('_', '-')}=={duckdb.__version__}, or run INSTALL {name} once.",
        ) from error


@cache
def _signed(name: str) -> str:
    """What ``LOAD`` takes for an extension. Its signature is checked once in a process: that reads the whole file, a fifth of a second each time."""
    path = _extension_file(name)
    what = text(str(path)) if path else name
    with duckdb.connect(":memory:", config={"threads": 1, **_NOT_BY_ITSELF}) as con:
        for first in _BEFORE.get(name, ()):
            con.execute(f"LOAD {_signed(first)}")
        con.execute(f"LOAD {what}")
    return what


def _extension_file(name: str) -> Path | None:
    package = find_spec(_WHEELS[name])
    for place in (package.submodule_search_locations or ()) if package else ():
        file = Path(place) / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
        if file.exists():
            return file
    return None


def use_storage(con: duckdb.DuckDBPyConnection, access: StorageAccess, scope: str) -> None:
    """Let the connection read and write below ``scope``, an URL whose bucket the keys are for; local paths need nothing."""
    if not scope.startswith("s3://"):
        return
    load_extension(con, "httpfs")
    bucket = f"s3://{urlsplit(scope).netloc}/"
    options = {
        "TYPE": "s3",
        "PROVIDER": "config",
        "REGION": text(access.region),
        "URL_STYLE": "'path'" if access.path_style else "'vhost'",
        "SCOPE": text(bucket),
    }
    if access.access_key:
        options |= {"KEY_ID": text(access.access_key), "SECRET": text(access.secret_key)}
    if access.session_token:
        options["SESSION_TOKEN"] = text(access.session_token)
    if access.endpoint:
        options |= _endpoint(access.endpoint)
    name = ident(f"lakeward_{digest(bucket, length=12)}")
    con.execute(f"CREATE OR REPLACE SECRET {name} ({', '.join(f'{k} {v}' for k, v in options.items())})")


def alive(con: duckdb.DuckDBPyConnection, name: str, files: FileSet, sample: str = "") -> str:
    """What stands behind FROM for the rows of files that no delete file hides, as ``r``; there must be a file.

    :param sample: takes some of the rows only.

    The positions of dead rows are held in memory: as many as there were changes since the last compaction.
    """
    read = f"read_parquet([{', '.join(map(text, files.urls))}], hive_partitioning = false{_by_id(files)}) r {sample}"
    if not files.deletes:
        return read
    for url in files.deletes:
        use_storage(con, files.access, url)
    con.register(
        f"{name}#paths",
        pa.table({"path": pa.array(files.paths), "file": pa.array(range(len(files.paths)), pa.int64())}),
    )
    dead = f"read_parquet([{', '.join(map(text, files.deletes))}], hive_partitioning = false)"
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE {ident(name + '#dead')} AS SELECT p.file, d.pos FROM {dead} d "
        f"JOIN {ident(name + '#paths')} p ON p.path = d.file_path"
    )
    return f"{read} ANTI JOIN {ident(name + '#dead')} d ON r.file_index = d.file AND r.file_row_number = d.pos"


def _by_id(files: FileSet) -> str:
    """What makes DuckDB find columns by their field ids, null where a file has none, in the types that they have now."""
    if not files.ids:
        return ""
    fields = (
        f"{n}: {{name: {text(name)}, type: {text(duck_type(kind))}, default_value: NULL}}"
        for n, (name, kind) in zip(files.ids, files.columns, strict=True)
    )
    return f", schema = MAP {{{', '.join(fields)}}}"


def _endpoint(endpoint: str) -> Mapping[str, str]:
    """DuckDB takes host and port, and the scheme as a setting of its own."""
    parts = urlsplit(endpoint if "://" in endpoint else f"https://{endpoint}")
    return {
        "ENDPOINT": text(f"{parts.netloc}{parts.path.rstrip('/')}"),
        "USE_SSL": "false" if parts.scheme == "http" else "true",
    }
