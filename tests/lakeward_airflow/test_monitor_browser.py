"""The pages as people see them: a real browser in front of a real Airflow, by role, theme and keyboard."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote, unquote, urljoin, urlsplit

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, FrameLocator, Page, expect, sync_playwright

from airflow_home import Live
from lakeward.adapters.ledger import SqlLedger
from lakeward.domain.decision import Decision, GateDecision, Reason, Streak
from lakeward.domain.evidence import Finding, Outcome, Pointer, State, Transition, Verdict
from lakeward.domain.meters import Meter, Side, spread
from lakeward.domain.standing import Aside, Card, Decided, GroupCard, KpiCard, Sample, SetAside
from lakeward.ports import StepRecord
from lakeward.spec.models import CostsSpec, LandingSpec, SlaSpec

pytestmark = pytest.mark.timeout(900)  # servers start in a fixture, and machines are busy
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PICTURES = os.environ.get("LAKEWARD_SCREENSHOTS")
PATIENCE = 60_000
SIZE = {"width": 1400, "height": 900}
Open = Callable[..., Page]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    if CHROMIUM is None:
        message = "No chromium: nobody has looked at the pages. Install it: apt-get install chromium"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def told(live: Live) -> Live:
    """Airflow, when migration ``held`` is held and ``small`` has been asked about."""
    until = time.monotonic() + 600
    for name, word in (("held", "What is in the way"), ("small", "9 equal")):
        path = f"{live.url}/lakeward/" if name == "small" else f"{live.url}/lakeward/m/{name}"
        while word not in (said := httpx.get(path, headers={"Authorization": live.api.authorization}, timeout=60).text):
            assert time.monotonic() < until, said
            time.sleep(0.5)
    return live


@pytest.fixture
def see(told: Live, chromium: Browser) -> Iterator[Open]:
    """Open a page as a user, in a theme; anything that the browser complains about fails the test."""
    contexts, complaints = [], []

    def complain(message: ConsoleMessage) -> None:
        if message.type == "error" or "Content Security Policy" in message.text:
            complaints.append(message.text)

    def show(path: str, user: str = "viewer", theme: str = "light", size: dict[str, int] = SIZE) -> Page:
        context = chromium.new_context(viewport=size, reduced_motion="reduce")
        contexts.append(context)
        answer = context.request.post(f"{told.url}/auth/token", data={"username": user, "password": told.password})
        token = answer.json()["access_token"]
        context.add_cookies([{"name": "_token", "value": token, "url": told.url}])
        context.add_init_script(f"localStorage.setItem('theme', '{theme}')")
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        if path.startswith("/lakeward"):
            page.on("console", complain)
            page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{told.url}{path}")
        return page

    yield show
    for context in contexts:
        context.close()
    assert complaints == []


def framed(page: Page) -> FrameLocator:
    return page.frame_locator("iframe")


def picture(page: Page, name: str, *, full: bool = False) -> None:
    """Kept for the documentation when LAKEWARD_SCREENSHOTS names a folder."""
    if PICTURES:
        page.wait_for_load_state("networkidle")
        page.screenshot(path=Path(PICTURES) / f"{name}.png", full_page=full)


def test_a_newcomer_finds_what_is_stuck_why_and_the_row_that_causes_it(see: Open) -> None:
    page = see("/plugin/migrations")
    frame = framed(page)
    stuck = frame.locator("tbody tr:has(a:text-is('held'))")
    expect(stuck.locator(".need")).to_have_text("Held", timeout=PATIENCE)
    expect(stuck.locator("xpath=following-sibling::tr[1]")).to_contain_text("revenue: fail: 20 of 20 cells differ")
    picture(page, "monitor-overview")
    frame.get_by_role("link", name="held", exact=True).click()
    way = frame.get_by_role("region", name="What is in the way")
    expect(way).to_contain_text("no field names the key")
    expect(way).to_contain_text("id=1001", timeout=PATIENCE)
    way.get_by_text("id=1001").click()
    expect(way.get_by_text('"coupon"').first).to_be_visible()
    expect(page).to_have_url(re.compile(r"/plugin/migrations/lakeward/m/held"))
    picture(page, "monitor-migration")


def test_each_dag_has_a_tab(see: Open) -> None:
    page = see("/dags/lift_and_shift__held/plugin/migration", theme="dark")
    expect(framed(page).get_by_role("heading", level=1)).to_contain_text("held", timeout=PATIENCE)
    picture(page, "monitor-tab")
    page = see("/lakeward/dag/cutover")
    expect(page.get_by_text("This DAG moves no migration")).to_be_visible()


@pytest.mark.parametrize(("theme", "width"), [("light", 480), ("dark", 1400)])
def test_no_page_has_a_serious_fault_for_who_uses_a_screen_reader(see: Open, theme: str, width: int) -> None:
    for path in (
        "",
        "m/held",
        "m/small?grain=week",
        "m/held/act/repair",
        "m/held/accept/sales/kpi/revenue",
        "m/held/verify",
        "dag/cutover",
    ):
        page = see(f"/lakeward/{path}", "admin", theme, {"width": width, "height": 900})
        assert page.evaluate("document.documentElement.dataset.theme") == theme
        assert serious(page) == [], path
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path} is wider than the window"
        page.close()
    page = see("/lakeward/m/held", "admin", theme)
    page.locator("#checks ~ * a", has_text="kpi revenue").first.click()
    expect(page.get_by_role("heading", name="Where it differs")).to_be_visible()
    assert serious(page) == []
    page = see(urlsplit(page.url).path)
    picture(page, "monitor-check", full=True)


def serious(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {node['html'][:200]}"
        for one in found
        if one["impact"] in {"serious", "critical"}
        for node in one["nodes"]
    ]


def test_the_theme_is_airflows_and_follows_it(see: Open) -> None:
    page = see("/lakeward/", theme="dark")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    other = page.context.new_page()
    other.goto(page.url)
    other.evaluate("localStorage.setItem('theme', 'light')")
    page.wait_for_function("document.documentElement.dataset.theme === 'light'")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != dark


def test_the_matrix_is_walked_by_keys_and_tells_both_figures(see: Open) -> None:
    page = see("/lakeward/m/held?grain=month")
    cells = page.locator(".matrix .cell a")
    readout = page.locator("#readout")
    cells.first.focus()
    expect(readout).to_have_text(re.compile(r"revenue, total: differs: source [\d,.]+, lake [\d,.]+"))
    page.keyboard.press("ArrowRight")
    expect(cells.nth(1)).to_be_focused()
    expect(readout).to_contain_text("revenue, 2024-12: differs")
    page.keyboard.press("Tab")
    expect(cells.nth(2)).not_to_be_focused()
    cells.nth(4).hover()
    expect(readout).to_contain_text("2025-03: differs")


@pytest.mark.parametrize(("user", "shown"), [("viewer", ["held", "small"]), ("seller", ["small"]), ("nobody", [])])
def test_everybody_sees_what_airflow_lets_them_see(see: Open, user: str, shown: list[str]) -> None:
    page = see("/lakeward/", user)
    assert sorted(page.locator("tbody th a").all_text_contents()) == shown
    if "held" not in shown:
        answer = page.request.get(urljoin(page.url, "m/held"))
        assert answer.status == page.request.get(urljoin(page.url, "m/unknown")).status == 404
        assert "This DAG moves no migration" in page.request.get(urljoin(page.url, "dag/lift_and_shift__held")).text()


@pytest.fixture
def hostile(told: Live) -> Iterator[str]:
    """A migration whose every word would like to be run."""
    evil = """"'><script>document.title='pwned'</script><img src=x onerror="document.title='pwned'">{{ 7 * 7 }}"""
    url = f"sqlite:///{told.home / 'ledger.db'}"
    ledger, at = SqlLedger(url), datetime(2026, 1, 1, tzinfo=UTC)
    groups = (GroupCard(evil, (evil,), evil, evil),)
    kpis = (KpiCard("k", "g", evil, evil, "sum", ("month",), (evil,)),)
    card = Card("hostile", evil, "lift_and_shift", evil, evil, evil, LandingSpec(path="/nowhere"), groups, kpis)
    ledger.record_standing("hostile", "", card, at)
    reason = Reason(evil, "g", todo=f"`{evil}`", proven=True)
    streak = Streak("g", evil, evil, 1, 2, evil, evil)
    decision = GateDecision(Decision.HOLD, (reason, reason), (), evil, 1, (streak,), evil)
    ledger.record_standing("hostile", "", Decided(evil, "", decision), at)
    aside = SetAside(
        "0" * 16,
        (Aside(evil, evil, evil, 1, (Sample(evil, evil), Sample(json.dumps({evil: evil}), json.dumps({evil: evil})))),),
    )
    ledger.record_standing("hostile", "g", aside, at)
    finding = Finding("k", "rows", "month", evil, {evil: evil}, evil, evil, evil, table=evil)
    row = replace(finding, key=(evil, 1), values={evil: evil}, column="")
    verdict = Verdict(
        "kpi", "k", "hostile", "g", "0" * 16, Outcome.FAIL, "h", evil, 1, 1, at, (finding, row), basis={evil: evil}
    )
    ledger.record_verdict(verdict)
    ledger.record_transition(
        Transition("hostile", evil, ("g",), State.LEGACY, State.WRITERS, "", evil, evil, at, evil, evil)
    )
    ledger.record_step(StepRecord("hostile", evil, evil, evil, "failed", at, 1.0, 1, evil))
    ledger.close()
    yield evil
    forget(told, "hostile")


