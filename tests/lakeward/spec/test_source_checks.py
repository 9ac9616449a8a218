"""What a migration file says of its source goes with the kind of source, or is told at its place."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from lakeward.errors import SpecError
from lakeward.steps.check import check_file

GOOD = Path(__file__).with_name("good.yaml")


def checked(tmp_path: Path, **source: object) -> None:
    file = yaml.safe_load(GOOD.read_text())
    file["source"] = {"connection": "x", **source}
    path = tmp_path / "m.yaml"
    path.write_text(yaml.safe_dump(file))
    check_file(path)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ({"kind": "files"}, "needs a `path`"),
        ({"kind": "iceberg"}, "Write the namespace"),
        ({"kind": "duckdb", "path": "/x"}, "takes no `path`"),
        ({"kind": "delta", "path": "/x", "files": {"a": {"path": "a"}}}, "has no `files`"),
        (
            {"kind": "files", "path": "/x", "files": {"a": {"path": "a", "csv": {"header": False}}}},
            "`a` have no header",
        ),
        (
            {"kind": "files", "path": "/x", "files": {"a": {"path": "a", "columns": {"c": "decimal(9,2)"}}}},
            r"not as decimal\(9,2\)",
        ),
        ({"kind": "oracle"}, "postgres"),
    ],
)
def test_what_does_not_go_together_is_refused(tmp_path: Path, source: dict[str, object], said: str) -> None:
    with pytest.raises(SpecError, match=said):
        checked(tmp_path, **source)


@pytest.mark.parametrize(
    "source", [{"kind": "sqlite"}, {"kind": "delta", "path": "s3://a/b"}, {"kind": "files", "path": "raw"}]
)
def test_what_goes_together_is_good(tmp_path: Path, source: dict[str, object]) -> None:
    checked(tmp_path, **source)


def test_catching_up_is_for_postgresql(tmp_path: Path) -> None:
    file = yaml.safe_load(GOOD.read_text())
    file |= {"pattern": "phased", "source": {"kind": "duckdb", "connection": "x"}, "compaction": {"mode": "none"}}
    file["groups"][0]["catch_up"] = {}
    path = tmp_path / "m.yaml"
    path.write_text(yaml.safe_dump(file))
    with pytest.raises(SpecError, match="catching up is there for PostgreSQL"):
        check_file(path)
