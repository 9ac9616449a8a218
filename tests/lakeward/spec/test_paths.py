from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakeward.spec.paths import format_path, parse_path


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ("$", ()),
        ('"$"', ("$",)),
        ("a", ("a",)),
        ("address.city", ("address", "city")),
        ('"a.b".c', ("a.b", "c")),
        ('"say ""hi""".x', ('say "hi"', "x")),
        ('"".x', ("", "x")),
        ("with blank.ä", ("with blank", "ä")),
    ],
)
def test_paths_are_read_and_written(written: str, path: tuple[str, ...]) -> None:
    assert parse_path(written) == path
    assert format_path(path) == written


@pytest.mark.parametrize("written", ["", ".", "a.", ".a", "a..b", '"a', 'a"b', '"a"b', 'a."b"c'])
def test_malformed_paths_are_refused(written: str) -> None:
    with pytest.raises(ValueError, match="is no path"):
        parse_path(written)


@given(st.lists(st.text(), max_size=4))
def test_every_path_survives(keys: list[str]) -> None:
    assert parse_path(format_path(tuple(keys))) == tuple(keys)
