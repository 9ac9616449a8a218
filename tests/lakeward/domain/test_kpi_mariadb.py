"""MariaDB measures as DuckDB does: the same texts, hashes, days, figures and fingerprints."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import duckdb
import pymysql
import pytest
from kpi_support import DUCK_TYPES, plan_of, spec, told

from lakeward.adapters.duck_setup import connect
from lakeward.domain.calendar_sql import day_of
from lakeward.domain.dialect import Dialect
from lakeward.domain.fingerprint import key_number, row_hash, settled_hash
from lakeward.domain.kpi_measure import KpiError
from lakeward.domain.kpi_resolve import resolve
from lakeward.domain.kpi_sql import figures_sql
from lakeward.domain.kpi_text import canonical, has_text, ordered
from lakeward.domain.rows import Rows, cells_sql, compared, keyed
from lakeward.domain.rows import figures_sql as buckets_sql
from lakeward.domain.spelling.mariadb import SESSION
from lakeward.domain.sql import ident
from lakeward.domain.tree import raw
from lakeward.domain.zone_rules import rules_sql
from lakeward.lab.mariadb import SUPERUSER, Server
from lakeward.spec.models import CalendarSpec

TYPES = {
    "long": "BIGINT",
    "int": "INT",
    "string": "LONGTEXT",
    "json": "LONGTEXT",
    "timestamp": "DATETIME(6)",
    "timestamptz": "TIMESTAMP(6) NULL",
    "time": "TIME(6)",
    "binary": "LONGBLOB",
    "double": "DOUBLE",
    "float": "FLOAT",
}
VALUES: dict[str, list[object]] = {
    "float": [0.1, 1.0, 1e20, -1.5, 3.4028234e38, 1e-45, 0.0, 1.17549435e-38, 7.5e-39, 8388607.5, 16777216.0],
    "double": [0.1, 0.10000000149011612, 1.0, 1e15, 1e16, 1e300, 5e-324, -2.5, 0.0, 1.7976931348623157e308, 2.2250738585072014e-308, 1e-310, 8.0, 7.999999999999999, 0.3],
    "decimal(14,2)": ["0.10", "-0.50", "0.00", "123456789012.34", "-7.00"],
    "decimal(38,38)": ["0." + "1" + "0" * 37, "-0." + "0" * 37 + "1", "0." + "0" * 38],
    "decimal(38,0)": ["9" * 38, "9007199254740993", "0"],
    "long": [2**63 - 1, -(2**63), 9007199254740993, 0],
    "int": [1, -(2**31)],
    "boolean": [True, False],
    "date": ["2025-03-30", "1582-10-04", "1582-10-15", "0001-01-01", "9999-12-31"],
    "timestamp": ["2025-03-30 02:30:00", "2025-03-30 02:30:00.5", "2025-03-30 02:30:00.000001", "1000-01-01 00:00:00", "2025-10-10 10:10:10.100000"],
    "timestamptz": ["2025-03-30 02:30:00", "1970-01-02 00:00:00.25", "2037-12-31 23:59:59.999999"],
    "time": ["00:00:00", "23:59:59.999999", "12:00:00.5"],
    "uuid": ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "00000000-0000-0000-0000-000000000000"],
    "binary": [b"", b"\x00\xff", b"\\x", b"\xc3\xa9"],
    "string": ["", " ", "a", "a ", "A", "é", "e\u0301", "ß", "ẞ", "1", "1.0", "true", "\\N", "\\", "it's", "null", "a\x1fb", "\t", "😀"],
    "json": ['{"a": 1, "b": 2}', '{"b": 2, "a": 1}', '{"a": 1.0}', "null", ""],
}  # fmt: skip
ZONES = ("Europe/Zurich", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Casablanca")
KPIS: dict[str, dict[str, object]] = {
    "sum(amount)": {"date": "at", "dimensions": ["status", "country"]},
    "sum(amount * (1 - rate) + 2)": {"date": "day", "dimensions": ["status"]},
    "count()": {"date": "at", "grains": ["month"], "dimensions": ["paid"]},
    "count_distinct(memo)": {"date": "ts", "grains": ["week"], "dimensions": ["country"]},
    "count_distinct(amount)": {"date": "at", "grains": ["month"]},
    "min(memo)": {"date": "at", "grains": ["month"], "dimensions": ["status"]},
    "max(at)": {"date": "at", "grains": ["week"]},
    "avg(amount)": {
        "date": "at",
        "grains": ["fiscal_month", "fiscal_quarter", "fiscal_year"],
        "dimensions": ["country"],
    },
    "ratio(sum(amount), count_distinct(memo))": {"date": "at", "grains": ["month"], "dimensions": ["country"]},
    "sum(id * id)": {
        "filter": [
            {"column": "status", "op": "in", "value": ["paid", ""]},
            {"column": "at", "op": ">=", "value": "2024-02-01"},
            {"column": "amount", "op": "!=", "value": 1},
            {"column": "paid", "op": "=", "value": True},
        ],
    },
}
COLUMNS = {
    "id": "long",
    "line": "int",
    "day": "date",
    "at": "timestamptz",
    "ts": "timestamp",
    "status": "string",
    "country": "string",
    "amount": "decimal(14,2)",
    "rate": "decimal(6,4)",
    "paid": "boolean",
    "memo": "string",
}
FISCAL = (
    {"month_starts": 26, "year_starts": "october"},
    {"weeks": "4-4-5", "years": ["2023-01-29", "2024-01-28", "2025-01-26"]},
)


@dataclass
class Pair:
    """The same table in both."""

    maria: pymysql.connections.Connection[pymysql.cursors.Cursor]
    duck: duckdb.DuckDBPyConnection

    def fill(self, columns: Mapping[str, str], rows: Sequence[Sequence[object]]) -> None:
        listed = ", ".join(f"`{c}` {TYPES.get(t, t)}" for c, t in columns.items())
        kinds = ", ".join(f"{ident(c)} {DUCK_TYPES.get(t, 'BLOB' if t == 'binary' else t)}" for c, t in columns.items())
        with self.maria.cursor() as cursor:
            cursor.execute("DROP TABLE IF EXISTS facts")
            cursor.execute(f"CREATE TABLE facts ({listed}) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci")
            cursor.executemany(f"INSERT INTO facts VALUES ({', '.join(['%s'] * len(columns))})", rows)
        self.duck.execute(f"CREATE OR REPLACE TABLE facts ({kinds})")
        self.duck.executemany(f"INSERT INTO facts VALUES ({', '.join(['?'] * len(columns))})", rows)

    def ask(self, dialect: Dialect, sql: str) -> list[tuple[object, ...]]:
        if dialect is Dialect.DUCKDB:
            return sorted(self.duck.execute(sql).fetchall(), key=repr)
        with self.maria.cursor() as cursor:
            cursor.execute(sql)
            return sorted(cursor.fetchall(), key=repr)


@pytest.fixture(scope="module")
def pair(maria: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    duck = connect("256MB", 1, tmp_path_factory.mktemp("duck"))
    duck.execute("SET TimeZone = 'UTC'")
    con = pymysql.connect(
        host="127.0.0.1",
        port=maria.port,
        user=SUPERUSER,
        password=maria.password,
        charset="utf8mb4",
        init_command=f"SET {SESSION}",
    )
    with con, con.cursor() as cursor:
        cursor.execute("CREATE DATABASE facts")
        cursor.execute("USE facts")
        yield Pair(con, duck)


DIALECTS = (Dialect.MARIADB, Dialect.DUCKDB)


@pytest.mark.parametrize("kind", VALUES)
def test_values_of_every_type_have_the_same_hashes_and_texts(pair: Pair, kind: str) -> None:
    values = [*VALUES[kind], None]
    pair.fill({"n": "int", "v": kind}, list(enumerate(values)))
    x = raw("v")
    made = {
        "row": lambda d: row_hash([(x, kind)], d),
        "settled": lambda d: settled_hash([(x, kind)], d),
        "number": lambda d: key_number([(x, kind)], d),
    }
    if has_text(kind):
        made |= {"text": lambda d: canonical(x, kind, d)}
    for what, make in made.items():
        found = [pair.ask(d, f"SELECT n, {told(make(d), d)} FROM facts") for d in DIALECTS]
        assert found[0] == found[1], what
        if what == "row":
            assert len({row[1] for row in found[0]}) == len(values)


def test_texts_are_compared_and_sorted_by_their_characters(pair: Pair) -> None:
    words = ["a", "a ", "A", "ä", "b", "B", "", " ", "é", "e\u0301"]
    pair.fill({"n": "int", "v": "string"}, list(enumerate(words)))
    for dialect in DIALECTS:
        text = told(ordered(raw("v"), "string", dialect), dialect)
        with_counts = pair.ask(dialect, f"SELECT {text} AS w, count(*) FROM facts GROUP BY 1")
        assert sorted(with_counts) == sorted((word, 1) for word in words)
        assert pair.ask(dialect, f"SELECT max({text}) FROM facts") == [("é",)]


@pytest.mark.parametrize("zone", ZONES)
def test_the_day_of_an_instant_whatever_the_server_knows_of_zones(pair: Pair, zone: str) -> None:
    dice = random.Random(7)
    start = datetime(1970, 1, 2, tzinfo=UTC)
    moments = [start + timedelta(seconds=dice.randrange(2_140_000_000)) for _ in range(1500)]
    moments += [
        datetime(2025, month, 1, tzinfo=UTC) + timedelta(minutes=15 * n) for month in (3, 4, 10) for n in range(2976)
    ]
    pair.fill({"v": "timestamptz"}, [(at.replace(tzinfo=None),) for at in moments])
    calendar = CalendarSpec(time_zone=zone)
    sides = []
    for dialect in DIALECTS:
        day = told(canonical(day_of(raw("v"), "timestamptz", calendar, dialect), "date", dialect), dialect)
        sides.append(pair.ask(dialect, f"SELECT {day} AS d, count(*) FROM facts GROUP BY 1"))
    assert sides[0] == sides[1]
    assert len(sides[0]) > 1000


@pytest.mark.parametrize("zone", ZONES)
def test_its_rules_of_a_zone_are_those_that_its_days_go_by(pair: Pair, zone: str) -> None:
    sides = [pair.ask(d, rules_sql(CalendarSpec(time_zone=zone), d)) for d in DIALECTS]
    assert sides[0] == sides[1]
    assert len(sides[0]) > 1


@pytest.fixture(scope="module")
def facts(pair: Pair) -> Pair:
    dice = random.Random(11)
    start = datetime(2023, 12, 31, 20)  # noqa: DTZ001 - UTC, as both sessions are
    rows = []
    for n in range(3000):
        at = start + timedelta(minutes=61 * n % 600_000, microseconds=n)
        rows.append(
            (
                n, n % 7, at.date() if n % 11 else None, at if n % 13 else None, at, dice.choice(["paid", "open", "", "Paid"]),
                dice.choice(["CH", "DE", None, "ä", "ä "]), Decimal(dice.randrange(-10**8, 10**8)).scaleb(-2),
                Decimal(dice.randrange(10**5)).scaleb(-4), n % 2 == 0, f"memo {n % 100}" if n % 5 else None,
            )
        )  # fmt: skip
    pair.fill(COLUMNS, rows)
    return pair


@pytest.mark.parametrize("key", [(), ("id",), ("id", "line", "status")], ids=len)
@pytest.mark.parametrize("fiscal", FISCAL, ids=["months", "listed"])
def test_figures_are_the_same(facts: Pair, key: tuple[str, ...], fiscal: dict[str, object]) -> None:
    calendar = CalendarSpec.model_validate({"time_zone": "Europe/Zurich", "week_starts": "sunday", "fiscal": fiscal})
    group = plan_of("facts", COLUMNS, key=key)
    for measure, more in KPIS.items():
        r = resolve(spec(measure, **more), group, calendar)
        sides = [facts.ask(d, figures_sql(r, d, "facts AS r", {c: f"r.{c}" for c in COLUMNS})) for d in DIALECTS]
        assert sides[0] == sides[1], measure
        assert sides[0]


def rows_of(dialect: Dialect, key: tuple[str, ...]) -> Rows:
    table = plan_of("facts", COLUMNS, key=key).tables[0].lake[0]
    return Rows(table, compared(table), dialect, "facts AS r", {c: f"r.{c}" for c in COLUMNS}, CalendarSpec(), "at")


@pytest.mark.parametrize("key", [(), ("id",), ("id", "line", "status")], ids=len)
def test_fingerprints_and_cells_of_rows_are_the_same(facts: Pair, key: tuple[str, ...]) -> None:
    sides = [facts.ask(d, buckets_sql(rows_of(d, key))) for d in DIALECTS]
    assert sides[0] == sides[1]
    assert sum(int(str(row[1])) for row in sides[0]) == 3000
    inside = [facts.ask(d, buckets_sql(rows_of(d, key), 1, ((1, 2, 3),))) for d in DIALECTS]
    assert inside[0] == inside[1]
    if key:
        one = facts.ask(Dialect.DUCKDB, "SELECT id, line, status FROM facts WHERE id = 42")[0]
        keys = [[str(part) for part in one[: len(key)]]]
        cells = [facts.ask(d, cells_sql(rows_of(d, key), keys)) for d in DIALECTS]
        assert cells[0] == cells[1]
        assert len(cells[0]) == 1
        found = facts.ask(
            Dialect.MARIADB, f"SELECT id FROM facts AS r WHERE {keyed(rows_of(Dialect.MARIADB, key), keys)}"
        )
        assert found == [(42,)]


def test_what_it_would_cut_off_is_refused() -> None:
    group = plan_of("facts", {"id": "long", "wide": "decimal(38,20)"}, key=("id",))
    r = resolve(spec("sum(id * id * id * id)"), group, CalendarSpec())
    with pytest.raises(KpiError, match=r"may need 76 digits, 0 of them after the point; mariadb has 65 and 38"):
        figures_sql(r, Dialect.MARIADB, "facts", {"id": "id"})
