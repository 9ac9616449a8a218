"""SQL written by hand whose values are not of their declared type: the cut lands, and the verdict is an error that says so."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest
from parity_world import AT, FILE, world

from lakeward.domain.evidence import Outcome
from lakeward.errors import SourceError
from lakeward.lab import Lab
from lakeward.steps.compare import compare
from lakeward.steps.compare_now import compare_now

HAND = """
  - name: by_hand
    table: sales
    sql:
      source: SELECT amount * 1.005 AS amount FROM parity.sales
      lake: SELECT amount FROM sales
      columns: {amount: "decimal(14,2)"}
    measure: sum(amount)
calendar:"""


def test_a_value_of_another_type_is_an_error_and_stops_no_cut(lab: Lab, tmp_path: Path) -> None:
    with world(tmp_path, uuid4().hex, text=FILE.replace("\ncalendar:", HAND)) as shop:
        shop.publish(run="0001")
        for step in (
            lambda: compare(shop.plan, "shop", shop.ports, AT),
            lambda: compare_now(shop.plan, shop.ports, AT),
        ):
            with pytest.raises(SourceError, match=r"no figures of by_hand\. .*amount is no decimal\(14,2\)"):
                step()
        verdicts = {v.subject: v for v in shop.ports.ledger.verdicts("parity")}
        assert verdicts["by_hand"].outcome is Outcome.ERROR
        assert "amount is no decimal(14,2)" in verdicts["by_hand"].summary
        assert {v.outcome for name, v in verdicts.items() if name != "by_hand"} == {Outcome.PASS}
