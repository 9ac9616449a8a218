"""Catalog properties from an Airflow connection of type ``iceberg``: the same ones that the provider's hook makes of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

if TYPE_CHECKING:
    from lakeward.adapters.connections import Connection

CONNECTION = "lakeward.connection"
"""Holds the connection's id, for messages; it is also the catalog's name, as with the provider's hook."""
MULTI_TABLE_COMMIT = "lakeward.multi-table-commit"
"""``auto``, ``required`` or ``off``."""

_SECRET_WORDS = ("secret", "password", "token", "credential", "private", "account-key", "connection-string")
_KEYS = ("access-key-id", "secret-access-key", "session-token")


def properties_from(connection: Connection) -> dict[str, str]:
    """PyIceberg's properties: the extras, with host, login and password in the places where each kind of catalog wants them.

    Nested extras (``auth``, ``ssl``) become JSON text. With SigV4, login and password are access key and secret key, and what
    AIStor and S3 Tables need beside them is filled in, unless the extras say otherwise.
    """
    found = {name: _text(value) for name, value in connection.extra.items() if value is not None}
    found.setdefault("type", "rest")
    if "multi_table_commit" in found:
        found[MULTI_TABLE_COMMIT] = found.pop("multi_table_commit")
    found[CONNECTION] = connection.conn_id
    if host := (connection.host or "").rstrip("/"):
        found["uri"] = _uri(host, connection.port, found["type"])
    login, password = connection.login or "", connection.password or ""
    if found["type"] == "sql":
        found["uri"] = _with_login(found.get("uri", ""), login, password)
    if is_true(found, "rest.sigv4-enabled"):
        _fill_in_sigv4(found, login, password)
    elif found["type"] == "rest" and login and password:
        found["credential"] = f"{login}:{password}"
    if found["type"] == "rest" and "credential" in found and "uri" in found:
        found.setdefault("oauth2-server-uri", f"{found['uri']}/v1/oauth/tokens")  # PyIceberg's default, said aloud
    _fill_in_store(found)
    return found


def is_true(properties: Mapping[str, str], name: str) -> bool:
    """Whether a property is switched on."""
    return properties.get(name, "").lower() in {"true", "1", "yes", "on"}


def secrets_of(properties: Mapping[str, str]) -> tuple[str, ...]:
    """Every value that must never be shown: those inside nested properties and a catalog's URL too."""
    found = [value for name, value in properties.items() if any(word in name.lower() for word in _SECRET_WORDS)]
    if ":" in properties.get("credential", ""):
        found.append(properties["credential"].split(":", 1)[1])
    if properties.get("auth", "").startswith("{"):
        found += _leaves(json.loads(properties["auth"]))
    try:
        password = urlsplit(properties.get("uri", "")).password or ""
    except ValueError:
        password = ""
    found += [password, unquote(password)]
    return tuple(value for value in found if value and value.lower() not in {"true", "false"})


def _leaves(nested: object) -> list[str]:
    """Texts in nested properties, the words that only choose a kind left out."""
    if isinstance(nested, dict):
        return [leaf for key, value in nested.items() if key not in {"type", "impl"} for leaf in _leaves(value)]
    return [nested] if isinstance(nested, str) else []


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value)  # true, 5, {"type": ...}: as PyIceberg writes them


def _uri(host: str, port: int | None, kind: str) -> str:
    if "://" in host or host.startswith("sqlite:") or kind != "rest":
        return host
    name, slash, path = host.partition("/")
    return f"https://{name}{f':{port}' if port else ''}{slash}{path}"


def _with_login(uri: str, login: str, password: str) -> str:
    parts = urlsplit(uri)
    if not login or not parts.hostname or parts.username:
        return uri
    user = quote(login, safe="") + (f":{quote(password, safe='')}" if password else "")
    return parts._replace(netloc=f"{user}@{parts.netloc}").geturl()


def _fill_in_sigv4(found: dict[str, str], login: str, password: str) -> None:
    """The ``s3.*`` keys don't sign catalog calls, and the ``client.*`` keys are what signs them: each stands in for the other."""
    for name, value in (("access-key-id", login), ("secret-access-key", password)):
        if value:
            found.setdefault(f"client.{name}", value)
    for name in _KEYS:
        for here, there in (("client", "s3"), ("s3", "client")):
            if f"{there}.{name}" in found:
                found.setdefault(f"{here}.{name}", found[f"{there}.{name}"])
    found.setdefault("rest.signing-name", "s3tables")
    region = found.get("rest.signing-region") or found.get("client.region") or found.get("s3.region") or "us-east-1"
    for name in ("rest.signing-region", "client.region", "s3.region"):
        found.setdefault(name, region)
    parts = urlsplit(found.get("uri", ""))
    if parts.path.rstrip("/") == "/_iceberg":  # AIStor: the catalog is on the S3 endpoint itself
        found.setdefault("s3.endpoint", f"{parts.scheme}://{parts.netloc}")


def _fill_in_store(found: dict[str, str]) -> None:
    """Without a region PyIceberg asks AWS for the bucket's, whatever the endpoint is."""
    if "s3.endpoint" in found or "s3.access-key-id" in found:
        found.setdefault("s3.region", found.get("client.region", "us-east-1"))
    if "s3.path-style-access" in found:
        found.setdefault("s3.force-virtual-addressing", str(not is_true(found, "s3.path-style-access")).lower())
