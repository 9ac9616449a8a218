"""What AIStor Tables demands of names and the stand-in does not: the front checks it before the catalog sees a request."""

from __future__ import annotations

import json
import re
from urllib.parse import unquote

_NAME = re.compile(r"[a-z0-9]([a-z0-9_]*[a-z0-9])?")
_WAREHOUSE = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_LEVELS = "\x1f"


class BadNameError(Exception):
    """A name that AIStor Tables refuses with 400."""


def warehouse_name(body: bytes) -> tuple[str, bool]:
    """Name and `upgrade-existing` of a request for a new warehouse; raises BadNameError."""
    sent = _object(body)
    name, upgrade = sent.get("name"), sent.get("upgrade-existing", False)
    if not isinstance(name, str) or not _WAREHOUSE.fullmatch(name):
        raise BadNameError(f"warehouse name {name!r}: 3 to 63 of a-z, 0-9 and '-', no '-' at either end, are expected")
    if not isinstance(upgrade, bool):
        raise BadNameError(f"upgrade-existing must be true or false, not {upgrade!r}")
    return name, upgrade


def check_names(method: str, path: str, body: bytes) -> None:
    """Raise BadNameError when a catalog request (path below `/v1/`) creates or names what AIStor would refuse."""
    parts = [unquote(part) for part in path.split("/")]
    if "namespaces" in parts[:2]:
        at = parts.index("namespaces")
        if parts[at + 1 : at + 2] and _LEVELS in parts[at + 1]:
            raise BadNameError(f"namespace {parts[at + 1].split(_LEVELS)}: namespaces have one level")
        if method == "POST" and len(parts) == at + 1:
            _check_namespace(_object(body).get("namespace"))
        if method == "POST" and parts[at + 2 :] in (["tables"], ["register"], ["views"]):
            _check_name("table", _object(body).get("name"))
    if method == "POST" and parts[-2:] == ["tables", "rename"]:
        destination = _object(body).get("destination")
        if isinstance(destination, dict):
            _check_namespace(destination.get("namespace"))
            _check_name("table", destination.get("name"))


def _check_namespace(levels: object) -> None:
    if not isinstance(levels, list) or len(levels) != 1:
        raise BadNameError(f"namespace {levels!r}: namespaces have one level")
    _check_name("namespace", levels[0])


def _check_name(kind: str, name: object) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise BadNameError(f"{kind} name {name!r}: only a-z, 0-9 and '_' are allowed, and no '_' at either end")


def _object(body: bytes) -> dict[str, object]:
    try:
        sent = json.loads(body)
    except ValueError:
        raise BadNameError("the body is not JSON") from None
    if not isinstance(sent, dict):
        raise BadNameError("the body must be a JSON object")
    return sent
