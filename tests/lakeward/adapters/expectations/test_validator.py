"""The validator beside its expectations: references, names, errors, exactness, empty tables, and that it keeps to itself."""

from __future__ import annotations

import socket
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from lakeward.adapters.expectations import GxValidator
from lakeward.domain.facts import LakeColumn, LakeTable
from lakeward.domain.file_facts import FileSet, StorageAccess
from lakeward.domain.rules import Value
from lakeward.errors import LakeError, SpecError
from lakeward.ports import RuleResult, RuleSet, silent
from lakeward.spec.rules import Rule

LOCAL = StorageAccess()


def table(name: str, key: tuple[str, ...] = ("id",), /, **columns: str) -> LakeTable:
    return LakeTable(name, tuple(LakeColumn(n, t, False, "value", n) for n, t in columns.items()), key)


def rule(expect: str, **args: Value) -> Rule:
    return Rule(expect=f"expect_{expect}", args=args)


def parquet(folder: Path, one: LakeTable, rows: str) -> FileSet:
    """Rows as SQL VALUES, cast to the table's types, in one file."""
    duck = {"long": "BIGINT", "string": "VARCHAR"}
    cast = ", ".join(f'"{c.name}"::{duck.get(c.type, c.type)} AS "{c.name}"' for c in one.columns)
    names = ", ".join(f'"{c.name}"' for c in one.columns)
    path = folder / f"{one.name}.parquet"
    with duckdb.connect() as con:
        con.execute(f"COPY (SELECT {cast} FROM (VALUES {rows}) AS t({names})) TO '{path}' (FORMAT parquet)")
    return FileSet((str(path),), LOCAL, tuple((c.name, c.type) for c in one.columns))


def validate(folder: Path, sets: list[RuleSet], inputs: dict[str, FileSet]) -> tuple[RuleResult, ...]:
    return GxValidator(temp_dir=folder).validate(sets, inputs, f"{folder}/keys", LOCAL, silent)


def test_an_orphan_is_named_and_a_null_names_nothing(tmp_path: Path) -> None:
    customers = table("customers", id="long")
    orders = table("orders", id="long", customer_id="long")
    inputs = {
        "customers": parquet(tmp_path, customers, "(1), (2)"),
        "orders": parquet(tmp_path, orders, "(10, 1), (11, 3), (12, NULL), (13, 2), (14, 4)"),
    }
    [found] = validate(tmp_path, [RuleSet(orders, (), ((("customer_id",), "customers", ("id",)),))], inputs)
    assert (found.passed, found.checked, found.failed, found.error) == (False, 5, 2, "")
    assert found.rule == "customer_id names a row of customers (id)"
    assert found.keys == ("id=11 (customer_id=3)", "id=14 (customer_id=4)")


def test_composite_and_self_references(tmp_path: Path) -> None:
    lines = table("lines", ("a", "b"), a="long", b="string", up_a="long", up_b="string")
    inputs = {"lines": parquet(tmp_path, lines, "(1, 'x', NULL, 'x'), (1, 'y', 1, 'x'), (2, 'x', 1, 'z')")}
    references = ((("up_a", "up_b"), "lines", ("a", "b")), (("a", "b"), "lines", ("a", "b")))
    broken, holds = validate(tmp_path, [RuleSet(lines, (), references)], inputs)
    assert broken.keys == ("a=2, b=x (up_a=1, up_b=z)",)
    assert (holds.passed, holds.error) == (True, "")


def test_names_that_need_quoting(tmp_path: Path) -> None:
    names = ("Order No", "select", "a:b", "{x}", "per%cent")
    odd = table("odd", names[:1], **dict.fromkeys(names, "long"))
    inputs = {"odd": parquet(tmp_path, odd, "(1, 2, 3, 4, 5), (1, 1, 9, 9, 9)")}
    rules = tuple(rule("column_values_to_be_between", column=n, max_value=8) for n in names[2:])
    rules += (
        rule("column_values_to_be_unique", column="Order No"),
        rule("column_pair_values_a_to_be_greater_than_b", column_A="select", column_B="Order No"),
        rule("compound_columns_to_be_unique", column_list=("select", "{x}")),
        rule("multicolumn_sum_to_equal", column_list=("a:b", "per%cent"), sum_total=8),
    )
    references = ((("a:b", "{x}"), "odd", ("per%cent", "select")),)
    found = validate(tmp_path, [RuleSet(odd, rules, references)], inputs)
    assert [f.error for f in found] == [""] * 8
    assert [f.failed for f in found] == [1, 1, 1, 2, 1, 0, 1, 2]
    assert found[0].keys == ("Order No=1 (a:b=9)",)


def test_a_rule_that_cannot_be_evaluated_is_an_error_and_spoils_no_other(tmp_path: Path) -> None:
    people = table("people", id="long", name="string")
    inputs = {"people": parquet(tmp_path, people, "(1, 'ann'), (2, NULL)")}
    rules = (
        rule(
            "column_values_to_match_regex", column="name", regex=r"\p{Nope}nn"
        ),  # a class that only RE2 can tell is none
        rule("column_values_to_not_be_null", column="name"),
        rule("column_values_to_match_regex", column="name", regex="^a"),
    )
    broken, fails, holds = validate(tmp_path, [RuleSet(people, rules, ())], inputs)
    assert broken.passed is False
    assert broken.failed == 0
    assert "invalid character class range" in broken.error
    assert (fails.passed, fails.failed, fails.error) == (False, 1, "")
    assert (holds.passed, holds.error) == (True, "")


def test_a_file_that_is_gone_is_told(tmp_path: Path) -> None:
    people = table("people", id="long")
    files = parquet(tmp_path, people, "(1)")
    Path(files.urls[0]).unlink()
    with pytest.raises(LakeError, match=r"people\.parquet"):
        validate(tmp_path, [RuleSet(people, (rule("column_values_to_be_unique", column="id"),), ())], {"people": files})


