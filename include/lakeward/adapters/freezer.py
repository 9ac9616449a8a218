"""Freezing a source by two procedures of its own, or by two HTTP endpoints: named in the migration file, and nothing more."""

from __future__ import annotations

import urllib.error
import urllib.request
from base64 import b64encode

import psycopg

from lakeward.adapters.connections import Connection
from lakeward.adapters.postgres.session import Session
from lakeward.domain.sql import ident
from lakeward.errors import SourceError, redact
from lakeward.spec.models import FreezeSpec
from lakeward.spec.names import split_table

_PATIENCE = 60.0
_TODO = "Find out whether writers are kept out, and mend the hook; what it does must bear being done again."


class ProcedureFreezer:
    """Calls ``schema.procedure`` without arguments, each in a transaction of its own."""

    def __init__(self, connection: Connection, spec: FreezeSpec) -> None:
        self._session, self._spec = Session(connection), spec

    def freeze(self) -> None:
        """Keep writers out."""
        self._call(self._spec.freeze)

    def lift(self) -> None:
        """Let writers in."""
        self._call(self._spec.lift)

    def _call(self, procedure: str) -> None:
        schema, name = split_table(procedure)
        with self._session.errors(f"calling {procedure}"):
            writing = self._session.conninfo(
                default_transaction_read_only="off", statement_timeout=str(int(_PATIENCE * 1000))
            )
            with psycopg.connect(writing, autocommit=True) as con:
                con.execute(f"CALL {ident(schema)}.{ident(name)}()".encode())


class HttpFreezer:
    """Posts to a path of a connection; every answer but 2xx is a refusal."""

    def __init__(self, connection: Connection, spec: FreezeSpec) -> None:
        self._connection, self._spec = connection, spec

    def freeze(self) -> None:
        """Keep writers out."""
        self._post(self._spec.freeze)

    def lift(self) -> None:
        """Let writers in."""
        self._post(self._spec.lift)

    def _post(self, path: str) -> None:
        c = self._connection
        host = c.host if "://" in c.host else f"{c.schema or 'https'}://{c.host}"
        url = f"{host}{f':{c.port}' if c.port else ''}/{path.lstrip('/')}"
        asked = urllib.request.Request(url, data=b"", method="POST")  # noqa: S310 - the connection's own URL
        if c.login:
            asked.add_header("Authorization", f"Basic {b64encode(f'{c.login}:{c.password}'.encode()).decode()}")
        try:
            with urllib.request.urlopen(asked, timeout=_PATIENCE):  # noqa: S310
                return
        except (urllib.error.URLError, OSError, ValueError) as error:
            said = redact(str(error), c.secrets)
            raise SourceError(f"POST to {path} at connection {c.conn_id}: {said}", todo=_TODO) from None
