"""The way back: records from the rows that they were flattened to. What flatten keeps must suffice for it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from lakeward.domain.facts import LakeTable, TablePlan
from lakeward.domain.flatten_record import LIST, MAP, OBJECT, Path, Record
from lakeward.domain.flatten_stages import nests
from lakeward.spec.paths import format_path

Row = Mapping[str, object]
SQL_NULL = object()
_SHAPE = re.compile(r'((?:[^",:]|"(?:[^"]|"")*")+):(null|missing|empty)(?:,|$)')


def read(text: str) -> object:
    """JSON with exact numbers."""
    return json.loads(text, parse_float=Decimal)


def rebuild(plan: TablePlan, tables: Mapping[str, Sequence[Row]]) -> dict[object, object]:
    """Every record by the id of its row; SQL_NULL where the column held none."""
    nest = nests(plan)["doc"]
    main, *children = plan.lake
    shape = next(c.name for c in main.columns if c.role == "shape")

    def contained(row: Row) -> Callable[[Path], object]:
        def find(path: Path) -> object:
            child = next(c for c in children if c.path == path)
            mine = [r for r in tables[child.name] if r["t_id"] == row["id"]]
            if child.kind == MAP:
                return {r["key"]: _value(child, r, ()) for r in mine}
            item = nest.item(nest.fields_of(LIST, path))
            mine.sort(key=lambda r: int(str(r["position"])))
            assert [r["position"] for r in mine] == list(range(len(mine)))
            return [_record(item, child, r, r["shape"], lambda p: None) for r in mine]

        return find

    kept = next((c.name for c in main.columns if c.role == "undeclared"), None)
    return {
        row["id"]: read(str(row[kept]))
        if kept and row[kept] is not None  # a record with undeclared keys is kept whole
        else _record(nest.record(), main, row, row[shape], contained(row))
        for row in tables[main.name]
    }


def _record(record: Record, table: LakeTable, row: Row, shape: object, contained: Callable[[Path], object]) -> object:
    if shape in {"$:sqlnull", "$:null"}:
        return SQL_NULL if shape == "$:sqlnull" else None
    absent = dict(_SHAPE.findall(str(shape))) if shape else {}
    assert ",".join(map(":".join, absent.items())) == (shape or "")
    built: dict[Path, object] = {}
    for path, kind in record.entries:
        if path and path[:-1] not in built:
            continue
        state = absent.get(format_path(path))
        if state == "missing":
            continue
        value: object = None
        if state != "null":
            value = {} if kind == OBJECT else contained(path) if kind in {LIST, MAP} else _value(table, row, path)
            assert (state == "empty") == (kind in {LIST, MAP} and not value)
        if path:
            parent = built[path[:-1]]
            assert isinstance(parent, dict)
            parent[path[-1]] = value
        if state != "null":
            built[path] = value
    return built[()]


def _value(table: LakeTable, row: Row, path: Path) -> object:
    column = next(c for c in table.columns if c.role == "value" and c.path == path)
    value = row[column.name]
    return read(str(value)) if column.type == "json" and value is not None else value
