"""What the source commits is in the lake, row by row and cent by cent, whatever kind of change it was."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from strangler import Shop, now

from lakeward.errors import DataError, SourceError
from lakeward.lab import Lab
from lakeward.spec.meters import ReportSpec, SlaSpec
from lakeward.steps.compact import compact
from lakeward.steps.meter import sla_reasons
from lakeward.steps.tenure import serve


@pytest.fixture(scope="module")
def shop(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """One shop for all: each test leaves both sides equal, but for the last one, which begins anew."""
    one = Shop(lab, tmp_path_factory.mktemp("shop"))
    one.load()
    yield one
    one.close()


def outcomes(shop: Shop) -> set[str]:
    """What a tenure's comparison says."""
    done = shop.serve()
    assert len(done.verdicts) == 10
    for verdict in done.verdicts:
        assert verdict.outcome == "pass", f"{verdict.subject}: {verdict.summary} {verdict.findings[:3]}"
    return {verdict.outcome.value for verdict in done.verdicts}


def test_changes_of_every_kind_arrive(shop: Shop) -> None:
    shop.run(
        "INSERT INTO customers VALUES (21, 'new', '[\"a\"]')",
        'INSERT INTO orders VALUES (301, 21, \'new\', \'2026-05-01Z\', 5.50, \'{"channel": "app", "items": [{"sku": 1, "price": 5.50}]}\')',
        "UPDATE orders SET status = 'paid' WHERE id < 100",
        "UPDATE orders SET total = total + 0.01, payload = large(id + 1) WHERE id BETWEEN 90 AND 120",
        "DELETE FROM orders WHERE id BETWEEN 200 AND 210",
        "UPDATE orders SET id = id + 1000 WHERE id BETWEEN 10 AND 12",
        "UPDATE order_lines SET quantity = 0 WHERE order_id = 50 AND line = 1",
        "UPDATE order_lines SET quantity = 7 WHERE order_id = 51 AND line = 0",
        "UPDATE orders SET placed_at = '2026-08-08Z' WHERE id = 60",
        "UPDATE customers SET tags = NULL WHERE id = 3; UPDATE customers SET tags = '[]' WHERE id = 4",
    )
    assert outcomes(shop) == {"pass"}
    before = shop.pointer()
    shop.run(
        "UPDATE orders SET status = 'sent' WHERE id = 1011",
        "TRUNCATE order_lines",
        "INSERT INTO order_lines VALUES (1, 1, 3)",
    )
    assert outcomes(shop) == {"pass"}
    after = shop.pointer()
    assert after.position > before.position
    assert after.cut_id == before.cut_id
    assert [row["quantity"] for row in shop.lake("order_lines")] == [3]
    assert shop.lake("order_items", "SELECT count(*) AS n FROM t WHERE orders_id = 1011") == [{"n": 3}]


ENDLESS = {"name": "endless", "group": "sales", "runs": 1, "limit": "1s"} | dict.fromkeys(
    ("source", "lake"), "SELECT count(*) AS n FROM orders a, orders b, orders c, orders d"
)


def test_each_tenure_is_measured_on_both_sides(shop: Shop) -> None:
    assert outcomes(shop) == {"pass"}
    before = shop.meter()
    shop.run("UPDATE orders SET total = total + 1 WHERE id = 20", "UPDATE orders SET total = total + 1 WHERE id = 21")
    began = now()
    with shop.ports() as ports:
        plan = shop.plan(ports)
        reports = (*plan.migration.reports, ReportSpec.model_validate(ENDLESS))
        agreed = SlaSpec.model_validate({"failures": 0, "query": "10m"})
        spec = plan.migration.model_copy(update={"reports": reports, "sla": agreed})
        done = serve(replace(plan, migration=spec), "sales", ports, now, length=timedelta(0))
        (reason,) = sla_reasons(replace(plan, migration=spec), ports, now())
        assert list(sla_reasons(plan, ports, now())) == []
    after, lasted = shop.meter(), (now() - began).total_seconds()
    assert (reason.kind, reason.since, reason.what.endswith(": 1; 0 are agreed")) == ("sla", before.began, True)
    assert (after.changes - before.changes, after.failures) == (2, before.failures)
    assert after.write.count - before.write.count == after.fresh.count - before.fresh.count == done.batches
    assert 0 < after.write.slowest <= after.fresh.slowest
    assert after.files - before.files == after.lake.requests - before.lake.requests > 0
    assert 0 < after.seconds - before.seconds <= lasted
    for side, was in ((after.source, before.source), (after.lake, before.lake)):
        assert side.queries["by_status"].count - was.queries["by_status"].count == 1
        assert (side.queries["endless"].count, side.failed) == (0, {"endless": 1})
        assert (side.stored or 0) > 10_000


