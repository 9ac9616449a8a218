"""Migration files: what is good is read exactly, what is wrong is told with its line and what was meant."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from lakeward.adapters.regex import regex_fault
from lakeward.domain.regex import regex_fault as light_fault
from lakeward.errors import SpecError
from lakeward.spec.load import MAX_BYTES, load
from lakeward.spec.models import LiftAndShift
from lakeward.steps.check import check_file

GOOD = (Path(__file__).parent / "good.yaml").read_text()
SAMPLES = sorted((Path(__file__).parents[3] / "dags" / "migrations").glob("*.yaml"))


def refused(folder: Path, text: str | bytes) -> str:
    path = folder / "x.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SpecError) as caught:
        check_file(path)
    return str(caught.value).replace(str(path), "x.yaml")


def spec_of(folder: Path, text: str) -> LiftAndShift:
    path = folder / "x.yaml"
    path.write_text(text)
    spec = check_file(path).spec
    assert isinstance(spec, LiftAndShift)
    return spec


def changed(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new, 1)


def filtered(value: str) -> str:
    return changed(
        "      - table: public.orders\n",
        f"      - table: public.orders\n        filter: [{{column: x, value: {value}}}]\n",
    )


@pytest.mark.parametrize("path", SAMPLES, ids=lambda p: p.stem)
def test_the_samples_are_good(path: Path) -> None:
    loaded = check_file(path)
    assert loaded.path == str(path)
    assert loaded.file_hash == hashlib.sha256(path.read_bytes()).hexdigest()
    assert loaded.text == path.read_text()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.10", Decimal("1.10")),
        ("123456789012345678901234567890.123456789", Decimal("123456789012345678901234567890.123456789")),
        ("1e-20", Decimal("1e-20")),
        ("5", 5),
        ("'5'", "5"),
        ("007", "007"),
        ("NO", "NO"),
        ("on", "on"),
        ("12:30:00", "12:30:00"),
        ("true", True),
        ("2026-01-31", date(2026, 1, 31)),
        ("2026-01-31T10:00:00Z", datetime(2026, 1, 31, 10, tzinfo=UTC)),
        ("2026-01-31 11:00:00.5+01:00", datetime(2026, 1, 31, 10, 0, 0, 500000, tzinfo=UTC)),
        ("'2026-01-31'", "2026-01-31"),
    ],
)
def test_a_value_is_what_is_written(tmp_path: Path, text: str, value: object) -> None:
    found = spec_of(tmp_path, filtered(text)).groups[0].tables[1].filter[0].value
    assert found == value
    assert type(found) is type(value)
    assert str(found) == str(value) or isinstance(value, datetime)


def test_anchors_and_merges_are_read(tmp_path: Path) -> None:
    text = changed("        flatten:\n", "        types: &t {a: string, b: long}\n        flatten:\n")
    text = text.replace("      - table: public.customers\n", "      - table: public.customers\n        mask: {}\n")
    text = text.replace(
        "    references:",
        "      - table: public.extra\n        types:\n          <<: *t\n          b: int\n    references:",
    )
    assert spec_of(tmp_path, text).groups[0].tables[2].types == {"a": "string", "b": "int"}


WRONG = [
    (changed("source:\n", "sorce:\n"), "x.yaml:4:1: unknown key `sorce`. Did you mean `source`?"),
    (changed("source:\n  connection: shop_source\n", ""), "x.yaml:1:1: `source` is missing"),
    (changed("  connection: shop_source\n", "  readers: 2\n"), "x.yaml:4:1: `connection` is missing in `source`"),
    (changed("pattern: lift_and_shift\n", ""), "`pattern` is missing"),
    (changed("lift_and_shift", "lift_n_shift"), "x.yaml:3:10: unknown pattern `lift_n_shift`"),
    (changed("lift_and_shift", "lift_n_shift"), "Did you mean `lift_and_shift`?"),
    (changed("lift_and_shift", "[a]"), "unknown pattern"),
    (changed("lift_and_shift", "hybrid"), "x.yaml:13:5: `pattern` is missing in `groups[0]`"),
    (changed("version: 1", "version: 2"), "`2` is not known here; known: 1"),
    (changed("migration: shop", "migration: My-Shop"), "`My-Shop` may hold small letters, digits and `_` only"),
    (
        changed("connection: shop_source", "connection: 5"),
        "x.yaml:5:15: text is expected here, not `5`. Put it in quotes.",
    ),
    (
        changed("date: ordered_at", "date: ordered_at\n    grains: [days]"),
        "`days` is not known here; known: day, week, month, fiscal_month, fiscal_quarter, fiscal_year. Did you mean `day`?",
    ),
    (changed("channel: string", "channel: varchar"), "unknown type `varchar`"),
    (changed("channel: string", "channel: varchar"), "In the lake this is `string`."),
    (changed('"decimal(10,2)"', "decimal(10,2)"), "`decimal(10` is cut off at its comma"),
    (changed('fields: {channel: string, shipping.cost: "decimal(10,2)"}', "fields: infr"), "Did you mean `infer`?"),
    (changed("shipping.cost:", "channel.cost:"), "x.yaml:19:39: the paths `channel` and `channel.cost` overlap"),
    (changed("shipping.cost:", "items.cost:"), "the paths `items.cost` and `items` overlap"),
    (changed("shipping.cost:", "shipping..cost:"), "is no path"),
    (
        changed("            children:", "            rename: {chanel: c}\n            children:"),
        "`chanel` is renamed, but is none of `fields`. Did you mean `channel`?",
    ),
    (changed("table: order_items", "table: orders"), "two tables of the lake would be called `orders`"),
    (changed("table: order_items", "table: sales_quarantine"), "is the quarantine table of the group `sales`"),
    (changed("public.customers", "public.*\n        name: all"), "`public.*` may match several tables"),
    (changed("public.customers", "a.b.c"), "is not of the form `schema.table`"),
    (changed("public.customers", "public.orders"), "`public.orders` is listed twice"),
    (
        changed("to: customers", "to: customer"),
        "no table of the group `sales` is called `customer`. Did you mean `customers`?",
    ),
    (changed("to_columns: [id]", "to_columns: [id, x]"), "1 `columns` can't name 2 `to_columns`"),
    (
        changed("    table: orders\n", "    table: order\n"),
        "no group makes a table called `order`. Did you mean `orders`",
    ),
    (changed("sum(total)", "sum(total"), "is no measure: sum, count"),
    (changed("sum(total)", "sum(total / 2)"), "x.yaml:29:24: "),
    (changed("sum(total)", "sum()"), "needs a column"),
    (changed("    date: ordered_at", "    grains: [day]"), "`grains` without a `date`"),
    (changed("    date: ordered_at", "    date: d\n    grains: []"), "needs at least one grain"),
    (changed("    date: ordered_at", "    date: d\n    grains: [day, day]"), "`day` stands twice in `grains`"),
    (
        changed("    date: ordered_at", "    date: d\n    dimensions: [a, d]"),
        "x.yaml:31:21: `d` is the KPI's date already",
    ),
    (
        GOOD + "  - name: revenue\n    table: orders\n    measure: count()\n",
        "x.yaml:31:11: there are two KPIs called `revenue`",
    ),
    (changed("\n  connection: landing", ""), "`landing` is on s3:// and names no `connection`"),
    (changed("s3://landing/shop\n  connection: landing", "./../elsewhere"), "`..` is not allowed"),
    (
        GOOD + "compaction: {mode: rewrite, small_file: 1GB}\n",
        "x.yaml:31:20: `rewrite` makes files of `target.file_size` (128MB)",
    ),
    (GOOD + "calendar: {time_zone: Europe/Zurch}\n", "is no IANA time zone"),
    (GOOD + "calendar: {time_zone: Europe/Zurick}\n", "Did you mean `Europe/Zurich`"),
    (changed("sum(total)", "summ(total)"), "'summ(total)' is no measure: sum, count"),
    *(
        (changed("    date: ordered_at", f"    date: d\n    grains: [{grain}]") + calendar, told)
        for grain, calendar, told in (
            ("fiscal_month", "", "`fiscal_month` without `calendar.fiscal`"),
            (
                "fiscal_year",
                "calendar: {fiscal: {months: [2025-01-01, 2025-02-01]}}",
                "without `calendar.fiscal.years`",
            ),
            ("day", "calendar: {fiscal: {month_starts: 29}}", "`month_starts` must be at most 28, not `29`"),
            ("day", "calendar: {fiscal: {year_starts: april}}", "`year_starts` without `month_starts`"),
            ("day", "calendar: {fiscal: {month_starts: 2, years: [2025-01-01]}}", "two forms of fiscal periods"),
            ("day", "calendar: {fiscal: {weeks: 4-4-5}}", "`weeks` without the `years`"),
            ("day", "calendar: {fiscal: {}}", "`fiscal` declares no period"),
            ("day", "calendar: {fiscal: {months: [2025-01-01]}}", "`months` has one day"),
            ("day", "calendar: {fiscal: {months: [2025-02-01, 2025-01-01]}}", "does not come after `2025-02-01`"),
            (
                "day",
                "calendar: {fiscal: {weeks: 4-4-5, years: [2025-01-01, 2026-01-01]}}",
                "has 365 days, not 52 or 53 weeks",
            ),
            (
                "day",
                "calendar: {fiscal: {years: [2025-01-03, 2026-01-01], months: [2025-01-02, 2025-01-04, 2026-01-01]}}",
                "2025-01-03 is the first day of one of `years`, but of none of `months`",
            ),
            ("day", "calendar: {fiscal: {months: [1, 2]}}", "a date is expected here, not `1`"),
            ("day", "calendar: {closed_after: 999999d}", "no period of the last ten years would be closed"),
            ("day", "calendar: {closed_after: 2 days}", "is not of the form"),
            (
                "fiscal_month",
                "calendar: {fiscal: {months: [2025-01-01, 2025-02-01]}}\ngate: {closed_periods: {fiscal_month: 2}}",
                "but `calendar.fiscal` tells of 1: the gate could never open. Ask for fewer, or list more of `months`.",
            ),
            (
                "fiscal_quarter",
                "calendar: {fiscal: {weeks: 4-4-5, years: [2025-02-02, 2026-02-01]}}\ngate: {closed_periods: {fiscal_quarter: 5}}",
                "tells of 4: the gate could never open. Ask for fewer, or list more of `years`.",
            ),
            ("day", "calendar: {closed_after: 36}", "'36' is not of the form 2h: a whole number from 1, then s, m, h"),
            ("day", "gate: {closed_periods: {week: 2}}", "no KPI has the grain `week`"),
            ("day", "gate: {closed_periods: {dya: 2}}", "`dya` is not known here; known: day, week"),
            ("day", "gate: {closed_periods: {day: 0}}", "must be at least 1, not `0`"),
        )
    ),
    (changed("sum(total)", "summ(total)"), "in one line. Did you mean `sum`?"),
    (GOOD + "cutover: {require_frozen_source: false}\n", "`false` is not known here; known: true"),
    (
        GOOD + "gate: {timeout: 7 days}\n",
        "'7 days' is not of the form 2h: a whole number from 1, then s, m, h or d (seconds,",
    ),
    (GOOD + "compaction: {small_file: 8Mb}\n", "then KB, MB or GB"),
    (GOOD + "compaction: {min_small_files: 1}\n", "`min_small_files` must be at least 2, not `1`"),
    (changed("connection: shop_source", "connection: a\n  readers: 99"), "`readers` must be at most 32, not `99`"),
    (
        changed("connection: shop_source", "connection: a\n  readers: true"),
        "a whole number is expected here, not `true`",
    ),
    (changed("connection: shop_source", "connection: a\n  readers: 2.0"), "a whole number is expected here, not `2.0`"),
    (changed("version: 1", "version: true"), "x.yaml:1:10: a whole number is expected here, not `true`"),
    (changed("version: 1", "version: 1.0"), "x.yaml:1:10: a whole number is expected here, not `1.0`"),
    (GOOD + "gate: {signed: 1}\n", "`true` or `false` is expected here, not `1`"),
    (GOOD + "gate: {signed: 'true'}\n", "`true` or `false` is expected here, not `true`"),
    (
        changed("name: sales", "name: sales\n    quarantine: {max_share: true}"),
        "a number is expected here, not `true`",
    ),
    (changed("s3://landing/shop", "./landing"), "x.yaml:11:15: a local landing takes no `connection`"),
    (filtered("[1, 2]"), "`=` takes one value, not a list"),
    (filtered("1, op: in"), "`in` takes a list of values"),
    (filtered("1, op: is null"), "`is null` takes no value"),
    (filtered("null"), "`=` needs a value; null never compares"),
    (filtered("2026-02-30"), "`2026-02-30` looks like a date, but"),
    (filtered(".nan"), "is no number that can be compared with"),
    (
        filtered("!!python/object/apply:os.system [id]"),
        "the tag `tag:yaml.org,2002:python/object/apply:os.system` is refused",
    ),
    (filtered("{a: b}"), "is expected here, not a mapping"),
    (filtered("*nowhere"), "no anchor `&nowhere` stands before this"),
    (GOOD + "migration: again\n", "x.yaml:31:1: the key `migration` stands twice, first in line 2"),
    (GOOD + "---\nversion: 1\n", "a second document begins here"),
    (changed("  namespace", "\tnamespace"), "x.yaml:8:1: a tab; YAML is indented with blanks"),
    (changed("  namespace", "   namespace"), "this is no YAML"),
    ("", "the file is empty"),
    ("# nothing but words\n", "the file is empty"),
    ("- a\n- b\n", "the top level must be `key: value` lines"),
    ("just words", "the top level must be `key: value` lines"),
    (b"migration: caf\xe9\n", "x.yaml:1: this is no UTF-8 (byte 0xe9)"),
    (GOOD.encode("utf-16"), "this is no UTF-8"),
    ("a: \x00b\n", "a character that YAML does not allow"),
    ("? [a, b]\n: c\n", "a key must be a plain word"),
    ("a: &x [*x]\n", "the alias `*x` contains itself"),
    ("[" * 5000, "nested more than 40 levels deep"),
    ("a: " + "{a: " * 5000, "nested more than 40 levels deep"),
]


@pytest.mark.parametrize(("text", "reason"), WRONG, ids=[f"{n:02d}" for n in range(len(WRONG))])
def test_what_is_wrong_is_told(tmp_path: Path, text: str | bytes, reason: str) -> None:
    assert reason in refused(tmp_path, text)


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ("{expect: expect_unexpected_rows, args: {}}", "runs SQL of its own, which a migration file may not"),
        ("{expect: unexpected_rows_expectation}", "is no expectation"),
        ("{expect: expect_custom_thing}", "runs SQL of its own"),
        (
            "{expect: expect_column_values_to_be_uniqe, args: {column: id}}",
            "Did you mean `expect_column_values_to_be_unique`",
        ),
        (
            "{expect: expect_column_values_to_be_unique, args: {column: id, unexpected_rows_query: select 1}}",
            "takes no `unexpected_rows_query`",
        ),
        ("{expect: expect_column_values_to_be_unique}", "needs `column`: a column"),
        ("{expect: expect_column_values_to_match_regex, args: {column: id, regex: '([a'}}", "regex must be a regular"),
        ("{expect: expect_column_values_to_match_regex, args: {column: id, regex: '(?=a)b'}}", "RE2 knows no looking"),
        ("{expect: expect_column_values_to_not_match_regex, args: {column: id, regex: '*'}}", "nothing to repeat"),
        ("{expect: expect_column_values_to_not_be_null, args: {column: id, mostly: 2}}", "mostly must be a share"),
        ("{expect: expect_column_values_to_be_in_set, args: {column: id, value_set: 2}}", "must be a list"),
        ("{expect: expect_column_value_lengths_to_equal, args: {column: id, value: two}}", "value must be a whole"),
        ("{expect: expect_compound_columns_to_be_unique, args: {column_list: [a]}}", "a list of two columns or more"),
    ],
)
def test_rules_that_are_unknown_or_run_sql_are_refused(tmp_path: Path, rule: str, reason: str) -> None:
    table = "      - table: public.orders\n"
    assert reason in refused(tmp_path, changed(table, f"{table}        rules: [{rule}]\n"))
    child = '                fields: {sku: string, price: "decimal(12,2)"}\n'
    assert reason in refused(tmp_path, changed(child, f"{child}                rules: [{rule}]\n"))


def test_a_reference_that_leaves_its_group_is_explained(tmp_path: Path) -> None:
    text = changed("      - table: public.orders\n", "  - name: other\n    tables:\n      - table: public.orders\n")
    said = refused(tmp_path, text)
    assert "`customers` is made by the group `sales`, not by `other`: groups are read at different cuts" in said
    assert "no KPI proves the group `sales`" in said


def test_globs_leave_to_the_planner_what_only_the_source_knows(tmp_path: Path) -> None:
    text = changed("public.customers", "public.c*").replace("table: orders\n    measure", "table: claims\n    measure")
    assert spec_of(tmp_path, text).kpis[0].table == "claims"


def test_every_problem_is_told_at_once_with_its_lines(tmp_path: Path) -> None:
    text = changed("  namespace: shop", "  namespace: shop\n  namespce: shop").replace("to: customers", "to: customer")
    text = text.replace("measure: sum(total)", "measure: total(x)").replace("sku: string", "sku: strin")
    text += "compaction: {mode: rewrite, small_file: 1GB}\ncompaction: {mode: none}\n"
    said = refused(tmp_path, text)
    assert said.startswith("x.yaml: 6 problems.\n")
    for reason in (
        "unknown key `namespce`. Did you mean `namespace`?",
        "unknown type `strin`",
        "no table of the group `sales` is called `customer`",
        "'total(x)' is no measure",
        "`rewrite` makes files of",
        "the key `compaction` stands twice, first in line 32",
    ):
        assert reason in said
    assert "\n> 9 |   namespce: shop\n    |   ^^^^^^^^\n" in said
    assert said.index("namespce") < said.index("strin`") < said.index("`rewrite`")
    assert "What to do: " in said


WRONG_TOGETHER: list[tuple[dict[str, str], list[str]]] = [
    ({"pattern:": "patern:"}, ["3:1: unknown key `patern`. Did you mean `pattern`?"]),
    ({"groups:": "grups:", "sum(total)": "sum(total"}, ["12:1: unknown key `grups`", "29:14: 'sum(total' is no measure"]),
    ({'"decimal(10,2)"': "decimal(10,2)"}, ["19:54: `decimal(10` is cut off at its comma"]),
    (
        {"      - table: public.orders\n": "      - table: public.orders\n        partition: [bucket(16, id), month(at)]\n"},
        ["17:21: `bucket(16` is cut off at its comma"],
    ),
    (
        {"  connection: shop_source\n": "  readers: two\n", "to: customers": "to: customer", "table: orders\n": "table: order\n"},
        [
            "4:1: `connection` is missing in `source`",
            "5:12: a whole number is expected here, not `two`",
            "25:53: no table of the group `sales` is called `customer`",
            "28:12: no group makes a table called `order`",
        ],
    ),
    (
        {"table: public.customers": "tabel: public.customers", "to: customers": "to: customer"},
        ["15:9: unknown key `tabel`", "25:53: no table of the group `sales` is called `customer`"],
    ),
    (
        {"        flatten:\n": "        flaten:\n", "path: items": "paths: items", "to: customers": "to: custmers"},
        ["17:9: unknown key `flaten`", "21:17: unknown key `paths`", "25:53: no table of the group `sales` is called"],
    ),
    (
        {
            "      - table: public.orders\n": "      - table: public.orders\n        rules:\n          - {expect: "
            "expect_column_values_to_match_regex, args: {column: a, regx: b}}\n"
        },
        ["18:77: `expect_column_values_to_match_regex` takes no `regx`. Did you mean `regex`?"],
    ),
    ({"table: public.customers": "table: 5"}, ["15:16: text is expected here, not `5`"]),
    ({"table: public.customers": "name: x"}, ["15:9: `table` is missing"]),
    ({"table: order_items": "table: Order-Items"}, ["22:24: `Order-Items` may hold small letters"]),
    ({"table: orders\n": "table: [orders]\n"}, ["28:5: text is expected here, not a list"]),
    (
        {"    date: ordered_at": "    date: [a]\n    grains: [dya, week, week]\n    dimensions: [1, b, b]"},
        [
            "30:5: text is expected here, not a list",
            "31:14: `dya` is not known here",
            "32:18: text is expected here, not `1`",
            "32:24: `b` stands twice in `dimensions`",
        ],
    ),
    (
        {"    date: ordered_at": "    filter: [{column: a, op: is, value: 1}, {column: b, op: in, value: 1}, {column: c, v: 2}]"},
        ["30:30: `is` is not known here", "30:72: `in` takes a list of values", "30:88: unknown key `v`"],
    ),
    (
        {"  connection: shop_source": "  connection: shop_source\n  max_snapshot_age: 9 d", "name: sales": "name: Sales"},
        ["6:21: '9 d' is not of the form 2h", "14:11: `Sales` may hold small letters"],
    ),
    (
        {"    date: ordered_at": "    date: d\ncompaction: {mode: rewrite, small_file: 1GB}\nmaintenance: {leftovers: 1h, keep_cuts: 0}\nx: 1"},
        ["31:20: `rewrite` makes files", "32:26: `leftovers` (1h) is no longer", "32:41: `keep_cuts` must be", "33:1: unknown key `x`"],
    ),
    (
        {"    references:": "  - name: sales\n    tables: [{table: x.a}]\n    references:", "to: customers": "to: b"},
        ["24:11: no KPI proves", "24:11: there are two groups called `sales`", "27:17: `orders` is made by another group", "27:53: no table"],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "told"), WRONG_TOGETHER, ids=[f"{n:02d}" for n in range(len(WRONG_TOGETHER))])
def test_one_check_tells_all_and_nothing_that_only_follows(
    tmp_path: Path, changes: dict[str, str], told: list[str]
) -> None:
    text = GOOD
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new, 1)
    said = [line for line in refused(tmp_path, text).splitlines() if line.startswith("x.yaml:")]
    assert said[0] == f"x.yaml: {len(told)} problem{'' if len(told) == 1 else 's'}."
    for line, wanted in zip(said[1:], told, strict=True):
        assert line.startswith(f"x.yaml:{wanted}"), said


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [("([a", "unterminated"), ("a++", "bad repetition"), ("a{1001}", "invalid repetition"), (r"\Z", "invalid escape")],
)
def test_regular_expressions_are_judged_by_what_runs_them(tmp_path: Path, pattern: str, reason: str) -> None:
    rule = f"{{expect: expect_column_values_to_match_regex, args: {{column: id, regex: '{pattern}'}}}}"
    path = tmp_path / "x.yaml"
    path.write_text(
        changed("      - table: public.orders\n", f"      - table: public.orders\n        rules: [{rule}]\n")
    )
    with pytest.raises(SpecError, match=rf"x\.yaml:17:\d+: .*regex must be a regular expression, not .*: {reason}"):
        check_file(path, regex_fault)


@pytest.mark.parametrize(
    "pattern", [r"^\p{L}+\z", "[[:alpha:]]+", "(?i)a|b(?i)c", "(?P<n>a)(?P<m>b)", "(?-i)a", "^[A-Z]{2}$", ""]
)
def test_what_duckdb_takes_is_taken_while_dags_are_parsed_too(pattern: str) -> None:
    assert regex_fault(pattern) == ""
    assert light_fault(pattern) == ""


def test_an_alias_bomb_is_refused_quickly(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    assert "when its aliases are written out" in refused(tmp_path, "\n".join(lines))


def test_a_file_beyond_any_size_is_refused(tmp_path: Path) -> None:
    assert "is larger than 10 MB" in refused(tmp_path, b"#" * (MAX_BYTES + 1))


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "retail.yaml").write_text(GOOD)
    with pytest.raises(SpecError, match="there is no such file") as caught:
        load(tmp_path / "retial.yaml")
    assert caught.value.todo == "Did you mean `retail.yaml`?"
    with pytest.raises(SpecError, match="is a folder"):
        load(tmp_path)


def test_loading_is_quick_and_light() -> None:
    """DAG files are parsed with it again and again: its calls are counted, since seconds tell more of the machine than of the code."""
    code = f"""
