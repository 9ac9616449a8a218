"""The dossier of a real run with mistakes: whoever reads it sees what is wrong, down to the key; and nothing in it is run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from uuid import uuid4

import pytest
from parity_world import AT, World, world

from lakeward.adapters.ledger import MemoryLedger
from lakeward.domain.chain import Chain
from lakeward.domain.decision import Reason
from lakeward.domain.dossier import Dossier, render
from lakeward.domain.evidence import Approval, Outcome, State, Transition
from lakeward.domain.identity import chain_key
from lakeward.lab import Lab
from lakeward.steps.approve import keep_approval
from lakeward.steps.chain import chain_of
from lakeward.steps.compare import compare
from lakeward.steps.dossier import collect, keep_dossier, try_dossier
from lakeward.steps.evidence import verify

VOID = {"meta", "br", "link", "img", "input", "hr"}
EVIL = '<script>alert("1")</script>&\' onload=x {{7*7}}'
CENT = "SELECT * REPLACE (CASE WHEN id = 42 THEN amount - 0.01 ELSE amount END AS amount) FROM rows"


class Page(HTMLParser):
    """What a page says and how: every tag closed, in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.said: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.said.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.said).split())


@pytest.fixture(scope="module")
def shop(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("dossier"), f"dossier {uuid4().hex}") as found:
        found.publish({"sales": CENT})
        yield replace(found, ports=replace(found.ports, ledger=MemoryLedger()))


@pytest.fixture(scope="module")
def collected(shop: World) -> Dossier:
    compare(shop.plan, "shop", shop.ports, AT)
    answer = Approval(
        "parity", shop.plan.run_key, "e" * 64, approved=False, by="Ann", why="not yet", at=AT, source_frozen=False
    )
    keep_approval(shop.ports, answer)
    keep_approval(shop.ports, replace(answer, run_key="another run", by="Zoe"))
    return collect(shop.plan, shop.ports)


@pytest.fixture(scope="module")
def page(collected: Dossier) -> str:
    return render(collected)


def test_it_leads_to_the_row(collected: Dossier, page: str) -> None:
    said = Page(page).text
    assert "The gate is held" in said
    assert "The rows that cause it" in said
    assert "id=42" in said
    assert "amount" in said
    assert said.count("-0.01") >= 4, "total, month, week, day"
    assert "Ann" in said
    assert "Zoe" not in said, "she answered another run"
    assert f"none of the {len(collected.evidence.verdicts)} records is signed" in said


def test_differing_periods_are_marked(collected: Dossier, page: str) -> None:
    revenue = next(figure for figure in collected.figures if figure.name == "revenue")
    assert revenue.outcome is Outcome.FAIL
    assert revenue.total.difference == "-0.01"
    assert [(one.grain, one.differing) for one in revenue.series] == [("month", 1), ("week", 1), ("day", 1)]
    assert all(one.plot.count('class="mark"') == 1 for one in revenue.series)
    (day,) = revenue.series[2].cells
    assert (day.difference, day.differs) == ("-0.01", True)
    months = revenue.series[0]
    assert len(months.cells) == months.periods > 3
    assert page.count("<svg") > 5


def test_it_stands_alone_and_can_be_read_by_all(page: str) -> None:
    found = Page(page)
    assert found.open == []
    assert not {tag for tag, _ in found.tags} & {"script", "link", "img", "iframe", "object", "form", "base"}
    assert not [a for _, attrs in found.tags for a in attrs if a in {"src", "href", "srcset"} or a.startswith("on")]
    assert "url(" not in page
    assert "@import" not in page
    assert ("html", {"lang": "en"}) in found.tags
    assert all(attrs.get("scope") in {"col", "row"} for tag, attrs in found.tags if tag == "th")
    assert all(attrs.get("role") == "img" and attrs.get("aria-label") for tag, attrs in found.tags if tag == "svg")
    tables = sum(tag == "table" for tag, _ in found.tags)
    assert tables == sum(tag == "caption" for tag, _ in found.tags) > 10


