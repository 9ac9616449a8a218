"""The way from landed rows to records, list items and map entries, one subquery a step so that nothing is computed twice."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from lakeward.domain.facts import NestedColumn, TablePlan
from lakeward.domain.flatten_faults import valid
from lakeward.domain.flatten_record import JSON, LIST, MAP, Path, Record, json_path, pointer, sql_list
from lakeward.domain.json_numbers import inexact, quote_numbers, respelled
from lakeward.domain.json_values import is_numeric
from lakeward.domain.sql import ident

Typed = Sequence[tuple[Path, str]]
POSITION, KEY = ident("#position"), ident("#key")
_LIST, _QUOTED_LIST, _KEY_LIST = ident("#list"), ident("#quoted list"), ident("#key list")


@dataclass(frozen=True, slots=True)
class Nest:
    """A nested column of a table and what its records may be."""

    column: NestedColumn
    form: str  # json, jsonb, text: how the source holds the records
    whole: bool  # kept as it is, with nothing declared inside
    exact: bool  # none of its records holds an inexact number
    name: str

    @property
    def repeats(self) -> bool:
        """Whether a key may stand twice in an object; jsonb keeps the last one."""
        return self.form != "jsonb"

    @property
    def plain(self) -> bool:
        """Whether its numbers are written without exponents, as jsonb does."""
        return self.form == "jsonb"

    @property
    def keyed(self) -> bool:
        """Whether the keys of its objects decide if a record fits."""
        return self.repeats or self.column.undeclared == "quarantine"

    @property
    def children(self) -> list[tuple[str, Path, Typed]]:
        """Its lists and maps by kind, path and fields."""
        lists = [(LIST, path, fields) for path, fields in self.column.lists]
        return [*lists, *((MAP, path, self.fields_of(MAP, path)) for path, _ in self.column.maps)]

    @property
    def keeps_parts(self) -> bool:
        """Whether parts of its records are kept as JSON text."""
        return bool(parts_of(self, self.column.fields, self.children))

    @property
    def numeric(self) -> bool:
        """Whether any number is read of its records."""
        every = (self.column.fields, *(fields for _, _, fields in self.children))
        return any(is_numeric(kind) for fields in every for _, kind in fields)

    @property
    def doc(self) -> str:
        """The column with the text of the whole record."""
        return self.record().doc

    def record(self, *, keyed: bool = False, judged: bool = False) -> Record:
        """The whole record."""
        c = self.column
        lists, maps = (p for p, _ in c.lists), (p for p, _ in c.maps)
        return Record.of(
            self.name, c.fields, lists, maps, keyed=keyed, judged=judged, exact=self._exact(c.fields), whole=self.whole
        )

    def fields_of(self, kind: str, path: Path) -> Typed:
        """The fields of the items of a list; a map's values as the field ()."""
        return dict(self.column.lists)[path] if kind != MAP else (((), dict(self.column.maps)[path]),)

    def item(self, fields: Typed, *, keyed: bool = False, judged: bool = False) -> Record:
        """An item of a list, or a value of a map."""
        return Record.of(f"{self.name}item ", fields, keyed=keyed, judged=judged, exact=self._exact(fields))

    def _exact(self, fields: Typed) -> bool:
        return self.exact and not any(kind == JSON for _, kind in fields)


def nests(plan: TablePlan, exact: Collection[str] = ()) -> dict[str, Nest]:
    """The nested columns of a table, by their source name; ``exact`` ones are known to hold no inexact number."""
    columns = [c for table in plan.lake for c in table.columns if c.role != "parent"]
    kept = {c.source for c in plan.lake[0].columns if c.role == "value" and not c.path and c.type == JSON}
    found = {}
    for n, nested in enumerate(plan.nested):
        form = next((c.nested for c in columns if c.source == nested.source), "text")
        found[nested.source] = Nest(nested, form, nested.source in kept, nested.source in exact, f"#{n} ")
    return found


