"""Known differences: planted in the real lake, accepted by name, counted at the gate, open again when anything else differs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from itertools import count
from uuid import uuid4

import pytest
from parity_world import AT, World, world

from lakeward.adapters.ledger import MemoryLedger
from lakeward.domain.acceptance import Acceptance, Withdrawal
from lakeward.domain.accepted import id_of, is_settled
from lakeward.domain.decision import GateDecision
from lakeward.domain.evidence import Verdict
from lakeward.errors import SpecError
from lakeward.lab import Lab
from lakeward.steps.accept import explain_verdicts, keep_acceptance, of_migration, propose, tell_ledger, withdraw
from lakeward.steps.compare import compare
from lakeward.steps.dossier import collect
from lakeward.steps.evidence import verify
from lakeward.steps.gate import collect_evidence, judge

RUNS = count()
CENT = "SELECT * REPLACE (CASE WHEN id IN ({}) THEN amount + {} ELSE amount END AS amount) FROM rows"
LATER = AT + timedelta(days=40)


@pytest.fixture(scope="module")
def shop(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("accept"), uuid4().hex) as found:
        yield found


def changed(shop: World, keys: str, amount: str) -> dict[str, Verdict]:
    shop.publish({"sales": CENT.format(keys, amount)}, f"{next(RUNS):04}")
    return {f"{v.kind} {v.subject}": v for v in compare(shop.plan, "shop", shop.ports, AT)}


def wanted(rule: str, subject: str, **scope: object) -> Acceptance:
    made = Acceptance("parity", "shop", rule, subject, "finance", "rounding", date(2026, 3, 31), "ann", AT, ())
    return replace(made, **scope)  # type: ignore[arg-type]


def gate(shop: World, at: object = AT) -> GateDecision:
    return judge(shop.plan, shop.ports, collect_evidence(shop.plan, shop.ports), at)  # type: ignore[arg-type]


def reasons(decision: GateDecision) -> list[str]:
    """Of kinds that these tests are about."""
    return [one for one in decision.reasons if one.startswith(("shop: kpi", "shop: rows"))]


def test_what_is_accepted_is_counted_and_everything_else_stays_open(shop: World) -> None:
    verdicts = changed(shop, "7", "0.01")
    failed = {name for name, v in verdicts.items() if v.failed}
    assert failed == {"kpi revenue", "rows sales"}
    for rule, subject, scope in (
        ("kpi", "revenue", {"amount": "0.01"}),
        ("rows", "sales", {"keys": (("7",),), "column": "amount"}),
    ):
        made, found = propose(shop.plan, verdicts[f"{rule} {subject}"], wanted(rule, subject, **scope), shop.ports)
        assert (found.count, found.open) == (1, ())
        keep_acceptance(shop.ports, made)
    decision = gate(shop)
    assert reasons(decision) == []
    assert sum("accepted by ann for finance" in one for one in decision.warnings) == 2
    assert any("rounding" in one for one in collect(shop.plan, shop.ports, AT).decision.warnings)
    assert len(reasons(gate(shop, LATER))) == 2
    assert all("expired on 2026-03-31" in one for one in reasons(gate(shop, LATER)))
    before = decision.evidence_hash

    grown = changed(shop, "7", "0.02")
    assert not any(
        is_settled(explain_verdicts(shop.plan, list(grown.values()), shop.ports, AT), v) for v in grown.values()
    )
    assert len(reasons(gate(shop))) == 2
    other = changed(shop, "7, 8", "0.01")
    known = explain_verdicts(shop.plan, list(other.values()), shop.ports, AT)
    assert {place[1]: (one.count, len(one.open)) for place, one in known.items()} == {"kpi": (2, 0), "rows": (1, 1)}
    assert [one.split(":")[1] for one in reasons(gate(shop))] == [" rows sales"]

    assert verify(shop.ports.store, signer=shop.ports.signer).wrong == ()
    first, second = of_migration(shop.ports, "parity")
    assert shop.ports.ledger.acceptances("parity") == (first, second)
    lost = replace(shop.ports, ledger=MemoryLedger())
    assert tell_ledger(lost, "parity") == 2
    assert lost.ledger.acceptances("parity") == (first, second)
    changed(shop, "7", "0.01")
    for one in (first, second):
        withdraw(shop.ports, Withdrawal("parity", id_of(one), "bob", "it was none", AT))
    assert (of_migration(shop.ports, "parity"), shop.ports.ledger.acceptances("parity")) == ((), ())
    decision = gate(shop)
    assert len(reasons(decision)) == 2
    assert decision.evidence_hash != before
    with pytest.raises(SpecError, match="has no acceptance"):
        withdraw(shop.ports, Withdrawal("parity", id_of(first), "bob", "again", AT))


def test_nothing_is_accepted_in_advance(shop: World) -> None:
    verdicts = changed(shop, "7", "0.01")
    for scope, why in (
        ({"keys": (("8",),)}, "with no difference in what was named"),
        ({"amount": "0.001"}, "is within --amount 0.001"),
        ({"expires": date(2026, 2, 28)}, "would have expired already"),
    ):
        with pytest.raises(SpecError, match=why):
            propose(shop.plan, verdicts["rows sales"], wanted("rows", "sales", **scope), shop.ports)
    with pytest.raises(SpecError, match="is pass, with no difference"):
        propose(shop.plan, verdicts["kpi fees"], wanted("kpi", "fees"), shop.ports)


def test_errors_that_cancel_out_are_open_again_when_they_grow(shop: World) -> None:
    def shifted(by: str) -> tuple[Verdict, ...]:
        sql = f"""SELECT * REPLACE (CASE WHEN id = 11 THEN payload_shipping_cost + {by} WHEN id = 12 THEN payload_shipping_cost - {by}
            ELSE payload_shipping_cost END AS payload_shipping_cost) FROM rows"""
        shop.publish({"sales": sql}, f"{next(RUNS):04}")
        return tuple(v for v in compare(shop.plan, "shop", shop.ports, AT) if v.subject == "shipping")

    (verdict,) = shifted("0.01")
    with pytest.raises(SpecError, match="is within --amount 9"):
        propose(shop.plan, verdict, wanted("kpi", "shipping", amount="9"), shop.ports)
    made, found = propose(shop.plan, verdict, wanted("kpi", "shipping"), shop.ports)
    assert {d.kind for d in made.covers} == {"offsetting"}
    assert found.settled
    keep_acceptance(shop.ports, made)
    assert is_settled(explain_verdicts(shop.plan, [verdict], shop.ports, AT), verdict)
    (grown,) = shifted("5.00")
    assert not is_settled(explain_verdicts(shop.plan, [grown], shop.ports, AT), grown)


def test_a_row_that_is_lost_is_accepted_in_the_rows_and_in_the_counts(shop: World) -> None:
    shop.publish({"sales": "SELECT * FROM rows WHERE id <> 5"}, f"{next(RUNS):04}")
    verdicts = {f"{v.kind} {v.subject}": v for v in compare(shop.plan, "shop", shop.ports, AT)}

    def held() -> set[str]:
        return {
            one.split(":")[1].strip() for one in gate(shop).reasons if one.startswith(("shop: rows", "shop: counts"))
        }

    assert held() == {"rows sales", "counts shop"}
    for rule, subject, scope in (("rows", "sales", {"keys": (("5",),)}), ("counts", "shop", {"keys": (("sales",),)})):
        made, found = propose(shop.plan, verdicts[f"{rule} {subject}"], wanted(rule, subject, **scope), shop.ports)
        assert (found.count, found.settled) == (1, True)
        assert id_of(made) in found.told()
        assert id_of(made) not in found.told(named=False)
        keep_acceptance(shop.ports, made)
    assert held() == set()
    shop.publish({"sales": "SELECT * FROM rows WHERE id NOT IN (5, 6)"}, f"{next(RUNS):04}")
    compare(shop.plan, "shop", shop.ports, AT)
    assert held() == {"rows sales", "counts shop"}
