"""Lake tables as Iceberg schemas, partition specs and sort orders, and every way in which a live table differs."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
from pyiceberg import types as t
from pyiceberg.partitioning import PARTITION_FIELD_ID_START, PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.table.sorting import NullOrder, SortDirection, SortField, SortOrder
from pyiceberg.transforms import IdentityTransform, parse_transform

from lakeward.domain.evolving import widens
from lakeward.domain.facts import LakeColumn, LakeTable, LiveColumn
from lakeward.domain.partition import fits
from lakeward.errors import UnsupportedError
from lakeward.spec.scalars import LakeType

MIGRATION = "lakeward.migration"
GONE = "no longer at the source"
"""What the table tells of a column that the source has lost."""
PROPERTIES = {
    "format-version": "2",
    "write.format.default": "parquet",
    "write.parquet.compression-codec": "zstd",
    "write.parquet.compression-level": "1",
}
_TYPES: dict[str, tuple[t.PrimitiveType, pa.DataType]] = {
    "boolean": (t.BooleanType(), pa.bool_()),
    "int": (t.IntegerType(), pa.int32()),
    "long": (t.LongType(), pa.int64()),
    "float": (t.FloatType(), pa.float32()),
    "double": (t.DoubleType(), pa.float64()),
    "string": (t.StringType(), pa.string()),
    "json": (t.StringType(), pa.string()),
    "uuid": (t.UUIDType(), pa.uuid()),
    "date": (t.DateType(), pa.date32()),
    "time": (t.TimeType(), pa.time64("us")),
    "timestamp": (t.TimestampType(), pa.timestamp("us")),
    "timestamptz": (t.TimestamptzType(), pa.timestamp("us", tz="UTC")),
    "binary": (t.BinaryType(), pa.binary()),
}
_NO_KEY = (t.FloatType, t.DoubleType)


def iceberg_type(word: str) -> t.PrimitiveType:
    """The Iceberg type of a lake type."""
    if found := LakeType(word).decimal:
        return t.DecimalType(*found)
    return _TYPES[word][0]


def arrow_type(kind: t.IcebergType) -> pa.DataType:
    """The Arrow type that a column of a live table is written as; UnsupportedError for types that lakeward never makes."""
    if isinstance(kind, t.DecimalType):
        return pa.decimal128(kind.precision, kind.scale)
    for known, arrow in _TYPES.values():
        if known == kind:
            return arrow
    raise UnsupportedError(
        f"Columns of Iceberg type {kind} can't be written.", todo="Leave the table to the tool that made it."
    )


def arrow_schema(schema: Schema) -> pa.Schema:
    """What the live table's files look like: Iceberg's field ids in the metadata, required columns not nullable."""
    return pa.schema(
        [
            pa.field(
                f.name,
                arrow_type(f.field_type),
                nullable=not f.required,
                metadata={b"PARQUET:field_id": b"%d" % f.field_id},
            )
            for f in schema.fields
        ]
    )


def schema_of(table: LakeTable) -> Schema:
    """The schema to create a table with; the catalog assigns the field ids anew."""
    fields = [
        t.NestedField(n, c.name, iceberg_type(c.type), required=c.required, doc=doc_of(c))
        for n, c in enumerate(table.columns, start=1)
    ]
    by_name = {field.name: field for field in fields}
    key = [by_name[name] for name in table.key]
    fits = all(field.required and not isinstance(field.field_type, _NO_KEY) for field in key)
    return Schema(*fields, identifier_field_ids=[field.field_id for field in key] if fits else [])


def partition_spec(table: LakeTable, schema: Schema) -> PartitionSpec:
    """The partition spec over a schema; identity fields keep the column's name, others get the transform's behind it."""
    fields = []
    for n, part in enumerate(table.partition):
        source = schema.find_field(part.column)
        if not fits(part.transform, table.column(part.column).type):
            raise UnsupportedError(
                f"Table {table.name}: column {part.column!r} of type {source.field_type} can't be partitioned by {part.transform}.",
                todo="Partition by a date, a number or a text column.",
            )
        transform, word = parse_transform(part.transform), part.transform.replace("[", "_").rstrip("]")
        name = part.column if part.transform == "identity" else f"{part.column}_{word}"
        fields.append(PartitionField(source.field_id, PARTITION_FIELD_ID_START + n, transform, name))
    return PartitionSpec(*fields)


def sort_order(table: LakeTable, schema: Schema) -> SortOrder:
    """The sort order over a schema: nulls first ascending, last descending."""
    fields = [
        SortField(
            schema.find_field(s.column).field_id,
            IdentityTransform(),
            SortDirection.DESC if s.descending else SortDirection.ASC,
            NullOrder.NULLS_LAST if s.descending else NullOrder.NULLS_FIRST,
        )
        for s in table.sort
    ]
    return SortOrder(*fields, order_id=1 if fields else 0)


def live_columns(live: Table) -> tuple[LiveColumn, ...]:
    """The columns of a live table; types that are none of the lake's are told as Iceberg calls them."""
    schema = live.schema()
    partitioned = {field.source_id for field in live.spec().fields}
    return tuple(
        LiveColumn(
            field.name,
            _word(field.field_type),
            field.required,
            key=field.field_id in schema.identifier_field_ids,
            partitioned=field.field_id in partitioned,
            gone=field.doc == GONE,
        )
        for field in schema.fields
    )


