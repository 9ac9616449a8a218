"""Bucket and truncate, by the sort's SQL and by the writer's Arrow: both give what PyIceberg's own transforms give."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Context, Decimal, localcontext
from tempfile import gettempdir
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyiceberg import types as t
from pyiceberg.transforms import BucketTransform, Transform, TruncateTransform
from tests.lakes import MIGRATION, ORDERS, batch, column, read

from lakeward.adapters.duck import DuckEngine
from lakeward.adapters.iceberg import IcebergLake
from lakeward.adapters.iceberg.partition import internal, transformed
from lakeward.adapters.iceberg.schema import arrow_type, iceberg_type
from lakeward.domain.facts import PartitionField
from lakeward.domain.partition import order_by, partition_sql
from lakeward.errors import DataError

ENGINE = DuckEngine(temp_dir=gettempdir())
WIDE = Context(prec=60)
INT, LONG = st.integers(-(2**31), 2**31 - 1), st.integers(-(2**63), 2**63 - 1)
MICROS = st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999)


def decimals(precision: int, scale: int) -> st.SearchStrategy[Decimal]:
    most = 10**precision - 1
    return st.integers(-most, most).map(lambda n: Decimal(f"{n}E-{scale}"))


VALUES: dict[str, st.SearchStrategy[object]] = {
    "int": INT,
    "long": LONG,
    "decimal(9,2)": decimals(9, 2),
    "decimal(38,10)": decimals(38, 10),
    "decimal(38,0)": decimals(38, 0),
    "decimal(3,3)": decimals(3, 3),
    "date": st.integers(-719_162, 2_932_896),
    "time": st.integers(0, 86_399_999_999),
    "timestamp": MICROS,
    "timestamptz": MICROS,
    "string": st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=40),
    "uuid": st.uuids(),
    "binary": st.binary(max_size=40),
}
TRUNCATED = ("int", "long", "decimal(9,2)", "decimal(38,10)", "decimal(38,0)", "decimal(3,3)", "string", "binary")


def array_of(values: list[object], kind: str) -> pa.Array:
    """Values in Iceberg's own form as a column of a data file."""
    arrow = arrow_type(iceberg_type(kind))
    if kind == "uuid":
        raw = [v.bytes if isinstance(v, UUID) else None for v in values]
        return pa.ExtensionArray.from_storage(pa.uuid(), pa.array(raw, pa.binary(16)))
    if kind in {"date", "time", "timestamp", "timestamptz"}:
        return pa.array(values, pa.int32() if kind == "date" else pa.int64()).cast(arrow)
    return pa.array(values, arrow)


def by_sql(array: pa.Array, transform: str, kind: str) -> list[object]:
    """What the sort sees."""
    sql = f"SELECT {partition_sql(transform, 'c', kind)} AS v FROM t"
    return [row["v"] for row in ENGINE.table(sql, {"t": pa.table({"c": array})}).to_pylist()]


@pytest.mark.parametrize("kind", VALUES)
@settings(max_examples=25, deadline=None)
@given(data=st.data(), count=st.integers(1, 2**31 - 1))
def test_buckets_are_pyicebergs(kind: str, data: st.DataObject, count: int) -> None:
    values = data.draw(st.lists(st.none() | VALUES[kind], min_size=1, max_size=20))
    ask: Callable[[object], int | None] = BucketTransform(count).transform(iceberg_type(kind))  # type: ignore[assignment]
    expected = [None if value is None else ask(value) for value in values]
    array = array_of(values, kind)
    assert [internal(v) for v in transformed(array, BucketTransform(count))] == expected
    assert by_sql(array, f"bucket[{count}]", kind) == expected
    assert [internal(v) for v in transformed(array.slice(1), BucketTransform(count))] == expected[1:]


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [  # Iceberg's table specification, appendix B
        ("int", 34, 2017239379),
        ("long", 34, 2017239379),
        ("decimal(9,2)", Decimal("14.20"), -500754589),
        ("date", 17486, -653330422),
        ("time", 81_068_000_000, -662762989),
        ("timestamp", 1_510_871_468_000_000, -2047944441),
        ("timestamptz", 1_510_871_468_000_001, -1207196810),
        ("string", "iceberg", 1210000089),
        ("uuid", UUID("f79c3e09-677c-4bbd-a479-3f349cb785e7"), 1488055340),
        ("binary", b"\x00\x01\x02\x03", -188683207),
    ],
)
def test_the_hashes_are_those_of_the_specification(kind: str, value: object, expected: int) -> None:
    array, most = array_of([value], kind), 2**31 - 1
    assert [internal(v) for v in transformed(array, BucketTransform(most))] == [(expected & most) % most]
    assert by_sql(array, f"bucket[{most}]", kind) == [(expected & most) % most]