def forget(told: Live, migration: str) -> None:
    """Other tests know what there is."""
    with closing(sqlite3.connect(told.home / "ledger.db", timeout=30)) as connection:
        for table in ("standing", "verdicts", "transitions", "steps", "meters"):
            connection.execute(f"DELETE FROM lakeward_{table} WHERE migration = ?", (migration,))
        connection.commit()


@pytest.fixture
def followed(told: Live) -> Iterator[str]:
    """A strangler fig after some days of dual run, slower than was agreed."""
    ledger, now = SqlLedger(f"sqlite:///{told.home / 'ledger.db'}"), datetime.now(UTC)
    costs = CostsSpec.model_validate({"source": {"licence": 85}, "lake": {"licence": 12, "storage": 0.1}})
    sla = SlaSpec.model_validate({"freshness": "5s", "query": "10s"})
    groups, kpis = (GroupCard("sales", ("orders",)),), (KpiCard("k", "sales", "K", "count()", "count", ("day",), ()),)
    card = Card("followed", "f.yaml", "strangler_fig", "", "x", "UTC", LandingSpec(path="/nowhere"), groups, kpis)
    reports = {"by_day": "Revenue by day"}
    ledger.record_standing(
        "followed", "", replace(card, costs=costs, sla=sla, reports=reports, max_retained=10**9), now
    )
    pointer = Pointer("followed", "sales", State.LEGACY, 1, "c" * 16, {}, "", now, "", "", position=7, fresh_at=now)
    ledger.record_standing("followed", "sales", pointer, now)
    for days in range(5):
        at = now - timedelta(days=4 - days)
        source = Side({"by_day": spread([2, 2.5, 3])}, {}, 80 * 10**9, 100)
        lake = Side({"by_day": spread([0.2, 0.3, 0.4])}, {"by_day": days // 4}, (10 + days) * 10**9, 40)
        more = {"fresh": spread([4 + days, 5 + days]), "write": spread([1, 2]), "source": source, "lake": lake}
        meter = Meter("followed", "sales", at.date().isoformat(), at, 60, 2, 10, 12, 3_000, 40, **more)
        ledger.record_meter(meter)
    ledger.close()
    yield "followed"
    forget(told, "followed")


@pytest.mark.parametrize(("theme", "width"), [("light", 1400), ("dark", 480)])
def test_both_systems_are_seen_over_time(see: Open, followed: str, theme: str, width: int) -> None:
    page = see("/lakeward/", "viewer", theme, {"width": width, "height": 900})
    row = page.locator("tbody tr:has(a:text-is('followed'))")
    expect(row).to_contain_text("double cost for 5 days")
    expect(row).to_contain_text("not as agreed")
    expect(row).to_contain_text("1 of 1 group loaded and followed")
    page.get_by_role("link", name="followed", exact=True).click()
    meters = page.get_by_role("region", name="Both systems over time")
    expect(meters).to_contain_text(re.compile(r"freshness on [-\d]+: p95 is 9\.00 s; 5s are agreed"))
    times = meters.locator("tbody tr:has-text('Revenue by day')")
    assert times.nth(1).locator("td").all_text_contents()[2:] == ["400 ms", "400 ms", "400 ms", "3", "1"]
    assert times.nth(0).locator("td").all_text_contents()[0] == "source"
    names = [plot.get_attribute("aria-label") or "" for plot in meters.get_by_role("img").all()]
    assert [name.split(":")[0] for name in names] == [
        *("Freshness, p95", "Write latency, p95", "Revenue by day, p95", "Cost by day"),
    ]
    assert "source 3 s, lake 0.4 s" in names[2]
    expect(page.get_by_text(re.compile(r"source [34]\d\d\.\d\d EUR, lake"))).to_be_visible()
    expect(meters).to_contain_text("1.0 GB are permitted")
    assert serious(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    if width == SIZE["width"]:
        picture(page, "monitor-meters", full=True)


def test_a_known_difference_is_accepted_through_the_form_of_a_dag(see: Open, told: Live) -> None:
    told.api.wait_for_dag("accept")
    page = see("/lakeward/m/held", "viewer")
    page.locator("#checks ~ * a", has_text="kpi revenue").first.click()
    expect(page.locator(".button.shut", has_text="Accept")).to_have_attribute(
        "title", "You may not trigger the DAG accept."
    )
    check = urlsplit(page.url).path
    page.goto(f"{told.url}/lakeward/m/held/accept/sales/kpi/revenue")
    expect(page.get_by_role("button", name="Trigger")).to_have_count(0)
    page = see(check, "op")
    page.get_by_role("link", name="Accept by name").click()
    for label, text in (("Owner", "finance"), ("Why", "known since 2024"), ("Until", "2099-12-31")):
        page.get_by_label(label).fill(text)
    expect(page.get_by_role("checkbox", name="Dry run")).to_be_checked()
    assert serious(page) == []
    page.get_by_role("button", name="Trigger").click()
    page.wait_for_url(re.compile(r"/dags/accept/runs/[^/]+"))
    run = unquote(urlsplit(page.url).path.split("/")[4])
    found = told.api.request("GET", f"dags/accept/dagRuns/{quote(run)}")
    assert found["triggering_user_name"] == "op"
    said = {"owner": "finance", "why": "known since 2024", "expires": "2099-12-31", "amount": "", "dry_run": True}
    assert found["conf"] == {"migration": "held.yaml", "rule": "kpi", "subject": "revenue", "group": "sales"} | said
    until = time.monotonic() + 300
    while (state := told.api.run_state("accept", run)) not in {"success", "failed"}:
        assert time.monotonic() < until, state
        time.sleep(0.5)
    (task,) = told.api.tasks("accept", run)
    log = told.api.log("accept", run, task)
    assert state == "success", log
    assert "Nothing was written" in log


def test_nothing_that_comes_from_data_is_run(see: Open, hostile: str) -> None:
    for path in ("", "m/hostile", f"m/hostile/check/g/{'0' * 16}/kpi/k", "m/hostile/act/repair"):
        page = see(f"/lakeward/{path}", "admin")
        assert hostile in page.locator("body").inner_text() or hostile in str(
            page.locator("input[name=run]").input_value()
        )
        assert page.locator("script").count() == 1
        assert page.locator("img").count() == 0
        assert page.title() != "pwned"


def test_who_may_not_trigger_is_told_so_and_airflow_refuses_them(see: Open, told: Live) -> None:
    page = see("/lakeward/m/held", "viewer")
    shut = page.locator(".button.shut", has_text="Repair")
    expect(shut).to_have_attribute("title", "You may not trigger the DAG cutover.")
    page.goto(f"{told.url}/lakeward/m/held/act/repair")
    expect(page.get_by_role("button", name="Trigger")).to_have_count(0)
    body = {"logical_date": None, "conf": {}}
    assert page.request.post(f"{told.url}/api/v2/dags/cutover/dagRuns", data=body).status == 403


def test_an_action_fills_in_the_form_and_airflow_starts_the_run(see: Open, told: Live) -> None:
    told.api.wait_for_dag("cutover")
    page = see("/plugin/migrations/lakeward/m/held", "op")
    frame = framed(page)
    frame.get_by_role("link", name="Repair").click()
    expect(frame.get_by_label("Run", exact=False).first).to_have_value("tested")
    expect(frame.get_by_role("checkbox", name="Dry run")).to_be_checked()
    frame.get_by_label("Why").fill("looked at in a test")
    picture(page, "monitor-repair")
    frame.get_by_role("button", name="Trigger").click()
    page.wait_for_url(re.compile(r"/dags/cutover/runs/[^/]+"))
    run = told.api.request("GET", f"dags/cutover/dagRuns/{urlsplit(page.url).path.split('/')[4]}")
    assert run["triggering_user_name"] == "op"
    assert run["conf"] == {
        "migration": "held.yaml",
        "direction": "repair",
        "run": "tested",
        "why": "looked at in a test",
        "dry_run": True,
    }


def test_every_link_stays_below_a_path_prefix(told: Live) -> None:
    with httpx.Client(base_url=told.url, headers={"Authorization": told.api.authorization}, timeout=60) as client:
        for path in (
            "/lakeward/",
            "/lakeward/m/held",
            "/lakeward/dag/lift_and_shift__held",
            "/lakeward/m/held/act/repair",
            "/lakeward/m/held/accept/sales/kpi/revenue",
        ):
            links = re.findall(r'(?:href|src|data-trigger|data-done)="([^"]*)"', client.get(path).text)
            assert links
            for link in links:
                seen = urlsplit(urljoin(f"https://proxy.example/air/flow{path}", link))
                assert (seen.netloc, seen.path.startswith("/air/flow/")) == ("proxy.example", True), link