def _word(kind: t.IcebergType) -> str:
    if isinstance(kind, t.DecimalType):
        return f"decimal({kind.precision},{kind.scale})"
    return next((word for word, (known, _) in _TYPES.items() if known == kind), str(kind))


def differences(live: Table, table: LakeTable, migration: str, *, evolving: bool = False) -> Iterator[str]:
    """Every way in which the live table is not what the plan wants, as sentences without the table's name.

    :param evolving: but for what the plan lets it be given.
    """
    yield from _ownership(live, migration)
    if live.metadata.format_version != 2:
        yield f"format version {live.metadata.format_version}, expected 2"
    there = {field.name: field for field in live.schema().fields}
    for column in table.columns:
        field, free = there.pop(column.name, None), evolving and column.name in table.evolve
        if field is None:
            if not free:
                yield f"column {column.name!r} is missing, expected {iceberg_type(column.type)}"
            continue
        if field.field_type != iceberg_type(column.type) and not (
            free and widens(_word(field.field_type), column.type)
        ):
            yield f"column {column.name!r} is {field.field_type}, expected {iceberg_type(column.type)}"
        if field.required != column.required and not (free and field.required):
            yield f"column {column.name!r} is {_need(field.required)}, expected {_need(column.required)}"
    for name in there:
        yield f"column {name!r} is not in the plan"
    yield from _layout(live, table)


def _ownership(live: Table, migration: str) -> Iterator[str]:
    owner = live.properties.get(MIGRATION)
    if owner and owner != migration:
        yield f"it belongs to migration {owner!r}"
    current = live.current_snapshot()
    if not owner and current and not (current.summary and current.summary["total-records"] == "0"):
        yield "it holds rows that no migration of lakeward wrote"


def _layout(live: Table, table: LakeTable) -> Iterator[str]:
    schema = live.schema()
    names = {field.field_id: field.name for field in schema.fields}
    found = [f"{f.transform}({names.get(f.source_id, '?')})" for f in live.spec().fields]
    wanted = [f"{p.transform}({p.column})" for p in table.partition]
    if found != wanted:
        yield f"partitioned by {', '.join(found) or 'nothing'}, expected {', '.join(wanted) or 'nothing'}"
    sorted_by = [_term(f, names) for f in live.sort_order().fields]
    expected = [f"{s.column} {'desc nulls-last' if s.descending else 'asc nulls-first'}" for s in table.sort]
    if sorted_by != expected:
        yield f"sorted by {', '.join(sorted_by) or 'nothing'}, expected {', '.join(expected) or 'nothing'}"


def _term(field: SortField, names: dict[int, str]) -> str:
    column = names.get(field.source_id, "?")
    if not isinstance(field.transform, IdentityTransform):
        column = f"{field.transform}({column})"
    return f"{column} {field.direction.value} {field.null_order.value}"


def _need(required: bool) -> str:  # noqa: FBT001 - a word for a flag
    return "required" if required else "optional"


def doc_of(column: LakeColumn) -> str:
    """What the table tells of a column."""
    origin = ".".join((column.source, *column.path)) if column.source else ""
    words = {
        "gone": GONE,
        "value": f"from {origin}",
        "shape": f"which declared paths of {column.source} are null, missing or empty",
        "undeclared": f"whole text of {column.source} where it has keys that no field names",
        "position": "position in the parent's list, from 0",
        "key": "key in the parent's map",
        "parent": f"key of the parent row: {column.source}",
    }
    return words.get(column.role, f"from {origin}")