def fitting(kind: str, width: int, value: object) -> bool:
    """Whether the truncated value is one of the type; else it is refused."""
    if isinstance(value, int):
        return value - value % width >= -(2 ** (31 if kind == "int" else 63))
    if isinstance(value, Decimal):
        found = t.DecimalType(*(int(n) for n in kind[8:-1].split(",")))
        unscaled = int(value.scaleb(found.scale, WIDE))
        return abs(unscaled - unscaled % width) < 10**found.precision
    return True


@pytest.mark.parametrize("kind", TRUNCATED)
@settings(max_examples=25, deadline=None)
@given(data=st.data(), width=st.integers(1, 60) | st.integers(1, 2**31 - 1))
def test_truncated_values_are_pyicebergs(kind: str, data: st.DataObject, width: int) -> None:
    values = data.draw(
        st.lists(st.none() | VALUES[kind].filter(lambda v: fitting(kind, width, v)), min_size=1, max_size=20)
    )
    ask: Transform[object, object] = TruncateTransform(width)
    expected = [None if v is None else truncated(v, width, kind, ask) for v in values]
    array = array_of(values, kind)
    assert transformed(array, ask).to_pylist() == expected
    found = by_sql(array, f"truncate[{width}]", kind)
    scale = int(kind[8:-1].split(",")[1]) if kind.startswith("decimal") else 0
    assert [
        v if v is None or isinstance(v, (str, bytes)) else Decimal(v).scaleb(-scale, WIDE) for v in found
    ] == expected


def truncated(value: object, width: int, kind: str, ask: Transform[object, object]) -> object:
    """PyIceberg's own, in a context wide enough for its decimals."""
    with localcontext(WIDE):
        return ask.transform(iceberg_type(kind))(value)


@pytest.mark.parametrize(
    ("kind", "value"), [("int", -(2**31)), ("long", -(2**63)), ("decimal(9,2)", Decimal("-9999999.99"))]
)
def test_a_truncated_value_that_leaves_its_type_is_refused(kind: str, value: object) -> None:
    with pytest.raises(DataError, match=r"truncate\[10\] leaves the type.*\n.*bucket"):
        transformed(array_of([value], kind), TruncateTransform(10))


def wide(kind: str) -> pa.Table:
    """Rows with every tenth value null."""
    raw: dict[str, Callable[[int], object]] = {
        "long": lambda n: (n - 500) * 7919,
        "decimal(9,2)": lambda n: Decimal(n - 500) / 4,
        "string": lambda n: f"ключ-{n % 60:03d}-😀",
        "uuid": lambda n: UUID(int=n % 90),
        "binary": lambda n: bytes([n % 7, n % 11]),
    }
    ids = list(range(1000))
    return pa.table({"id": ids, "k": array_of([None if n % 10 == 0 else raw[kind](n) for n in ids], kind)})


@pytest.mark.parametrize(
    ("kind", "transform"),
    [
        ("long", "bucket[8]"),
        ("decimal(9,2)", "truncate[5000]"),
        ("string", "bucket[5]"),
        ("string", "truncate[7]"),
        ("uuid", "bucket[4]"),
        ("binary", "truncate[1]"),
        ("binary", "identity"),
    ],
)
def test_sorted_by_the_engine_every_partition_is_one_file_that_pyiceberg_finds(
    lake: IcebergLake, kind: str, transform: str
) -> None:
    table = replace(
        ORDERS,
        name="keyed",
        columns=(column("id", "long", required=True), column("k", kind)),
        partition=(PartitionField(transform, "k"),),
        sort=(),
    )
    lake.prepare([table], MIGRATION)
    assert lake.prepare([table], MIGRATION) == ()
    with ENGINE.stream(f"SELECT id, k FROM t {order_by(table)}", {"t": wide(kind)}) as rows:
        files = lake.write(table, rows, "try1", lambda *_: None)
    partitions = [file.partition for file in files]
    assert len(set(partitions)) == len(partitions) > 3
    _, (landed,) = lake.commit([batch("c1", files, table)], "c1", MIGRATION)
    live = lake._open("keyed")
    spec = live.spec().fields[0].transform
    ask = spec.transform(iceberg_type(kind))
    for task in live.scan(row_filter="k is not null").plan_files():
        for value in values_in(lake, task.file.file_path):
            assert ask(value) == task.file.partition[0]
    assert read(lake, landed.snapshot_id, "SELECT count(*) n, count(k) k, sum(id) s FROM t", table) == [
        {"n": 1000, "k": 900, "s": 499_500}
    ]


def values_in(lake: IcebergLake, url: str) -> list[object]:
    return pq.read_table(lake._open("keyed").io.new_input(url).open())["k"].to_pylist()  # type: ignore[no-any-return]
