from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from flattening import make_plan, strict

from lakeward.adapters.duck import DuckEngine
from lakeward.domain.duck import Rows

FLATTEN = {
    "column": "doc",
    "fields": {"n": "decimal(6,2)", "s": "string", "o.b": "boolean"},
    "children": [{"path": "l", "table": "kids", "fields": {"q": "int"}}],
    "maps": [{"path": "m", "table": "notes", "value": "long"}],
}
FITS = '{"n":1.5,"s":"x","o":{"b":true},"l":[{"q":1},{"q":null}],"m":{"k":7}}'


def read(tmp_path: Path, doc: str | None, **spec: object) -> dict[str, list[dict[str, object]]] | None:
    form = str(spec.pop("form", "json"))
    plan = make_plan(form, flatten=[{**FLATTEN, **spec}])
    rows = pa.table({"id": pa.array([1, 2], pa.int64()), "doc": pa.array([FITS, doc], pa.string())})
    return strict(plan, DuckEngine(temp_dir=tmp_path), {"t": rows}, Rows.ALL)


@pytest.mark.parametrize(
    "doc", [FITS, None, "{}", '{"n":null,"l":[],"m":{}}', '{"n":1e2}', '{"u":"undeclared is kept"}']
)
def test_records_that_fit_are_read_at_one_go(tmp_path: Path, doc: str | None) -> None:
    found = read(tmp_path, doc)
    assert found is not None
    assert [row["id"] for row in found["t"]] == [1, 2]
    assert {"t_id": 1, "position": 0, "q": 1}.items() <= found["kids"][0].items()


@pytest.mark.parametrize(
    "doc",
    [
        "no json",
        "[]",
        '{"n":1.005}',
        '{"n":99999}',
        '{"s":1}',
        '{"o":[]}',
        '{"o":{"b":"true"}}',
        '{"l":{}}',
        '{"l":[{"q":1},{"q":1.5}]}',
        '{"l":[1]}',
        '{"m":[]}',
        '{"m":{"k":"7"}}',
        '{"s":"a","s":"b"}',
        '{"l":[{"q":1,"q":1}]}',
        '{"n":0.1234567890123456789}',
    ],
)
def test_one_that_may_not_fit_stops_all(tmp_path: Path, doc: str) -> None:
    assert read(tmp_path, doc) is None


@pytest.mark.parametrize("doc", ['{"u":1}', '{"o":{"u":1}}', '{"l":[{"q":1,"u":1}]}'])
def test_keys_that_nothing_declares_are_faults_where_the_file_says_so(tmp_path: Path, doc: str) -> None:
    assert read(tmp_path, doc, undeclared="quarantine", form="jsonb") is None
    assert read(tmp_path, doc, undeclared="ignore", form="jsonb") is not None


MONEY = {
    "fields": {"n": "decimal(22,2)", "o.f": "double"},
    "children": [{"path": "l", "table": "kids", "fields": {"q": "decimal(22,2)"}}],
    "maps": [{"path": "m", "table": "notes", "value": "decimal(26,4)"}],
}


@pytest.mark.parametrize("form", ["json", "jsonb"])
@pytest.mark.parametrize(
    ("number", "exact"),
    [
        ("9999999.25", True),
        ("10000000.25", True),
        ("1234567890123.45", True),
        ("12345678901234567890", True),
        ("12345678901234567.25", False),
        ("-123456789012345.67", False),
        ("0.1000000000000000055", False),
        ("1.2300000000000000", False),
    ],
)
@pytest.mark.parametrize("doc", ['{"n":%s}', '{"l":[{"q":1},{"q":%s}]}', '{"m":{"k":%s}}', '{"o":{"f":%s}}'])
def test_numbers_that_may_be_inexact_stop_all_wherever_they_stand(
    tmp_path: Path, form: str, number: str, exact: bool, doc: str
) -> None:
    found = read(tmp_path, doc % number, form=form, **MONEY)
    assert (found is not None) == exact
