"""Values that are the same in another spelling, and the likely class of those that are not."""

from __future__ import annotations

import pytest

from lakeward.domain.row_classes import Known, class_of, normal

KNOWN = Known(frozenset({"status"}), frozenset({"client_id"}), "Europe/Zurich")


@pytest.mark.parametrize(
    ("kind", "one", "other", "same"),
    [
        ("double", "1", "1.0", True),
        ("double", "-0", "0.0", True),
        ("double", "NaN", "nan", True),
        ("double", "0.1", "0.10000000149011612", False),
        ("decimal(12,4)", "1.50", "1.5000", True),
        ("decimal(12,2)", "1.50", "1.51", False),
        ("json", '{"a": 1, "b": [1, 2]}', '{"b":[1.0,2e0],"a":1}', True),
        ("json", "[1, 2]", "[2, 1]", False),
        ("json", '{"a": 1}', '{"a": 1, "a": 1}', False),
        ("json", '{"a": 12345678901234567890.1}', '{"a": 12345678901234567890.2}', False),
        ("json", '{"a": "1"}', '{"a": 1}', False),
        ("json", '{"a": null}', "{}", False),
        ("json", '{"a": true}', '{"a": 1}', False),
        ("string", "a", "a ", False),
        ("string", "é", "e\u0301", False),
        ("string", None, "", False),
    ],
)
def test_values_are_compared_not_their_spelling(kind: str, one: str | None, other: str | None, same: bool) -> None:
    assert (normal(kind, one) == normal(kind, other)) is same


@pytest.mark.parametrize(
    ("name", "kind", "before", "after", "found"),
    [
        ("amount", "decimal(14,2)", "0.90", "0.91", "changed_value"),
        ("amount", "decimal(14,3)", "1.239", "1.24", "type"),
        ("amount", "decimal(20,2)", "123456789012345678.67", "123456789012345680.00", "type"),
        ("weight", "double", "0.1", "0.10000000149011612", "type"),
        ("weight", "double", "0.1", "0.2", "changed_value"),
        ("at", "timestamptz", "2025-03-30 21:30:00.000000Z", "2025-03-30 22:30:00.000000Z", "shifted_period"),
        ("at", "timestamptz", "2025-03-30 22:30:00.000000Z", "2025-03-31 00:30:00.000000Z", "changed_value"),
        ("at", "timestamptz", "2025-03-30 10:30:00.250000Z", "2025-03-30 10:30:00.000000Z", "type"),
        ("on", "date", "2025-03-30", "2025-03-31", "shifted_period"),
        ("on", "date", "0044-03-15 BC", "0044-03-16 BC", "shifted_period"),
        ("status", "string", "paid", "open", "shifted_dimension"),
        ("client_id", "int", "1", "2", "shifted_dimension"),
        ("status", "string", "paid", "paid ", "encoding"),
        ("note", "string", None, "", "encoding"),
        ("note", "string", "Zoë", "Zoe\u0308", "encoding"),
        ("note", "string", "Zoë", "ZoÃ«", "encoding"),
        ("note", "string", "1", "1.0", "type"),
        ("note", "string", "true", "1", "type"),
        ("note", "string", "Zoë", "Zoe", "changed_value"),
        ("note", "string", "a", None, "changed_value"),
    ],
)
def test_the_likely_class(name: str, kind: str, before: str | None, after: str | None, found: str) -> None:
    assert class_of(name, kind, before, after, KNOWN) == found
    if None not in (before, after):
        assert class_of(name, kind, after, before, KNOWN) == found