def luminance(color: str) -> float:
    parts = [int(color[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_colors_have_contrast(page: str) -> None:
    colors = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", page))
    assert {"ink", "soft", "pass", "warn", "fail", "error"} <= set(colors)
    for name in ("ink", "soft", "pass", "warn", "fail", "error", "lake"):
        for ground in (colors["ground"], "#ffffff", "#fdeceb"):
            light, dark = sorted((luminance(colors[name]), luminance(ground)), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (name, ground)


def test_hostile_names_are_text(collected: Dossier) -> None:
    said = Transition("parity", EVIL, (EVIL,), State.LEGACY, State.WRITERS, "", EVIL, EVIL, AT, "refused", EVIL)
    answer = Approval("parity", EVIL, EVIL, approved=True, by=EVIL, why=EVIL, at=AT, source_frozen=True)
    tables = {"shop": {EVIL: 7}}
    figures = tuple(replace(f, title=EVIL, measure=EVIL, group=EVIL) for f in collected.figures)
    differences = tuple(
        replace(d, group=EVIL, note=EVIL, rows=tuple(replace(r, key=(EVIL,), column=EVIL) for r in d.rows))
        for d in collected.differences
    )
    evil = replace(
        collected,
        evidence=replace(collected.evidence, tables=tables),
        decision=replace(collected.decision, why=(Reason(EVIL, todo=EVIL),), warnings=(EVIL,)),
        figures=figures,
        differences=differences,
        approvals=(answer,),
        transitions=(said,),
    )
    text = render(evil)
    found = Page(text)
    assert found.open == []
    assert "script" not in {tag for tag, _ in found.tags}
    assert not [a for _, attrs in found.tags for a in attrs if a.startswith("on")]
    assert "{{7*7}}" in found.text, "nor is it a template"
    assert found.text.count('alert("1")') > 10


def test_it_is_kept_and_vouched_for(shop: World, collected: Dossier) -> None:
    before: Chain = chain_of(shop.ports.store, "parity", shop.ports.signer)
    key = keep_dossier(shop.plan, shop.ports)
    assert key.endswith(f"-{len(before.records) + 1:08d}.html")
    stored = shop.ports.store.get(key)
    assert stored is not None
    assert stored[0].decode() == render(collected), "the same facts give the same page"
    assert verify(shop.ports.store).wrong == ()
    shop.ports.store.put(key, stored[0].replace(b"-0.01", b"+0.00"))
    assert any(key in told for told in verify(shop.ports.store).wrong)
    shop.ports.store.put(key, stored[0])
    assert keep_dossier(shop.plan, shop.ports) != key


def test_what_can_not_be_shown_is_told(shop: World) -> None:
    compare(shop.plan, "shop", shop.ports, AT + timedelta(hours=1))
    unpublished = replace(shop.plan, groups=tuple(replace(g, cut_id="f" * 16) for g in shop.plan.groups))
    assert "could not be made" in try_dossier(unpublished, shop.ports)


def test_a_broken_chain_has_no_dossier(shop: World) -> None:
    store, key = shop.ports.store, chain_key("parity", 1)
    found = store.get(key)
    assert found is not None
    store.put(key, found[0].replace(b'"kind": "verdict"', b'"kind": "approval"'))
    try:
        assert "could not be made: The chain of records is broken" in try_dossier(shop.plan, shop.ports)
    finally:
        store.put(key, found[0])


def test_values_that_differ_look_different(collected: Dossier) -> None:
    found = next(one for one in collected.differences if one.rows)
    rows = tuple(
        replace(found.rows[0], expected=a, found=b)
        for a, b in ((None, ""), ("tailed ", "tailed"), ("null", "caf\u00e9"))
    )
    said = Page(render(replace(collected, differences=(replace(found, rows=rows),)))).text
    for told in ("null ''", "'tailed ' tailed", "'null' caf\u00e9"):
        assert told in said, said