def documents(nest: Nest, rows: str) -> str:
    """The rows with the column's text where it is JSON."""
    column, doc = ident(nest.column.source), nest.doc
    return f"SELECT *, CASE WHEN {valid(column, nest.form)} THEN {column} END AS {doc} FROM {rows}"


def parts_of(nest: Nest, fields: Typed, children: Sequence[tuple[str, Path, Typed]]) -> str:
    """All of a record that is kept as JSON text, as DuckDB writes it, in one text; empty when nothing is."""
    doc, parts = nest.doc, []
    if own := [pointer(path) for path, kind in fields if kind == JSON and path]:
        parts.append(f"json_extract({doc}, {sql_list(own)})")
    for kind, path, inner in children:
        every = ".*" if kind == MAP else "[*]"
        parts += [f"json_extract({doc}, {json_path(path, every, below)})" for below, of in inner if of == JSON]
    return " || ' ' || ".join(f"coalesce(array_to_string({part}, ' '), '')" for part in parts)


def quoting(nest: Nest, fields: Typed, children: Sequence[tuple[str, Path, Typed]]) -> str:
    """True for a record whose numbers must be quoted before these are read; empty when that is never so.

    :param children: lists and maps by kind, path and fields.
    """
    terms = []
    if not nest.exact and any(is_numeric(kind) for _, kind in (*fields, *(f for _, _, fs in children for f in fs))):
        terms.append(inexact(nest.doc))
    if parts := parts_of(nest, fields, children):
        terms.append(respelled(nest.doc, parts))
    return " OR ".join(terms)


def quoted(record: Record, need: str) -> str:
    """The column of a record's text with quoted numbers."""
    sql = f"CASE WHEN {need} THEN {quote_numbers(record.doc)} END" if need else "NULL::VARCHAR"
    return f"{sql} AS {record.quoted}"


def records(nest: Nest, record: Record, rows: str, *, parts: bool) -> str:
    """The rows with what was read of the column's records; ``parts``: those kept as JSON text are wanted as they are spelled."""
    need = quoting(nest, nest.column.fields if parts else _without_json(nest.column.fields), ())
    first = ", ".join(("*", quoted(record, need), *record.types_and_keys()))
    rows = f"SELECT {first} FROM ({documents(nest, rows)})"
    return f"SELECT {', '.join(('*', *record.texts()))} FROM ({rows})"


def _without_json(fields: Typed) -> Typed:
    return [(path, kind) for path, kind in fields if kind != JSON]


def items(nest: Nest, record: Record, table_kind: str, path: Path, rows: str, *, parts: bool) -> str:
    """One row an item of a list, or entry of a map, with what was read of it, and its position or key."""
    outer, fields = nest.record(), nest.fields_of(table_kind, path)
    fields = fields if parts else _without_json(fields)
    need = quoting(nest, (), [(table_kind, path, fields)])
    every = json_path(path, ".*" if table_kind == MAP else "[*]")
    lists = [f"json_extract({outer.doc}, {every}) AS {_LIST}"]
    if need:
        lists.append(f"json_extract({outer.quoted}, {every}) AS {_QUOTED_LIST}")
    if table_kind == MAP:
        lists.append(f"json_keys({outer.doc}, {sql_list([pointer(path)])})[1] AS {_KEY_LIST}")
    rows = f"SELECT *, {quoted(outer, need)} FROM ({documents(nest, rows)})"
    rows = f"SELECT *, {', '.join(lists)} FROM ({rows})"
    each = [f"unnest({_LIST})::VARCHAR AS {record.doc}", f"generate_subscripts({_LIST}, 1) - 1 AS {POSITION}"]
    each.append(f"unnest({_QUOTED_LIST})::VARCHAR AS {record.quoted}" if need else f"NULL::VARCHAR AS {record.quoted}")
    if table_kind == MAP:
        each.append(f"unnest({_KEY_LIST}) AS {KEY}")
    rows = f"SELECT *, {', '.join(each)} FROM ({rows})"
    rows = f"SELECT {', '.join(('*', *record.types_and_keys()))} FROM ({rows})"
    return f"SELECT {', '.join(('*', *record.texts()))} FROM ({rows})"
