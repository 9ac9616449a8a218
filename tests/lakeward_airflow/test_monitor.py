"""The evidence pages on a real API server: a login before every route, and nothing but evidence behind it."""

from __future__ import annotations

import json
import stat
import time
from collections.abc import Iterator
from urllib.parse import quote

import httpx
import pytest

from airflow_home import Live
from lakeward.adapters.connections import from_environment
from lakeward.adapters.objects import S3Store
from lakeward.domain.identity import dossier_prefix, evidence_prefix, maintenance_key

pytestmark = pytest.mark.timeout(900)  # servers start in a fixture, and machines are busy
CUT = "0123456789abcdef"
PAGE = f"/lakeward/evidence/small/sales/{CUT}"
TIDIED = "manual__2026-03-01T12:00:00+00:00"
REPORT = f"/lakeward/maintenance/small/{quote(TIDIED, safe='')}/clean"
DOSSIER = f"/lakeward/dossier/small/{CUT}"


@pytest.fixture(scope="module")
def store(live: Live) -> Iterator[S3Store]:
    one = S3Store("s3://landing/small", from_environment("landing"))
    prefix = evidence_prefix("small", "sales", CUT)
    one.put(f"{prefix}/kpi/a b&<c>.json", b'{"a": 1}')
    one.put(f"{prefix}/records/rows.parquet", b"PAR1")
    one.put(f"{prefix}/records/page.html", b"<script>alert(1)</script>")
    one.put("small/plans/secret.json", b"not evidence")
    one.put(maintenance_key("small", TIDIED, "clean"), b'{"dry_run": true}')
    for number, page in ((9, b"<p>old"), (10, b"<p>new")):
        one.put(f"{dossier_prefix('small', CUT)}{number:08d}.html", page)
    until = time.monotonic() + 300
    while httpx.get(
        f"{live.url}/lakeward/m/small", headers={"Authorization": live.api.authorization}, timeout=60
    ).is_error:
        assert time.monotonic() < until, "small is not planned"
        time.sleep(0.5)
    yield one
    one.close()


@pytest.fixture
def anonymous(live: Live, store: S3Store) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=live.url, trust_env=False, timeout=30) as client:
        yield client


@pytest.fixture
def known(anonymous: httpx.Client, live: Live) -> httpx.Client:
    anonymous.headers["Authorization"] = live.api.authorization
    return anonymous


@pytest.mark.parametrize(
    "path",
    [
        PAGE,
        DOSSIER,
        f"{PAGE}/records/report",
        f"{PAGE}/records/rows.parquet",
        "/lakeward/",
        "/lakeward/m/small",
        "/lakeward/dag/lift_and_shift__small",
        f"/lakeward/m/small/check/sales/{CUT}/kpi/revenue",
        "/lakeward/m/small/verify",
        "/lakeward/m/small/act/cut_over",
        "/lakeward/m/small/accept/sales/kpi/revenue",
        "/lakeward/static/style.css",
        "/lakeward/static/page.js",
        "/lakeward/docs",
        "/lakeward/openapi.json",
        "/lakeward/anything",
    ],
)
def test_every_route_needs_a_login(anonymous: httpx.Client, path: str) -> None:
    for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        assert anonymous.request(method, path).status_code in ({401} if method == "GET" else {401, 405})
    wrong = anonymous.get(path, headers={"Authorization": "Bearer eyJhbGciOiJub25lIn0.e30."})
    assert wrong.status_code in {401, 403}


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json"])
def test_the_app_does_not_describe_itself(known: httpx.Client, path: str) -> None:
    assert known.get(f"/lakeward{path}").status_code == 404


def test_the_index_lists_what_there_is(known: httpx.Client) -> None:
    page = known.get(PAGE)
    assert page.status_code == 200
    assert "kpi/a b&amp;&lt;c&gt;.json" in page.text
    assert f'href="{CUT}/kpi/a%20b%26%3Cc%3E.json"' in page.text
    assert "secret" not in page.text


def test_evidence_is_sent_so_that_a_browser_does_not_run_it(known: httpx.Client) -> None:
    assert known.get(f"{PAGE}/kpi/a b&<c>.json").json() == {"a": 1}
    page = known.get(f"{PAGE}/records/page.html")
    assert page.text == "<script>alert(1)</script>"
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "sandbox" in page.headers["Content-Security-Policy"]
    rows = known.get(f"{PAGE}/records/rows.parquet")
    assert rows.content == b"PAR1"
    assert rows.headers["Content-Disposition"].startswith("attachment")


def test_the_report_of_a_maintenance_run_is_sent_to_who_may_see_the_migration(known: httpx.Client) -> None:
    assert known.get(REPORT).json() == {"dry_run": True}
    assert known.get(REPORT.replace("clean", "expire")).status_code == 404
    assert known.get(REPORT.replace("small", "other")).status_code == 404
    del known.headers["Authorization"]
    assert known.get(REPORT).status_code == 401


def test_the_newest_dossier_of_a_run_is_sent(known: httpx.Client) -> None:
    page = known.get(DOSSIER)
    assert (page.status_code, page.text) == (200, "<p>new")
    assert "sandbox" in page.headers["Content-Security-Policy"]
    assert known.get(f"/lakeward/dossier/small/{'f' * 16}").status_code == 404
    assert known.get("/lakeward/dossier/small/..%2f..%2fplans").status_code in {404, 422}


@pytest.mark.parametrize(
    "below",
    [
        "%2e%2e/%2e%2e/%2e%2e/plans/secret.json",
        "..%2f..%2f..%2fplans%2fsecret.json",
        "kpi/%2e%2e/%2e%2e/%2e%2e/%2e%2e/plans/secret.json",
        "kpi//x.json",
        "%5c..%5cx",
        "nothing/here.json",
    ],
)
def test_nothing_outside_of_the_evidence_is_sent(live: Live, known: httpx.Client, below: str) -> None:
    answer = known.send(
        known.build_request("GET", httpx.URL(f"{live.url}{PAGE}/").copy_with(raw_path=f"{PAGE}/{below}".encode()))
    )
    assert answer.status_code == 404
    assert "not evidence" not in answer.text


@pytest.mark.parametrize(
    "path", ["/lakeward/evidence/other/sales", "/lakeward/evidence/small/SALES", "/lakeward/evidence/small/sa..les"]
)
def test_unknown_migrations_and_odd_names_are_refused(known: httpx.Client, path: str) -> None:
    assert known.get(f"{path}/{CUT}").status_code in {404, 422}


def test_the_password_file_is_for_its_owner_alone(live: Live) -> None:
    file = live.home.parent / "airflow" / "passwords.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(json.loads(file.read_text())["admin"]) >= 12
