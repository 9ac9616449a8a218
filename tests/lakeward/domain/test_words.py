"""Values are shown so that no two of them look alike."""

from __future__ import annotations

import unicodedata

from lakeward.domain.words import spelled


def test_null_empty_blanks_and_normal_forms_look_different() -> None:
    values = [None, "", "null", "'null'", " ", "x", "x ", "\tx", unicodedata.normalize("NFC", "\u00e9"), "e\u0301"]
    assert len({spelled(value) for value in values}) == len(values)
    assert (spelled("paid"), spelled("A b"), spelled("10.50"), spelled(None)) == ("paid", "A b", "10.50", "null")
    assert (spelled(None, "-"), spelled("-", "-")) == ("-", "'-'")
