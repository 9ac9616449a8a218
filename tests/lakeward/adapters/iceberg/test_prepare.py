from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from pyiceberg import types as t
from tests.lakes import ASIDE, MIGRATION, ORDERS, TABLES, batch, column, open_lake, orders, stage

from lakeward.adapters.connections import Connection
from lakeward.adapters.iceberg import IcebergLake
from lakeward.domain.facts import LakeTable, PartitionField, SortField
from lakeward.errors import LakeError, UnsupportedError

WORDS = {
    "boolean": t.BooleanType(),
    "int": t.IntegerType(),
    "long": t.LongType(),
    "float": t.FloatType(),
    "double": t.DoubleType(),
    "decimal(38,9)": t.DecimalType(38, 9),
    "string": t.StringType(),
    "json": t.StringType(),
    "uuid": t.UUIDType(),
    "date": t.DateType(),
    "time": t.TimeType(),
    "timestamp": t.TimestampType(),
    "timestamptz": t.TimestamptzType(),
    "binary": t.BinaryType(),
}


def test_tables_are_created_once_as_the_plan_says(connection: Connection) -> None:
    lake = open_lake(connection)
    assert lake.differences(TABLES, MIGRATION) == ()
    assert lake.prepare(TABLES, MIGRATION) == ("orders", "shop_quarantine")
    assert lake.prepare(TABLES, MIGRATION) == ()
    live = lake._open("orders")
    assert live.metadata.format_version == 2
    assert [(f.name, f.required) for f in live.schema().fields] == [
        ("id", True),
        ("ordered_at", False),
        ("price", False),
        ("note", False),
    ]
    assert [live.schema().find_column_name(n) for n in live.schema().identifier_field_ids] == ["id"]
    assert str(live.spec().fields[0].transform) == "month"
    assert live.sort_order().fields[0].source_id == live.schema().find_field("ordered_at").field_id
    assert live.properties["lakeward.migration"] == MIGRATION
    assert live.schema().find_field("price").doc == "from price"
    lake.close()


def test_every_lake_type_has_its_iceberg_type(connection: Connection) -> None:
    lake = open_lake(connection)
    lake.prepare([LakeTable("all_types", tuple(column(f"c{n}", word) for n, word in enumerate(WORDS)), ())], MIGRATION)
    assert [f.field_type for f in lake._open("all_types").schema().fields] == list(WORDS.values())
    lake.close()


def test_a_key_that_may_be_null_is_no_identifier(connection: Connection) -> None:
    lake = open_lake(connection)
    lake.prepare([LakeTable("loose", (column("id", "long"),), key=("id",))], MIGRATION)
    assert lake._open("loose").schema().identifier_field_ids == []
    lake.close()


def test_every_difference_is_told_at_once_and_nothing_is_created(lake: IcebergLake) -> None:
    columns = (
        column("id", "int"),
        column("ordered_at", "timestamptz"),
        column("price", "decimal(14,2)"),
        column("customer", "string"),
    )
    wanted = replace(ORDERS, columns=columns, key=(), partition=(), sort=(SortField("id", descending=True),))
    new = LakeTable("fresh", (column("id", "long"),), ())
    with pytest.raises(LakeError) as told:
        lake.prepare((wanted, new), MIGRATION)
    name = lake.qualified("orders")
    assert str(told.value).splitlines()[1:-1] == [
        f"  - table {name}: column 'id' is long, expected int",
        f"  - table {name}: column 'id' is required, expected optional",
        f"  - table {name}: column 'price' is decimal(12, 2), expected decimal(14, 2)",
        f"  - table {name}: column 'customer' is missing, expected string",
        f"  - table {name}: column 'note' is not in the plan",
        f"  - table {name}: partitioned by month(ordered_at), expected nothing",
        f"  - table {name}: sorted by ordered_at asc nulls-first, expected id desc nulls-last",
    ]
    assert lake.state("fresh") is None


def test_another_migrations_table_is_refused(lake: IcebergLake) -> None:
    with pytest.raises(LakeError, match="it belongs to migration 'shop'"):
        lake.prepare(TABLES, "other")


def test_rows_of_somebody_else_are_refused(lake: IcebergLake) -> None:
    lake.commit([batch("c1", stage(lake, orders(3)))], "c1", MIGRATION)
    with lake._open("orders").transaction() as change:
        change.remove_properties("lakeward.migration")
    assert lake.differences(TABLES, MIGRATION) == (
        f"table {lake.qualified('orders')}: it holds rows that no migration of lakeward wrote",
    )


def test_two_workers_may_create_at_once(connection: Connection) -> None:
    lakes = [open_lake(connection)]
    lakes += [open_lake(connection, lakes[0]._namespace) for _ in range(3)]
    with ThreadPoolExecutor(4) as pool:
        created = list(pool.map(lambda lake: lake.prepare(TABLES, MIGRATION), lakes))
    # The stand-in's catalog may tell both that they created a table; what counts is that it is there, and good.
    assert {name for names in created for name in names} == {ORDERS.name, ASIDE.name}
    _, landed = lakes[0].commit([batch("c1", stage(lakes[1], orders(3)))], "c1", MIGRATION)
    assert lakes[1].prepare(TABLES, MIGRATION) == ()
    assert landed[0].rows == 3
    for lake in lakes:
        lake.close()


def test_partitions_by_float_are_refused_by_name(connection: Connection) -> None:
    lake = open_lake(connection)
    table = LakeTable("odd", (column("weight", "double"),), (), partition=(PartitionField("identity", "weight"),))
    with pytest.raises(UnsupportedError, match="column 'weight' of type double"):
        lake.prepare([table], MIGRATION)
    lake.close()
