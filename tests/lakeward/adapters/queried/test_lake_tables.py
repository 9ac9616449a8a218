"""Which files are which table: by folders, by globs, each file once."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakeward.adapters.queried.lake_tables import tables_of
from lakeward.adapters.queried.listing import LakeFile
from lakeward.errors import SourceError, SpecError
from lakeward.spec.files import FilesSpec


def listed(*keys: str) -> list[LakeFile]:
    return [LakeFile(key, f"/lake/{key}", 1, "s") for key in keys]


def taken(keys: Sequence[str], **paths: str) -> dict[str, list[str]]:
    found = tables_of(listed(*keys), {name: FilesSpec(path=path) for name, path in paths.items()})
    return {table.name: [file.key for file in table.files] for table in found}


def test_folders_and_files_are_tables() -> None:
    keys = ["a.b.csv", "a/x/1.parquet", "a/2.parquet", "b.jsonl.gz", "readme.txt", "c.csv.zst"]
    assert taken(keys) == {
        "a": ["a/x/1.parquet", "a/2.parquet"],
        "a.b": ["a.b.csv"],
        "b": ["b.jsonl.gz"],
        "c": ["c.csv.zst"],
    }


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a", ["a/1.csv", "a/b/2.csv"]),
        ("a/", ["a/1.csv", "a/b/2.csv"]),
        ("a/*.csv", ["a/1.csv"]),
        ("a/**", ["a/1.csv", "a/b/2.csv"]),
        ("a/**/*.csv", ["a/1.csv", "a/b/2.csv"]),
        ("**/2.csv", ["a/b/2.csv"]),
        ("a/?.csv", ["a/1.csv"]),
        ("a/1.csv", ["a/1.csv"]),
    ],
)
def test_globs(path: str, expected: list[str]) -> None:
    assert taken(["a/1.csv", "a/b/2.csv", "aa/3.csv", "a.csv"], t=path) == {"t": expected}


def test_what_matches_nothing_or_twice_is_refused() -> None:
    with pytest.raises(SpecError, match="no file matches 'x'"):
        taken(["a/1.csv"], t="x")
    with pytest.raises(SpecError, match=r"a/1\.csv would be taken by both s and t"):
        taken(["a/1.csv"], t="a", s="**/*.csv")


@pytest.mark.parametrize("key", ["t/a*.csv", "t/a?.csv", "t/[a].csv"])
def test_names_that_duckdb_takes_for_globs_are_refused(key: str) -> None:
    with pytest.raises(SourceError, match="would read every file that it matches"):
        tables_of(listed("t/ab.csv", key), {})


def test_folders_that_name_values() -> None:
    (table,) = tables_of(listed("t/day=2026-01-01/c=a%2Fb/1.csv", "t/day=__HIVE_DEFAULT_PARTITION__/c=x=y/1.csv"), {})
    assert table.hive == ("day", "c")
    assert list(table.values.values()) == [("2026-01-01", "a/b"), (None, "x=y")]
    with pytest.raises(SourceError, match="partitioned by nothing, others by day"):
        tables_of(listed("t/day=1/1.csv", "t/1.csv"), {})
    with pytest.raises(SourceError, match="names a partition twice"):
        tables_of(listed("t/a=1/A=2/1.csv"), {})


@settings(deadline=None)
@given(st.lists(st.from_regex(r"[ab.]{1,3}(/[ab.]{1,3}){0,2}\.csv", fullmatch=True), min_size=1, unique=True))
def test_every_file_is_of_one_table(keys: list[str]) -> None:
    keys = [key for key in keys if not key.startswith(".") and "/." not in key]
    found = taken(keys)
    assert sorted(key for files in found.values() for key in files) == sorted(keys)
