from __future__ import annotations

import json

import pytest

from lakeward.domain.infer import infer_fields


def types(*samples: str | None) -> dict[tuple[str, ...], str]:
    return {path: str(kind) for path, kind in infer_fields(samples).fields}


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", "-5"], "long"),
        (["999999999999999999"], "long"),
        (["18446744073709551615"], "decimal(24,0)"),
        (["1.10"], "decimal(18,2)"),
        (["1", "1.105"], "decimal(18,3)"),
        (["123456789012345678.01", "0.12345678"], "decimal(30,8)"),
        (["9" * 36, "0.01"], "decimal(38,2)"),
        (["9" * 37, "0.01"], "json"),
        (["1e2"], "decimal(18,0)"),
        (["1E-7"], "decimal(18,7)"),
        (["0.00"], "decimal(18,2)"),
        (["1e999999999999999999999"], "json"),
        (["true", "null"], "boolean"),
        (['"2024-01-01"', '""'], "string"),
        (["1", '"1"'], "json"),
        (["1", "true"], "json"),
        (["null"], "json"),
        (["{}"], "json"),
        (["[1]", "1"], "json"),
    ],
)
def test_a_type_takes_everything_that_stood_there(values: list[str], kind: str) -> None:
    assert types(*(f'{{"x": {value}}}' for value in values)) == {("x",): kind}


def test_objects_become_paths_in_the_order_they_came() -> None:
    found = infer_fields(['{"b": {"x": 1, "a.b": {"c": "s"}}, "a": null}', None, '{"a": 2, "b": null}'])
    assert found.fields == ((("b", "x"), "long"), (("b", "a.b", "c"), "string"), (("a",), "long"))
    assert found.notes == ()
    assert found.sampled == 3


def test_lists_are_candidates_with_their_items_fields() -> None:
    found = infer_fields(
        [
            '{"lines": [{"sku": "a", "price": 1.5, "tags": [1]}, {"sku": "b", "price": 2}], "codes": [1, 2], "no": []}',
            '{"lines": [], "codes": [3]}',
        ]
    )
    assert found.fields == ()
    assert found.lists == (
        (("lines",), ((("sku",), "string"), (("price",), "decimal(18,1)"), (("tags",), "json"))),
        (("codes",), (((), "long"),)),
        (("no",), (((), "json"),)),
    )
    assert any("in the items of lines: tags: a list" in note for note in found.notes)


def test_a_root_that_is_no_object() -> None:
    assert infer_fields(["[1, 2]"]).lists == (((), (((), "long"),)),)
    assert types("1", "2") == {(): "long"}
    assert infer_fields([None, None]).fields == ()
    assert infer_fields(["null"]).fields == ()


def test_objects_whose_keys_are_data_are_map_candidates() -> None:
    samples = [json.dumps({"by_day": {f"d{n}": n, f"d{n + 1}": 1.5}, "z": 1}) for n in range(40)]
    found = infer_fields(samples)
    assert found.fields == ((("z",), "long"),)
    assert found.maps == ((("by_day",), "decimal(18,1)"),)
    assert "by_day holds 41 different keys in 40 records: it looks like a map" in found.notes


def test_a_wide_object_that_is_always_full_is_no_map() -> None:
    found = infer_fields([json.dumps({f"k{n}": n for n in range(60)})] * 3)
    assert found.maps == ()
    assert len(found.fields) == 60


def test_what_would_be_quarantined_is_noted() -> None:
    found = infer_fields(['{"a": 1, "a": 2}', "{", '{"a": NaN}', "[" * 100_000])
    assert found.fields == ((("a",), "long"),)
    assert found.notes == (
        "3 of 4 sampled records are no JSON; they would be quarantined",
        "1 objects in the sample hold a key twice; they would be quarantined",
    )
