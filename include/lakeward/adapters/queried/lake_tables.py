"""Which files of a lake are which table: by what the migration file says, or by folders and names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from lakeward.adapters.queried.listing import LakeFile
from lakeward.errors import SourceError, SpecError
from lakeward.spec.files import FilesSpec

FORMATS = {
    ".parquet": "parquet",
    ".parq": "parquet",
    ".jsonl": "lines",
    ".ndjson": "lines",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "csv",
}
_COMPRESSED = (".gz", ".zst")
_GLOB = ("*", "?", "[")
_DEFAULT = "__HIVE_DEFAULT_PARTITION__"


@dataclass(frozen=True, slots=True)
class LakeTable:
    """The files of one table; ``hive`` names the columns that its folders give, ``values`` what they are for each file."""

    name: str
    spec: FilesSpec
    format: str  # parquet, lines, json, csv
    files: tuple[LakeFile, ...]
    hive: tuple[str, ...]
    values: Mapping[str, tuple[str | None, ...]]


def tables_of(files: Sequence[LakeFile], specs: Mapping[str, FilesSpec]) -> tuple[LakeTable, ...]:
    """Every table, sorted by name.

    :raises SpecError: a pattern matches nothing, or two take the same file.
    :raises SourceError: the files of one table are of several formats or of several partitionings.
    """
    if not specs:
        names: dict[str, list[LakeFile]] = {}
        for file in files:
            if _ending(file.key) in FORMATS:
                names.setdefault(_name(file.key), []).append(file)
        return tuple(_table(name, FilesSpec(path=name), names[name]) for name in sorted(names))
    taken: dict[str, str] = {}
    found = []
    for name, spec in sorted(specs.items()):
        pattern = _pattern(spec.path)
        mine = [f for f in files if pattern.fullmatch(f.key) and (spec.format != "auto" or _ending(f.key) in FORMATS)]
        if not mine:
            raise SpecError(
                f"source.files.{name}: no file matches {spec.path!r}.",
                todo="Check the path; it is looked for below `source.path`.",
            )
        for file in mine:
            if (other := taken.setdefault(file.key, name)) != name:
                raise SpecError(
                    f"source.files: {file.key} would be taken by both {other} and {name}.",
                    todo="Let one file be of one table.",
                )
        found.append(_table(name, spec, mine))
    return tuple(found)


def _table(name: str, spec: FilesSpec, files: Sequence[LakeFile]) -> LakeTable:
    formats = (
        {_ending(f.key) and FORMATS.get(_ending(f.key), "") for f in files} if spec.format == "auto" else {spec.format}
    )
    if spec.format == "json":
        formats = {FORMATS.get(_ending(f.key), "lines") for f in files}
    if len(formats) != 1:
        raise SourceError(
            f"{name}: its files are of several formats ({', '.join(sorted(map(str, formats)))}), as {files[0].key} and {files[-1].key}.",
            todo="Make two tables of them under `source.files`.",
        )
    if odd := next((f for f in files if any(c in f.url for c in _GLOB)), None):
        raise SourceError(
            f"{name}: the name of {odd.url} holds one of {' '.join(_GLOB)}, and DuckDB would read every file that it matches.",
            todo="Rename the file, or leave it out by `source.files`.",
        )
    hive, values = _partitions(name, files) if spec.hive else ((), {})
    return LakeTable(name, spec, str(formats.pop()), tuple(files), hive, values)


def _partitions(name: str, files: Sequence[LakeFile]) -> tuple[tuple[str, ...], dict[str, tuple[str | None, ...]]]:
    columns: tuple[str, ...] | None = None
    values = {}
    for file in files:
        found = [part.split("=", 1) for part in file.key.split("/")[:-1] if "=" in part]
        keys = tuple(unquote(key) for key, _ in found)
        if columns is None:
            columns = keys
        if keys != columns:
            raise SourceError(
                f"{name}: {file.key} is partitioned by {', '.join(keys) or 'nothing'}, others by {', '.join(columns) or 'nothing'}.",
                todo="Make two tables of them under `source.files`, or write `hive: false`.",
            )
        if len({key.lower() for key in keys}) != len(keys):
            raise SourceError(
                f"{name}: {file.key} names a partition twice.", todo="Write `hive: false` for this table."
            )
        values[file.url] = tuple(None if value == _DEFAULT else unquote(value) for _, value in found)
    return columns or (), values


def _name(key: str) -> str:
    """The first folder, or the file's own name without its endings."""
    first, slash, _ = key.partition("/")
    return first if slash else first.removesuffix("".join(_endings(first)))


def _endings(name: str) -> tuple[str, ...]:
    compressed = next((ending for ending in _COMPRESSED if name.lower().endswith(ending)), "")
    rest = name[: len(name) - len(compressed)]
    dot = rest.rfind(".")
    return (rest[dot:], name[len(rest) :]) if dot > 0 else (name[len(rest) :],)


def _ending(key: str) -> str:
    return _endings(key.rpartition("/")[2])[0].lower()


def _pattern(path: str) -> re.Pattern[str]:
    """A glob as people know it: ``*`` and ``?`` stay in a folder, ``**`` does not; a path without any is a folder or a file."""
    path = path.strip("/")
    if not any(c in path for c in "*?"):
        return re.compile(f"{re.escape(path)}(/.*)?")
    parts = re.split(r"(\*\*/?|\*|\?)", path)
    words = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(words.get(part, re.escape(part)) for part in parts))