def test_records_that_do_not_fit_are_quarantined_and_come_back_when_they_are_mended(shop: Shop) -> None:
    shop.run(
        "UPDATE orders SET payload = '{\"channel\": 7}' WHERE id = 5",
        "UPDATE orders SET status = 'still bad' WHERE id = 5",
    )
    done = shop.serve()
    assert (done.quarantined, done.changes, done.equal) == (1, 2, False)
    shop.run("UPDATE orders SET placed_at = 'infinity' WHERE id = 6")
    with pytest.raises(DataError, match="1 rows hold infinity"):
        shop.serve()
    aside = shop.lake("sales_quarantine", "SELECT * FROM t ORDER BY row_key")
    assert [row["row_key"] for row in aside] == ['{"id":"5"}', '{"id":"6"}']
    assert all("(changed before " in str(row["reason"]) for row in aside)
    assert "infinity" in str(aside[1]["reason"])
    assert '"still bad"' in str(aside[0]["raw"])
    assert shop.lake("orders", "SELECT count(*) AS n FROM t WHERE id IN (5, 6)") == [{"n": 0}]
    shop.run("UPDATE orders SET payload = large(5) WHERE id = 5", "DELETE FROM orders WHERE id = 6")
    assert outcomes(shop) == {"pass"}
    assert shop.lake("sales_quarantine") == []


def test_an_unchanged_value_of_a_row_in_quarantine_keeps_it_there(shop: Shop) -> None:
    shop.run("UPDATE orders SET placed_at = 'infinity' WHERE id = 7")
    with pytest.raises(DataError):
        shop.serve()
    shop.run("UPDATE orders SET placed_at = '2026-01-01Z' WHERE id = 7")
    assert not shop.serve().equal
    (row,) = shop.lake("sales_quarantine")
    assert str(row["reason"]).startswith("the change does not carry a value")
    shop.run("UPDATE orders SET payload = payload::jsonb::json WHERE id = 7")
    assert outcomes(shop) == {"pass"}


def test_nothing_changed_moves_the_position_alone(shop: Shop) -> None:
    before = shop.pointer()
    done = shop.serve()
    after = shop.pointer()
    assert (done.changes, done.equal, after.tables) == (0, True, before.tables)
    assert after.position > before.position


def test_a_source_that_keeps_too_much_is_told(shop: Shop) -> None:
    failures = shop.meter().failures
    shop.run("UPDATE orders SET payload = large(id + 1) WHERE id < 50")
    with pytest.raises(SourceError, match=r"changes.max_retained permits 1,000"):
        shop.serve(length=timedelta(seconds=1), max_retained="1KB")
    assert shop.meter().failures == failures + 1
    assert outcomes(shop) == {"pass"}


def test_compaction_folds_what_changes_left(shop: Shop) -> None:
    for n in range(3):
        shop.run(f"UPDATE orders SET total = total + 1 WHERE id % 7 = {n}")
        assert shop.serve().equal
    before = shop.lake("orders")
    with shop.ports() as ports:
        plan = shop.plan(ports)
        report = compact(plan, "sales", ports, now())
        assert report.due is False
        state = ports.lake.statistics("orders", 10**9)
    assert state.largest_delete_run == 0
    assert shop.lake("orders") == before
    shop.run("UPDATE orders SET status = 'x' WHERE id = 77")
    assert outcomes(shop) == {"pass"}


def test_a_changed_table_stops_the_run_until_the_group_is_loaded_anew(shop: Shop) -> None:
    shop.run("UPDATE orders SET status = 'before' WHERE id = 1", "ALTER TABLE orders ADD note text")
    shop.run("UPDATE orders SET status = 'after' WHERE id = 2", "ALTER TABLE orders DROP note")
    with pytest.raises(SourceError, match=r"'note' .text. is new"):
        shop.serve()
    before = shop.pointer()
    shop.load("second")
    after = shop.pointer()
    assert after.position > before.position
    assert after.cut_id != before.cut_id
    shop.run("UPDATE orders SET status = 'again' WHERE id = 3")
    assert outcomes(shop) == {"pass"}
