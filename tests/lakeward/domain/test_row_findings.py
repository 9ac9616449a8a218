"""What rows that differ have in common."""

from __future__ import annotations

from lakeward.domain.evidence import Finding
from lakeward.domain.row_classes import Known
from lakeward.domain.row_findings import attribution


def test_only_what_was_read_of_every_row_is_common_to_all() -> None:
    known = Known(frozenset({"country", "client.region", "status"}), frozenset({"client"}), "UTC")
    rows = [{"id": str(n), "country": None, "status": "paid", "client": str(n)} for n in (1, 2)]
    found = [Finding("t", "source-lake", key=(n,), column="total", values=row) for n, row in enumerate(rows)]
    assert attribution(found, known) == "all 2 rows: country null, status 'paid'"