import sys
from itertools import count
from pathlib import Path
from lakeward.steps.check import check_file
path, events = Path({str(SAMPLES[0])!r}), count()
check_file(path)
sys.setprofile(lambda *_: next(events))
check_file(path)
sys.setprofile(None)
heavy = {{"pyiceberg", "pyarrow", "duckdb", "great_expectations", "boto3", "sqlalchemy", "airflow"}} & set(sys.modules)
assert not heavy, heavy
assert 10_000 < next(events) < 300_000, events
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("calendar", "told"),
    [
        ("{month_starts: 29}", "must be at most 28"),
        ("{weeks: 5-5-4, years: [2025-02-02, 2026-02-01]}", "Did you mean `4-5-4`"),
        ("{months: [2025-01-01, 2025-02-30]}", "day is out of range"),
        ("{months: [20250101, 2025-02-01]}", "a date is expected here"),
        ("{}", "declares no period"),
        ("[1]", "a mapping"),
    ],
)
def test_a_fiscal_calendar_that_can_not_be_read_makes_no_grain_wrong(calendar: str, told: str, tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text(
        changed("    date: ordered_at", "    date: d\n    grains: [fiscal_month]")
        + f"calendar: {{fiscal: {calendar}}}\n"
    )
    with pytest.raises(SpecError) as refused:
        load(file)
    assert told in str(refused.value)
    assert "1 problem." in str(refused.value)
