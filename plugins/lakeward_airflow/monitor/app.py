"""Evidence as pages: everything below a migration's evidence prefix, nothing else, and nothing without a login."""

from __future__ import annotations

from functools import cache
from html import escape
from pathlib import PurePosixPath
from typing import Annotated
from urllib.parse import quote

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.core_api.security import GetUserDep, requires_authenticated
from airflow.models.dag import DagModel
from fastapi import Depends, FastAPI, HTTPException, Path, Response, status

from lakeward.domain.identity import dossier_prefix, evidence_prefix, maintenance_key, sealed_key, verdict_key
from lakeward.errors import LakewardError
from lakeward.ports import ObjectStore
from lakeward.spec.models import AnyMigration
from lakeward.steps.gate import read_verdict
from lakeward_airflow.monitor.store import find_migration, open_evidence

Name = Annotated[str, Path(pattern=r"^[a-z0-9]([a-z0-9_]*[a-z0-9])?$", max_length=200)]
Hash = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")]
Cut = Annotated[str, Path(pattern=r"^[0-9a-f]{16}$")]

_KINDS = {".html": "text/html; charset=utf-8", ".json": "application/json", ".txt": "text/plain; charset=utf-8"}
_HEADERS = {
    # Reports show values from the source: whatever those hold, the browser neither runs nor fetches anything.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox allow-popups",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, no-store",
    "Referrer-Policy": "no-referrer",
}


@cache
def build() -> FastAPI:
    """The app, with Airflow's login before every route and no page that describes it."""
    app = FastAPI(
        title="lakeward",
        dependencies=[Depends(requires_authenticated())],
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    app.get("/evidence/{migration}/sealed/{evidence_hash}")(sealed)
    app.get("/dossier/{migration}/{run}")(dossier)
    app.get("/evidence/{migration}/{group}/{cut}")(index)
    app.get("/evidence/{migration}/{group}/{cut}/records/report")(newest_report)
    app.get("/evidence/{migration}/{group}/{cut}/{key:path}")(evidence_object)
    app.get("/maintenance/{migration}/{run_id}/{task}")(maintenance)
    return app


def index(migration: Name, group: Name, cut: Cut, user: GetUserDep) -> Response:
    """Every object of a cut's evidence, as a page of links."""
    store = _store(_readable(migration, user))
    prefix = evidence_prefix(migration, group, cut) + "/"
    found = sorted(store.list(prefix))
    if not found:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "There is no evidence of that cut.")
    rows = "".join(_row(key.removeprefix(prefix), size, cut) for key, size in found)
    title = escape(f"Evidence: {migration}, {group}, cut {cut}")
    page = f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title>{_STYLE}<h1>{title}</h1><table>{rows}</table>"
    return Response(page, media_type=_KINDS[".html"], headers=_HEADERS)


def sealed(migration: Name, evidence_hash: Hash, user: GetUserDep) -> Response:
    """The whole evidence that an approval binds to."""
    return _send(_store(_readable(migration, user)), sealed_key(migration, evidence_hash))


def dossier(migration: Name, run: Cut, user: GetUserDep) -> Response:
    """The newest dossier of a run."""
    store = _store(_readable(migration, user))
    found = [key for key, _ in store.list(dossier_prefix(migration, run))]
    if not found:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "That run has no dossier yet: its gate writes one.")
    return _send(store, max(found))


def newest_report(migration: Name, group: Name, cut: Cut, user: GetUserDep) -> Response:
    """The report on the record rules."""
    store = _store(_readable(migration, user))
    prefix = f"{evidence_prefix(migration, group, cut)}/records/"
    found = [read_verdict(store, key) for key, _ in store.list(prefix) if key.endswith(".json")]
    if not found:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "The record rules have not been put to that cut yet.")
    newest = max(found, key=lambda verdict: verdict.decided_at)
    key = verdict_key(migration, group, cut, newest.kind, newest.subject, newest.inputs_hash)
    return _send(store, f"{key.removesuffix('.json')}.html")


def evidence_object(migration: Name, group: Name, cut: Cut, key: str, user: GetUserDep) -> Response:
    """One object below the cut's evidence prefix."""
    migrating = _readable(migration, user)
    if any(part in {"", ".", ".."} or "\\" in part or "\x00" in part for part in key.split("/")):
        raise HTTPException(status.HTTP_404_NOT_FOUND, "There is no such evidence.")
    return _send(_store(migrating), f"{evidence_prefix(migration, group, cut)}/{key}")


def maintenance(migration: Name, run_id: str, task: Name, user: GetUserDep) -> Response:
    """What a maintenance task found, or has removed."""
    return _send(_store(_readable(migration, user)), maintenance_key(migration, run_id, task))


def _readable(name: str, user: GetUserDep) -> AnyMigration:
    """The migration, if the user may see the runs of its DAG; who may not learns nothing about what there is."""
    spec = find_migration(name)
    if spec is not None:
        dag_id = f"{spec.pattern}__{spec.migration}"
        details = DagDetails(id=dag_id, team_name=DagModel.get_team_name(dag_id))
        if get_auth_manager().is_authorized_dag(
            method="GET", access_entity=DagAccessEntity.RUN, details=details, user=user
        ):
            return spec
    raise HTTPException(status.HTTP_404_NOT_FOUND, "There is no such migration, or you may not see it.")


def _store(spec: AnyMigration) -> ObjectStore:
    try:
        return open_evidence(spec)
    except LakewardError as error:
        raise HTTPException(status.HTTP_502_BAD_GATEWAY, str(error)) from None


def _send(store: ObjectStore, key: str) -> Response:
    try:
        found = store.get(key)
    except LakewardError as error:
        raise HTTPException(status.HTTP_502_BAD_GATEWAY, str(error)) from None
    if found is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "There is no such evidence.")
    name = PurePosixPath(key)
    kind = _KINDS.get(name.suffix)
    download = {} if kind else {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name.name)}"}
    return Response(found[0], media_type=kind or "application/octet-stream", headers=_HEADERS | download)


def _row(key: str, size: int, cut: str) -> str:
    return f'<tr><td><a href="{quote(cut)}/{quote(key)}">{escape(key)}</a></td><td class=n>{size:,} bytes</td></tr>'


_STYLE = (
    "<style>body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;color-scheme:light dark}"
    "h1{font-size:1.2rem}table{border-collapse:collapse;width:100%}td{padding:.3rem .5rem;border-bottom:1px solid #8884}"
    ".n{text-align:right;font-variant-numeric:tabular-nums}</style>"
)
