"""Airflow connections without Airflow: `AIRFLOW_CONN_<ID>` as a URI or as JSON, read as Airflow itself reads them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

from lakeward.errors import SpecError

_SECRET_WORDS = ("secret", "password", "token", "credential", "private", "auth")
_FIELDS = ("conn_type", "host", "login", "password", "schema")
_EXAMPLE = '{"conn_type": "postgres", "host": "db.example.org", "port": 5432, "login": "reader", "password": "...", "schema": "shop"}'


@dataclass(frozen=True, slots=True)
class Connection:
    """How a system is reached. Its repr shows neither the password nor the extras, which may hold keys."""

    conn_id: str
    conn_type: str = ""
    host: str = ""
    port: int | None = None
    login: str = ""
    password: str = field(default="", repr=False)
    schema: str = ""
    extra: Mapping[str, object] = field(default_factory=dict, repr=False)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every value that must never be shown."""
        found = [str(v) for k, v in self.extra.items() if v and any(word in k.lower() for word in _SECRET_WORDS)]
        return tuple(value for value in (self.password, *found) if value)


def variable(conn_id: str) -> str:
    """The environment variable that holds a connection."""
    return f"AIRFLOW_CONN_{conn_id.upper()}"


def from_environment(conn_id: str) -> Connection:
    """The connection of that id; SpecError when it is not there or can't be read, never showing what it holds."""
    name = variable(conn_id)
    value = os.environ.get(name, "").strip()
    if not value:
        raise SpecError(
            f"There is no connection {conn_id!r}: {name} is not set.",
            todo=f"export {name}='{_EXAMPLE}', or a URI: postgres://reader:...@db.example.org:5432/shop. "
            "`lakeward lab env` prints those of the lab.",
        )
    try:
        return from_json(conn_id, value) if value.startswith("{") else from_uri(conn_id, value)
    except (ValueError, TypeError):  # the reason would quote the value, and the value holds the password
        raise SpecError(
            f"{name} can't be read: it is neither a connection's URI nor its JSON form.",
            todo=f"Write it as {_EXAMPLE}; in a URI percent-encode login, password and host.",
        ) from None


def from_json(conn_id: str, text: str) -> Connection:
    """Read the JSON form; ``extra`` is an object or its JSON text. ValueError when it is another thing."""
    found = json.loads(text)
    extra = found.get("extra") or {}
    if isinstance(extra, str):
        extra = json.loads(extra)
    if not isinstance(extra, dict):
        raise TypeError("extra is no object")
    values = {name: str(found.get(name) or "") for name in _FIELDS}
    values["conn_type"] = _kind(values["conn_type"])
    port = found.get("port")
    return Connection(conn_id=conn_id, port=int(port) if port else None, extra=extra, **values)


def from_uri(conn_id: str, uri: str) -> Connection:
    """Read the URI form: parts percent-encoded, a second scheme before the host kept with it, extras as query or `__extra__`."""
    kind, found, rest = uri.partition("://")
    if not found or not kind:
        raise ValueError("no scheme")
    inner, second, tail = rest.partition("://")
    scheme = ""
    if second and not any(c in inner for c in "@:/?"):
        scheme, rest = f"{inner}://", tail
    parts = urlsplit(f"//{rest}")
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    extra = json.loads(query["__extra__"]) if "__extra__" in query else {k: _value(v) for k, v in query.items()}
    if not isinstance(extra, dict):
        raise TypeError("extra is no object")
    host = unquote(_host(parts.netloc))
    return Connection(
        conn_id=conn_id,
        conn_type=_kind(kind),
        host=f"{scheme}{host}" if host else "",
        port=parts.port,
        login=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        schema=unquote(parts.path[1:]),
        extra=extra,
    )


def _kind(conn_type: str) -> str:
    return "postgres" if conn_type == "postgresql" else conn_type.replace("-", "_")


def _host(netloc: str) -> str:
    """The host as it is written: `urlsplit().hostname` would make the path of a percent-encoded URL small letters."""
    host = netloc.rpartition("@")[2]
    return host[1 : host.index("]")] if host.startswith("[") else host.partition(":")[0]


def _value(text: str) -> object:
    """JSON objects and lists are what they say; everything else stays the text that it is."""
    if not text.startswith(("{", "[")):
        return text
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