def test_an_unknown_rule_is_refused(tmp_path: Path) -> None:
    people = table("people", id="long")
    sets = [RuleSet(people, (rule("column_values_to_be_uniqe", column="id"),), ())]
    with pytest.raises(SpecError, match=r"people can't be used.*did you mean 'expect_column_values_to_be_unique'"):
        validate(tmp_path, sets, {"people": parquet(tmp_path, people, "(1)")})


def test_bounds_are_exact_where_floats_are_not(tmp_path: Path) -> None:
    big = 2**53 + 1
    money = table("money", id="long", cents="long", amount="decimal(38,18)")
    rows = f"({big}, {big}, '12345678901234567890.000000000000000001'), (1, 1, '0.1')"
    inputs = {"money": parquet(tmp_path, money, rows)}
    top = Decimal("12345678901234567890.000000000000000001")
    total = Decimal("12345678901234567890.100000000000000001")
    rules = (
        rule("column_values_to_be_between", column="cents", max_value=big),
        rule("column_values_to_be_between", column="cents", max_value=big - 1),
        rule("column_values_to_be_between", column="amount", max_value=top),
        rule("column_values_to_be_between", column="amount", max_value=Decimal("12345678901234567890")),
        rule("column_sum_to_be_between", column="amount", min_value=top, max_value=total),
        rule("column_sum_to_be_between", column="amount", max_value=Decimal("12345678901234567890.1")),
        rule("column_values_to_be_in_set", column="amount", value_set=(top, Decimal("0.10"))),
        rule("column_max_to_be_between", column="cents", max_value=big - 1),
    )
    found = validate(tmp_path, [RuleSet(money, rules, ())], inputs)
    assert [f.error for f in found] == [""] * 8
    assert [f.passed for f in found] == [True, False, True, False, True, False, True, False]
    assert found[1].keys == (f"id={big} (cents={big})",)
    assert found[7].keys == (f"found {big}",)


def test_mostly_is_counted_but_lets_pass(tmp_path: Path) -> None:
    people = table("people", id="long", age="long")
    inputs = {"people": parquet(tmp_path, people, "(1, 5), (2, 50), (3, 60), (4, 70), (5, NULL)")}
    shares = ("0.75", "0.76")
    rules = tuple(
        rule("column_values_to_be_between", column="age", min_value=18, mostly=Decimal(share)) for share in shares
    )
    lets, fails = validate(tmp_path, [RuleSet(people, rules, ())], inputs)
    assert (lets.passed, lets.failed, lets.keys) == (True, 1, ("id=1 (age=5)",))
    assert (fails.passed, fails.failed) == (False, 1)


def test_all_failing_keys_are_kept_and_the_first_twenty_named(tmp_path: Path) -> None:
    many = table("many", id="long", name="string")
    inputs = {"many": parquet(tmp_path, many, ", ".join(f"({n}, NULL)" for n in range(300, 0, -1)))}
    [found] = validate(tmp_path, [RuleSet(many, (rule("column_values_to_not_be_null", column="name"),), ())], inputs)
    assert found.failed == 300
    assert found.keys == tuple(f"id={n} (name=null)" for n in range(1, 21))
    assert found.keys_file is not None
    with duckdb.connect() as con:
        kept = con.execute(f"SELECT id FROM '{found.keys_file.url}' ORDER BY id").fetchall()
    assert kept == [(n,) for n in range(1, 301)]


def test_tables_without_files_and_without_a_key(tmp_path: Path) -> None:
    bare = table("bare", (), id="long", name="string", at="timestamptz", price="decimal(9,2)", raw="binary")
    full = table("full", (), id="long")
    inputs = {
        "bare": FileSet((), LOCAL, tuple((c.name, c.type) for c in bare.columns)),
        "full": parquet(tmp_path, full, "(1), (1)"),
    }
    rules = (
        rule("column_values_to_not_be_null", column="raw"),
        rule("compound_columns_to_be_unique", column_list=("id", "name")),
        rule("column_values_to_be_between", column="price", min_value=0),
        rule("table_row_count_to_equal", value=0),
    )
    sets = [
        RuleSet(bare, rules, ((("id",), "full", ("id",)),)),
        RuleSet(full, (rule("column_values_to_be_unique", column="id"),), ((("id",), "bare", ("id",)),)),
    ]
    *empty, unique, orphan = validate(tmp_path, sets, inputs)
    assert [(f.passed, f.error) for f in empty] == [(True, "")] * 5
    assert (unique.failed, unique.keys) == (2, ("id=1", "id=1"))
    assert (orphan.failed, orphan.keys) == (2, ("id=1", "id=1"))


def test_it_keeps_to_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    home, work, scratch = (tmp_path / name for name in ("home", "work", "scratch"))
    for folder in (home, work, scratch):
        folder.mkdir()
    people = table("people", id="long", name="string")
    inputs = {"people": parquet(tmp_path, people, "(1, 'ann'), (2, NULL)")}

    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("it went to the network")

    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(work)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    sets = [
        RuleSet(people, (rule("column_values_to_not_be_null", column="name"),), ((("id",), "people", ("id",)),)),
    ]
    seen: list[tuple[str, int, int]] = []
    found = GxValidator(temp_dir=scratch).validate(
        sets, inputs, f"{tmp_path}/keys", LOCAL, lambda *step: seen.append(step)
    )
    assert [f.passed for f in found] == [False, True]
    assert [list(folder.iterdir()) for folder in (home, work, scratch)] == [[], [], []]
    assert capfd.readouterr() == ("", "")
    assert seen == [("rules of people", 0, 1), ("rules", 1, 1)]
