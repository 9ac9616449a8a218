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
