"""The report's page: complete without network, escaped, worst first."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

from lakeward.domain.evidence import Outcome, Verdict
from lakeward.domain.record_report import ReportedRule, ReportedTable, render

HOSTILE = """<script>alert("1")</script>'"&"""
RULES = (
    ReportedRule("id is unique", "the key", "expect_column_values_to_be_unique", Outcome.PASS, 1234567, 0),
    ReportedRule(HOSTILE, HOSTILE, HOSTILE, Outcome.FAIL, 1234567, 1021, (HOSTILE, "id=2"), f"s3://b/{HOSTILE}"),
    ReportedRule("name matches (?>a)", "", "expect_column_values_to_match_regex", Outcome.ERROR, 0, 0, error=HOSTILE),
)
TABLES = (ReportedTable(HOSTILE, 1234567, 3, RULES), ReportedTable("empty", 0, 0, ()))
VERDICT = Verdict(
    "records", "rules", HOSTILE, HOSTILE, "c1", Outcome.ERROR, "f" * 64, HOSTILE, 1, 1, datetime(2026, 1, 2, tzinfo=UTC)
)


def test_everything_from_data_is_escaped() -> None:
    page = render(VERDICT, TABLES)
    assert "<script" not in page
    assert page.count("&lt;script&gt;alert(&#34;1&#34;)") >= 9


def test_the_page_needs_nothing_else() -> None:
    page = render(VERDICT, TABLES)
    assert not re.search(r"""(src|href)=["']?(?!["']?#)""", page)
    assert not re.search(r"url\(|@import|https?://", page)
    assert "default-src 'none'" in page


def test_the_page_is_well_formed() -> None:
    page = render(VERDICT, TABLES)
    closed = re.sub(r"<(meta|br)\b([^>]*)>", r"<\1\2/>", page).replace("<!doctype html>", "")
    root = ET.fromstring(closed.strip())
    assert [table.get("id") for table in root.iter("h2") if table.get("id")] == ["t1", "t2"]


def test_what_a_signer_looks_for_is_there_and_first() -> None:
    page = render(VERDICT, TABLES)
    assert page.index("name matches") < page.index("1,021") < page.index("id is unique")
    assert "and 1,019 more" in page
    assert "1,234,567" in page
    assert "No rule is put to this table." in page


def test_a_table_is_as_good_as_its_worst_rule() -> None:
    assert [table.outcome for table in TABLES] == [Outcome.ERROR, Outcome.PASS]
    assert TABLES[0].count(Outcome.FAIL) == 1
