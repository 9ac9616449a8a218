"""Values without a counterpart: refused with their number, or changed as the file says and told to those who sign."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.chain import Chain
from tests.databases import create_database
from type_world import chain_of, count_of, lake_rows, prove

from lakeward.domain.evidence import Outcome, Verdict
from lakeward.errors import DataError, SpecError, UnsupportedError
from lakeward.lab import Lab
from lakeward.steps.artifacts import read_manifest, read_plan

READINGS = """
CREATE TABLE readings (id int PRIMARY KEY, level numeric(9,2) NOT NULL, free numeric, f float8, d date, t timestamp, z timestamptz,
  clock time, list int[], code char(4));
INSERT INTO readings VALUES
 (1, 1.10, 2.5, 0.5, '2024-01-01', '2024-01-01', '2024-01-01 00:00+00', '12:00', '{1}', 'ab'),
 (2, 'NaN', 'NaN', 'NaN', 'infinity', 'infinity', '-infinity', '24:00', '[0:0]={1}', 'full'),
 (3, 'NaN', '-Infinity', 'Infinity', '-infinity', '294276-01-01', '294276-01-01 00:00+00', NULL, NULL, NULL);
"""
FREE = {"free": "decimal(9,2)"}
SPECIAL = {
    "level": None,
    "free": "null",
    "f": "null",
    "d": "null",
    "t": "null",
    "z": "text",
    "clock": "null",
    "list": "null",
}


@pytest.fixture(scope="module")
def uri(lab: Lab) -> str:
    return create_database(lab, READINGS)


def test_without_a_policy_every_value_is_refused_with_its_number(uri: str, tmp_path: Path) -> None:
    chain = chain_of(uri, tmp_path, [{"table": "readings", "types": FREE}], [count_of("readings")])
    chain.plan()
    with pytest.raises(DataError) as error:
        chain.step("extract")
    for told in (
        "column 'level': 2 rows hold NaN",
        "column 'free': 1 rows hold NaN",
        "column 'free': 1 rows hold infinity",
        "column 'd': 2 rows hold infinity",
        "column 't': 1 rows hold infinity",
        "column 't': 1 rows hold a moment past 294247",
        "column 'z': 1 rows hold infinity",
        "column 'clock': 1 rows hold 24:00:00",
        "column 'list': 1 rows hold an array",
    ):
        assert told in str(error.value)
    assert "'f'" not in str(error.value)
    assert "special" in error.value.todo


def test_doubles_are_refused_where_the_file_says_so(uri: str, tmp_path: Path) -> None:
    spec = {"table": "readings", "drop": ["level", "free", "d", "t", "z", "clock", "list"], "special": {"f": "refuse"}}
    chain = chain_of(uri, tmp_path, [spec], [count_of("readings")])
    chain.plan()
    with pytest.raises(DataError, match="column 'f': 1 rows hold NaN, which `special` refuses"):
        chain.step("extract")


@pytest.fixture(scope="module")
def carried(uri: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Chain, dict[str, Verdict]]:
    spec = {"table": "readings", "types": FREE, "special": SPECIAL, "trim": ["co*"]}
    figures: list[dict[str, object]] = [
        {"name": "levels", "table": "readings", "measure": "sum(level)", "date": "d"},
        {"name": "freed", "table": "readings", "measure": "sum(free)", "dimensions": ["z", "code"]},
        {"name": "clocks", "table": "readings", "measure": "count(clock)", "date": "t"},
        {"name": "least", "table": "readings", "measure": "min(d)"},
    ]
    chain = chain_of(uri, tmp_path_factory.mktemp("policies"), [spec], figures)
    return chain, {v.subject: v for v in prove(chain)}


def test_with_a_policy_the_values_are_as_the_file_says(carried: tuple[Chain, dict[str, Verdict]]) -> None:
    first, second, third = lake_rows(carried[0], "readings", "* REPLACE (level::VARCHAR AS level, d::VARCHAR AS d)")
    assert [first[c] for c in ("level", "d", "z", "list", "code")] == [
        "1.10",
        "2024-01-01",
        "2024-01-01 00:00:00+00",
        "[1]",
        "ab",
    ]
    assert {c: v for c, v in second.items() if v is not None} == {"id": 2, "z": "-infinity", "code": "full"}
    assert {c: v for c, v in third.items() if v is not None} == {"id": 3, "z": "294276-01-01 00:00:00+00"}


def test_the_verdict_tells_what_was_changed_and_figures_stay_equal(carried: tuple[Chain, dict[str, Verdict]]) -> None:
    verdicts = carried[1]
    assert {v.outcome for v in verdicts.values()} == {Outcome.PASS}
    for told in (
        "readings.level: 2 x NaN made null",
        "readings.free: 1 x infinity made null",
        "readings.d: 2 x infinity made null",
        "readings.t: 1 x moments past the year 294246 made null",
        "readings.z: 1 x infinity carried as text",
        "readings.clock: 1 x 24:00:00 made null",
        "readings.list: 1 x arrays that do not begin at 1 made null",
        "readings.code: 1 x padded values trimmed",
    ):
        assert told in verdicts["g"].summary


def test_the_manifest_has_the_numbers_and_the_plan_announces_the_policies(
    carried: tuple[Chain, dict[str, Verdict]],
) -> None:
    chain = carried[0]
    with chain.ports() as ports:
        plan = read_plan(ports.store, chain.loaded.spec.migration, chain.run_key)
        manifest = read_manifest(ports.store, plan, plan.groups[0])
    assert manifest.tables[0].guards["level nan"] == 2
    assert "public.readings: column 'level': NaN will be made null, by declared policy" in plan.notes
    assert any("column 'code': padded values will be trimmed" in note for note in plan.notes)


def test_what_a_policy_does_not_answer_is_refused_still(uri: str, tmp_path: Path) -> None:
    """Null for NaN is no permission to round."""
    spec = {"table": "readings", "types": {"free": "decimal(9,0)"}, "special": SPECIAL}
    chain = chain_of(uri, tmp_path, [spec], [count_of("readings")])
    chain.plan()
    with pytest.raises(DataError, match="column 'free': 1 rows hold more decimals"):
        chain.step("extract")


def test_what_does_not_fit_a_declared_type_is_refused_by_column(lab: Lab, tmp_path: Path) -> None:
    uri = create_database(
        lab,
        """CREATE TABLE fits (id int PRIMARY KEY, n numeric, w numeric, m money, i int, f real, g float8, h float8);
        INSERT INTO fits VALUES (1, 999.99, 2147483647, 1.00, 99, 0.1, 0.1, 1e10), (2, 1000, 2147483648, 1.01, 100, 0.25, 1e300, 0.001),
          (3, 1.001, -2147483648.5, 2000, NULL, 0.01, 999.999, 0.5);""",
    )
    types = {"n": "decimal(5,2)", "w": "int", "m": "decimal(3,0)", "i": "decimal(2,0)", "f": "decimal(4,2)"}
    types |= {"g": "decimal(5,2)", "h": "decimal(14,3)"}
    chain = chain_of(uri, tmp_path, [{"table": "fits", "types": types}], [count_of("fits")])
    chain.plan()
    with pytest.raises(DataError) as error:
        chain.step("extract")
    told = error.value.what.rstrip(".").split("; ")
    assert [t.removeprefix("public.fits, column ").split(" than ")[0] for t in told] == [
        "'n': 1 rows hold more decimals",
        "'n': 1 rows hold more digits before the point",
        "'w': 1 rows hold more decimals",
        "'w': 2 rows hold more digits before the point",
        "'m': 1 rows hold more decimals",
        "'m': 1 rows hold more digits before the point",
        "'i': 1 rows hold more digits before the point",
        "'g': 2 rows hold a value that the declared decimal does not hold exactly",
    ]


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"special": {"id": "null"}}, "column 'id' of type integer has no values that need a policy"),
        ({"special": {"d": "null"}, "key": ["d"]}, "the key column 'd' cannot be made null"),
        ({"special": {"d": "text"}, "mask": {"d": "hash"}}, "both masked and given a policy"),
        ({"special": {"days": "text"}}, "there is no column 'days'"),
        ({"trim": ["level"]}, "column 'level' of type numeric\\(9,2\\) has no padding"),
        ({"trim": ["x*"]}, "trim of public.readings: no column matches 'x\\*'"),
    ],
)
def test_a_policy_that_can_not_be_is_refused_while_planning(
    uri: str, tmp_path: Path, spec: dict[str, object], said: str
) -> None:
    chain = chain_of(uri, tmp_path, [{"table": "readings", "types": FREE, **spec}], [count_of("readings")])
    with pytest.raises((SpecError, UnsupportedError), match=said):
        chain.plan()


def test_the_planner_tells_the_widest_numeric(lab: Lab, tmp_path: Path) -> None:
    wide = create_database(
        lab,
        """CREATE TABLE wide (id int PRIMARY KEY, a numeric, b numeric, c numeric(60,2), d numeric, e numeric(4,39));
        INSERT INTO wide VALUES (1, -123456789012.5, 1e45, 12.50, NULL, 0), (2, 0.1234567890123456789, 'NaN', NULL, NULL, NULL),
          (3, 'Infinity', 1, 'NaN', NULL, NULL);""",
    )
    chain = chain_of(wide, tmp_path, [{"table": "wide"}], [count_of("wide")])
    with pytest.raises(SpecError) as error:
        chain.plan()
    for told in (
        "'a' is numeric, a numeric without precision and scale: the widest values at the source have 12 digits before and 19 after the point",
        "declare `types: {a: 'decimal(31,19)'}`, or a wider one for what may come; 1 are NaN or infinite: say what becomes of them",
        "46 digits before and 0 after the point; no decimal of the lake holds that: declare `types: {b: string}` (1 are NaN or infinite)",
        "'c' is numeric(60,2), a numeric beyond the 38 digits of the lake: the widest values at the source have 2 digits before and 1 after",
        "0 digits before and 0 after the point; declare `types: {d: 'decimal(1,0)'}`",
    ):
        assert told in str(error.value)
