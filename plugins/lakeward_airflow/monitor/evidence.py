"""Evidence as pages: everything below a migration's evidence prefix, and nothing else."""

from __future__ import annotations

from html import escape
from pathlib import PurePosixPath
from urllib.parse import quote

from fastapi import HTTPException, Response, status

from lakeward.domain.identity import dossier_prefix, evidence_prefix, maintenance_key, sealed_key, verdict_key
from lakeward.errors import LakewardError
from lakeward.ports import ObjectStore
from lakeward.steps.gate import read_verdict
from lakeward_airflow.monitor.access import Cut, Hash, Name, User, evidence_of, readable

_KINDS = {".html": "text/html; charset=utf-8", ".json": "application/json", ".txt": "text/plain; charset=utf-8"}
_HEADERS = {
    # Reports show values from the source: whatever those hold, the browser neither runs nor fetches anything.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox allow-popups",
}


def index(migration: Name, group: Name, cut: Cut, user: User) -> Response:
    """Every object of a cut's evidence, as a page of links."""
    prefix = evidence_prefix(migration, group, cut) + "/"
    with evidence_of(readable(migration, user)) as store:
        found = sorted(store.list(prefix))
    if not found:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "There is no evidence of that cut.")
    rows = "".join(_row(key.removeprefix(prefix), size, cut) for key, size in found)
    title = escape(f"Evidence: {migration}, {group}, cut {cut}")
    page = f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title>{_STYLE}<h1>{title}</h1><table>{rows}</table>"
    return Response(page, media_type=_KINDS[".html"], headers=_HEADERS)


def sealed(migration: Name, evidence_hash: Hash, user: User) -> Response:
    """The whole evidence that an approval binds to."""
    with evidence_of(readable(migration, user)) as store:
        return _send(store, sealed_key(migration, evidence_hash))


def dossier(migration: Name, run: Cut, user: User) -> Response:
    """The newest dossier of a run."""
    with evidence_of(readable(migration, user)) as store:
        found = [key for key, _ in store.list(dossier_prefix(migration, run))]
        if not found:
            raise HTTPException(status.HTTP_404_NOT_FOUND, "That run has no dossier yet: its gate writes one.")
        return _send(store, max(found))


def newest_report(migration: Name, group: Name, cut: Cut, user: User) -> Response:
    """The report on the record rules."""
    prefix = f"{evidence_prefix(migration, group, cut)}/records/"
    with evidence_of(readable(migration, user)) as store:
        found = [read_verdict(store, key) for key, _ in store.list(prefix) if key.endswith(".json")]
        if not found:
            raise HTTPException(status.HTTP_404_NOT_FOUND, "The record rules have not been put to that cut yet.")
        newest = max(found, key=lambda verdict: verdict.decided_at)
        key = verdict_key(migration, group, cut, newest.kind, newest.subject, newest.inputs_hash)
        return _send(store, f"{key.removesuffix('.json')}.html")


def evidence_object(migration: Name, group: Name, cut: Cut, key: str, user: User) -> Response:
    """One object below the cut's evidence prefix."""
    card = readable(migration, user)
    if any(part in {"", ".", ".."} or "\\" in part or "\x00" in part for part in key.split("/")):
        raise HTTPException(status.HTTP_404_NOT_FOUND, "There is no such evidence.")
    with evidence_of(card) as store:
        return _send(store, f"{evidence_prefix(migration, group, cut)}/{key}")


def maintenance(migration: Name, run_id: str, task: Name, user: User) -> Response:
    """What a maintenance task found, or has removed."""
    with evidence_of(readable(migration, user)) as store:
        return _send(store, maintenance_key(migration, run_id, task))


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
