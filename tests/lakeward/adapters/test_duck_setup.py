"""DuckDB's extensions: loaded quickly, and never one that was changed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from lakeward.adapters import duck_setup
from lakeward.adapters.duck_setup import connect, load_extension
from lakeward.errors import LakeError


@pytest.fixture(autouse=True)
def nothing_checked() -> Iterator[None]:
    """As in a process that has just begun."""
    duck_setup._signed.cache_clear()
    yield
    duck_setup._signed.cache_clear()


def test_an_extension_whose_file_was_changed_is_refused_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = duck_setup._extension_file("sqlite_scanner")
    assert wheel
    content = bytearray(wheel.read_bytes())
    content[len(content) // 2] ^= 1
    changed = tmp_path / wheel.name
    changed.write_bytes(content)
    monkeypatch.setattr(duck_setup, "_extension_file", lambda name: changed)
    with connect("100MB", 1, tmp_path) as con:
        for _ in range(2):
            with pytest.raises(LakeError, match="sqlite_scanner does not load") as refused:
                load_extension(con, "sqlite_scanner")
            assert "duckdb-extension-sqlite-scanner==" in refused.value.todo


def test_an_extension_is_checked_once_and_loaded_into_each_database(tmp_path: Path) -> None:
    for _ in range(2):
        with connect("100MB", 1, tmp_path) as con:
            load_extension(con, "sqlite_scanner")
            loaded = con.execute("SELECT loaded FROM duckdb_extensions() WHERE extension_name = 'sqlite_scanner'")
            assert loaded.fetchall() == [(True,)]
    assert duck_setup._signed.cache_info().misses == 1


def test_an_extension_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duck_setup, "_extension_file", lambda _: tmp_path / "none.duckdb_extension")
    with pytest.raises(LakeError, match=f"duckdb-extension-httpfs=={duckdb.__version__}"):
        load_extension(connect("64MB", 1, tmp_path), "httpfs")
