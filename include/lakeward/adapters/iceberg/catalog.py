"""Opening a catalog, and saying in plain words what it answers when it refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import requests
from botocore.exceptions import BotoCoreError
from pydantic import ValidationError
from pyiceberg import exceptions as iceberg
from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.catalog.rest import RestCatalog
from sqlalchemy.exc import SQLAlchemyError

from lakeward.adapters.iceberg.properties import CONNECTION, is_true, secrets_of
from lakeward.adapters.iceberg.read import keys_of
from lakeward.adapters.refusals import FULL, SKEWED, is_full, is_skewed
from lakeward.errors import LakeError, LakewardError, redact

if TYPE_CHECKING:
    from requests import Session

TIMEOUT = (10.0, 120.0)
"""Seconds to connect and to wait for an answer; PyIceberg itself waits for ever."""
_NESTED = ("auth", "ssl")
DRIVER_ERRORS: tuple[type[Exception], ...] = (
    requests.RequestException,
    iceberg.RESTError,
    iceberg.OAuthError,
    iceberg.NoSuchTableError,
    iceberg.NoSuchNamespaceError,
    iceberg.CommitFailedException,
    iceberg.CommitStateUnknownException,
    iceberg.ValidationException,
    iceberg.NotInstalledError,
    BotoCoreError,
    SQLAlchemyError,
    ValidationError,
    OSError,
)


class RestCatalogWithTimeout(RestCatalog):
    """PyIceberg's REST catalog, whose calls end."""

    def _create_session(self) -> Session:
        session = super()._create_session()
        setattr(session, "request", partial(session.request, timeout=TIMEOUT))  # noqa: B010 - mypy forbids the assignment
        return session


def open_catalog(properties: Mapping[str, str]) -> Catalog:
    """Connect; LakeError when the catalog is unreachable, refuses the keys or does not know the warehouse."""
    given: dict[str, str] = {name: value for name, value in properties.items() if not name.startswith("lakeward.")}
    name = properties.get(CONNECTION, "lakeward")
    if is_true(given, "rest.sigv4-enabled") and not any(keys_of(given, "client", "s3")):
        raise LakeError(
            f"Connection {name!r} has no keys to sign catalog calls with.",
            todo="Give it login (access key) and password (secret key), or client.access-key-id and client.secret-access-key.",
        )
    with explained(properties, "open the catalog", ValueError, KeyError):
        nested = {key: json.loads(given[key]) for key in _NESTED if given.get(key, "").startswith("{")}
        if given.get("type") == "rest":
            return RestCatalogWithTimeout(name, **{**given, **nested})
        try:
            return load_catalog(name, **{**given, **nested})
        except (
            SQLAlchemyError
        ):  # two workers that are the first ones make the catalog's own tables at once, and one fails
            return load_catalog(name, **{**given, **nested})


@contextmanager
def explained(properties: Mapping[str, str], doing: str, *more: type[Exception]) -> Iterator[None]:
    """Turn what drivers raise into LakeError, without the secrets.

    :param doing: completes "Could not ...".
    :param more: kinds of errors that count as the driver's here.
    """
    try:
        yield
    except LakewardError:
        raise
    except (*DRIVER_ERRORS, *more) as error:
        said = redact(_short(error), secrets_of(properties))
        where = redact(properties.get("uri", "no uri"), secrets_of(properties))
        label = f"catalog {where} (connection {properties.get(CONNECTION, 'not named')!r})"
        reason, todo = _reason(error, properties)
        raise LakeError(f"Could not {doing}: {reason.format(catalog=label)} It said: {said}", todo=todo) from None


def _short(error: BaseException) -> str:
    text = f"{type(error).__name__}: {error}".strip()
    return text if len(text) <= 500 else f"{text[:500]}..."


_KEYS = (
    "Check the connection's keys and the rights of their policy. On AIStor a key made before its policy was attached keeps the "
    "old one: attach the policy, then create the key. client.access-key-id and client.secret-access-key sign catalog calls."
)
_NAMES = "AIStor allows namespaces of one level; their names and those of tables are made of a-z, 0-9 and _, with no _ at either end."
_SQL = "Check the connection's uri (sqlite:////folder/catalog.db or postgresql+psycopg://host/database), login and password."
_REASONS: tuple[tuple[tuple[type[Exception], ...], str, str], ...] = (
    (
        (iceberg.UnauthorizedError, iceberg.ForbiddenError, iceberg.OAuthError, BotoCoreError),
        "the {catalog} refuses the keys.",
        _KEYS,
    ),
    ((iceberg.NoSuchTableError,), "the {catalog} has no such table.", "Run the prepare step first."),
    ((iceberg.BadRequestError,), "the {catalog} refuses the request.", _NAMES),
    (
        (requests.ConnectionError, requests.Timeout),
        "the {catalog} can't be reached.",
        "Check the connection's host, and that the catalog is up; then run the step again.",
    ),
    (
        (requests.RequestException, iceberg.ServerError, iceberg.ServiceUnavailableError, iceberg.TooManyRequestsError),
        "the {catalog} fails.",
        "Run the step again when the catalog is well; its log says what ails it.",
    ),
    ((SQLAlchemyError,), "the SQL {catalog} can't be used.", _SQL),
)


def _reason(error: Exception, properties: Mapping[str, str]) -> tuple[str, str]:
    """A sentence with ``{catalog}`` in it, and what to do."""
    if is_skewed(str(error)):
        return "the {catalog} refuses the time of our requests.", SKEWED
    if is_full(str(error)):
        return "{catalog} or its object store has no room left.", FULL
    if isinstance(error, iceberg.RESTError) and "warehouse" in str(error).lower():
        return _unknown_warehouse(properties)
    for kinds, reason, todo in _REASONS:
        if isinstance(error, kinds):
            return reason, todo
    if isinstance(error, OSError):
        return _store_refuses(str(error), properties)
    return "the {catalog} did not answer as expected.", "Check the connection's host and extras."


def _unknown_warehouse(properties: Mapping[str, str]) -> tuple[str, str]:
    name = properties.get("warehouse", "")
    return (
        f"the {{catalog}} has no warehouse {name!r}.",
        "Check the extra `warehouse`. On AIStor it is a plain name, made by POST /_iceberg/v1/warehouses.",
    )


def _store_refuses(text: str, properties: Mapping[str, str]) -> tuple[str, str]:
    store = properties.get("s3.endpoint") or properties.get("warehouse") or "the catalog's object store"
    if any(word in text for word in ("ACCESS_DENIED", "SIGNATURE_DOES_NOT_MATCH", "INVALID_ACCESS_KEY_ID")):
        return (
            f"the object store {store} of {{catalog}} refuses the keys.",
            "Check s3.access-key-id, s3.secret-access-key and the rights of their policy.",
        )
    return (
        f"the object store {store} of {{catalog}} does not answer.",
        "Check s3.endpoint, and that the store is up; for a local warehouse, that the folder can be written.",
    )
