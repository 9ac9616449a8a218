"""What a migration file says of KPIs, and what of it is refused before the source is asked."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from lakeward.errors import SpecError
from lakeward.steps.check import check_file

GOOD = (Path(__file__).parent / "good.yaml").read_text()


def told(folder: Path, more: str, measure: str = "sum(total)") -> str:
    path = folder / "x.yaml"
    path.write_text(GOOD.replace("measure: sum(total)", f"measure: {measure}") + more)
    try:
        check_file(path)
    except SpecError as error:
        return str(error).replace(str(path), "x.yaml")
    return ""


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("    exact: false\n    tolerance: {absolute: 0.01, owner: Ada, reason: measured}\n", ""),
        ("    exact: false\n    tolerance: {relative: 1e-9, owner: Ada, reason: measured}\n", ""),
        (
            "    exact: false\n",
            "x.yaml:31:12: a figure that is not exact needs a `tolerance`. Write `exact: false` and `tolerance: {",
        ),
        ("    tolerance: {absolute: 1, owner: Ada, reason: x}\n", "a figure that is exact takes no `tolerance`"),
        ("    exact: false\n    tolerance: {owner: Ada, reason: x}\n", "either `absolute` or `relative`"),
        (
            "    exact: false\n    tolerance: {absolute: 1, relative: 0.1, owner: Ada, reason: x}\n",
            "either `absolute` or `relative`",
        ),
        ("    exact: false\n    tolerance: {absolute: -1, owner: Ada, reason: x}\n", "x.yaml:32:"),
        ("    exact: false\n    tolerance: {relative: 2, owner: Ada, reason: x}\n", "x.yaml:32:"),
        ("    exact: false\n    tolerance: {absolute: 1, reason: x}\n", "owner"),
        ("    exact: false\n    tolerance: {absolute: 1, owner: Ada}\n", "reason"),
        ("    exact: false\n    tolerance: {absolute: much, owner: Ada, reason: x}\n", "x.yaml:32:"),
        ("    terms: sources\n", "x.yaml:31:"),
        (
            "    terms: source\n    sql: {source: SELECT 1 AS a, lake: SELECT 1 AS a, columns: {a: int}}\n",
            "x.yaml:31:12: `terms: source` beside `sql`",
        ),
    ],
)
def test_a_tolerance_belongs_to_figures_that_are_not_exact(tmp_path: Path, more: str, said: str) -> None:
    found = told(tmp_path, more)
    assert (said in found) if said else not found


def test_a_tolerance_keeps_its_digits_in_what_is_stored(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(
        GOOD + "    exact: false\n    tolerance: {absolute: 0.100000000000000000000001, owner: Ada, reason: x}\n"
    )
    spec = check_file(path).spec
    again = type(spec).model_validate_json(spec.model_dump_json())
    assert again == spec
    tolerance = again.kpis[0].tolerance
    assert tolerance
    assert tolerance.absolute == Decimal("0.100000000000000000000001")


@pytest.mark.parametrize(
    ("measure", "said"),
    [
        ('"ratio(sum(total), count())"', ""),
        ("sum(customers.rate * total)", ""),
        ('"ratio(sum(total * 2), count_distinct(customers.id))"', ""),
        ('"ratio(sum(total))"', "ratio takes two measures, as in ratio(sum(total), count())"),
        ('"ratio(sum(a), sum(b), sum(c))"', "ratio takes two measures"),
        (
            '"ratio(avg(a), count())"',
            "'avg(a)' stands where sum, count, count_distinct, min, max of something in brackets was expected; of avg(x) the parts are",
        ),
        ('"ratio(a, b)"', "'a' stands where sum, count"),
        ('"ratio(ratio(sum(a), sum(b)), sum(c))"', "'ratio(sum(a), sum(b))' stands where"),
        ('"ratio(sum(a / b), sum(c))"', "division is not exact: write ratio(sum(a), sum(b))"),
        ('"ratio(sum(), sum(c))"', "sum needs a column"),
        ("sum(a..b)", "'..b' stands where"),
        ("sum(a.)", "'.' stands where"),
    ],
)
def test_measures_are_looked_at_with_their_line(tmp_path: Path, measure: str, said: str) -> None:
    found = told(tmp_path, "", measure)
    assert (said in found and "x.yaml:29:" in found) if said else not found
