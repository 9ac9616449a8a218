"""What flattening makes beside values, by the source itself: which paths of a record are absent, and records with undeclared keys."""

from __future__ import annotations

from lakeward.domain.facts import LakeColumn, LakeTable, TablePlan
from lakeward.domain.flatten_record import Path, Record, sql_list
from lakeward.domain.flatten_stages import nests
from lakeward.domain.sql import text


class SourceRecord(Record):
    """A record whose SQL is PostgreSQL's, over a jsonb document that is called ``name``."""

    __slots__ = ()

    def type(self, path: Path) -> str:
        """The type of what stands at a path: NULL where it is missing, ``'NULL'`` where it is null."""
        return f"upper(jsonb_typeof({at(self.name, path)}))"

    def no_keys(self, path: Path) -> str:
        """Whether a map is empty."""
        return f"{at(self.name, path)} = '{{}}'"


def at(document: str, path: Path) -> str:
    """What stands at a path of a jsonb document."""
    return f"({document} #> ARRAY[{', '.join(text(key) for key in path)}]::text[])" if path else f"({document})"


def shape_of(plan: TablePlan, table: LakeTable, column: LakeColumn, document: str, value: str) -> str:
    """The column ``shape``; ``value`` is what the source's column holds."""
    record = _record(plan, table, column, document)
    if table.kind != "main":
        return record.shape()
    return f"CASE WHEN {value} IS NULL THEN '$:sqlnull' ELSE {record.shape()} END"


def undeclared_of(plan: TablePlan, table: LakeTable, column: LakeColumn, document: str, value: str) -> str:
    """The column ``undeclared``: the source's text where any object of the record has a key that nothing declares."""
    nest = nests(plan)[column.source]
    record = _record(plan, table, column, document)
    terms = [_others(at(document, level), keys) for level, keys in record.levels.items()]
    for path, fields in nest.column.lists:
        found = at(document, path)
        each = f"jsonb_array_elements(CASE WHEN jsonb_typeof({found}) = 'array' THEN {found} ELSE '[]' END) AS e(item)"
        item = nest.item(fields)
        terms += [
            f"EXISTS (SELECT FROM {each} WHERE {_others(at('e.item', level), keys)})"
            for level, keys in item.levels.items()
        ]
    return f"CASE WHEN {' OR '.join(terms) or 'false'} THEN CAST({value} AS text) END"


def _record(plan: TablePlan, table: LakeTable, column: LakeColumn, document: str) -> SourceRecord:
    nest = nests(plan)[column.source]
    record = nest.record() if table.kind == "main" else nest.item(nest.fields_of(table.kind, table.path))
    return SourceRecord(document, record.entries, keyed=True, judged=False, exact=True)


def _others(found: str, keys: tuple[str, ...]) -> str:
    """Whether an object has other keys than these."""
    return f"CASE WHEN jsonb_typeof({found}) = 'object' THEN ({found} - {sql_list(keys).replace('[', 'ARRAY[', 1)}::text[]) <> '{{}}' ELSE false END"
