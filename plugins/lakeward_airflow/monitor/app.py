"""lakeward's pages: a login before every route, what Airflow lets the user see behind it, and no page that describes the app."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cache

from airflow.api_fastapi.core_api.security import requires_authenticated
from fastapi import Depends, FastAPI, HTTPException, Request, Response, status

from lakeward.errors import LakewardError
from lakeward_airflow.monitor import act, check, evidence, migration, overview, pages

_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'self'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, no-store",
    "Referrer-Policy": "same-origin",
}


@cache
def build() -> FastAPI:
    """The app."""
    app = FastAPI(
        title="lakeward",
        dependencies=[Depends(requires_authenticated())],
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    app.middleware("http")(_guarded)
    app.exception_handler(HTTPException)(pages.failed)
    app.exception_handler(LakewardError)(pages.failed)  # the ledger does not answer
    app.get("/")(overview.page)
    app.get("/dag/{dag_id}")(migration.tab)
    app.get("/m/{migration}")(migration.page)
    app.get("/m/{migration}/check/{group}/{cut}/{kind}/{subject}")(check.page)
    app.get("/m/{migration}/verify")(migration.verified)
    app.get("/m/{migration}/act/{what}")(act.page)
    app.get("/m/{migration}/accept/{group}/{kind}/{subject}")(act.accept)
    app.get("/static/{name}")(pages.static)
    app.get("/evidence/{migration}/sealed/{evidence_hash}")(evidence.sealed)
    app.get("/dossier/{migration}/{run}")(evidence.dossier)
    app.get("/evidence/{migration}/{group}/{cut}")(evidence.index)
    app.get("/evidence/{migration}/{group}/{cut}/records/report")(evidence.newest_report)
    app.get("/evidence/{migration}/{group}/{cut}/{key:path}")(evidence.evidence_object)
    app.get("/maintenance/{migration}/{run_id}/{task}")(evidence.maintenance)
    app.api_route("/{path:path}", methods=_METHODS)(_nothing)
    return app


def _nothing(path: str) -> Response:
    """Who is not logged in does not even learn what there is not."""
    raise HTTPException(status.HTTP_404_NOT_FOUND, f"There is no page {path!r}.")


async def _guarded(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await call_next(request)
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    return response
