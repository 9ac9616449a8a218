"""One port that behaves as AIStor Tables: S3 at the root, the Iceberg catalog, SigV4 only, at `/_iceberg`.

Run as `python -m lakeward.lab.front`. S3 requests are streamed through untouched, `Host` included, so that the store
verifies the client's own signature. Catalog requests are verified here and signed anew for the store.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs

from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout, DummyCookieJar, TCPConnector, web
from multidict import CIMultiDict
from yarl import URL

from lakeward.lab.catalog_rules import BadNameError, check_names, warehouse_name
from lakeward.lab.sigv4 import Request, SignatureRefusedError, sign, verify
from lakeward.lab.state import Credentials

SIGNING_NAME = "s3tables"
MAX_CATALOG_BODY = 64 * 2**20
BUFFER = 2**20
# Headers of one connection, not of the message: a proxy must not pass them on.
_HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
)


@dataclass(frozen=True, slots=True)
class Front:
    """The handlers of the one port; `store` and `catalog` are the URLs behind it."""

    store: str
    catalog: str
    keys: Credentials
    session: ClientSession

    async def pass_through(self, request: web.Request) -> web.StreamResponse:
        """Stream an S3 request to the store and its answer back."""
        headers = _end_to_end(request.headers)
        headers.popall("Expect", None)  # answered here, by the server
        try:
            async with self.session.request(
                request.method,
                URL(self.store + request.raw_path, encoded=True),
                headers=headers,
                data=request.content.iter_any() if request.body_exists else None,
                skip_auto_headers=("User-Agent", "Content-Type", "Accept", "Accept-Encoding"),
                allow_redirects=False,
            ) as answer:
                return await _stream_back(request, answer)
        except ClientError as error:
            text = f"<Error><Code>ServiceUnavailable</Code><Message>{type(error).__name__}</Message></Error>"
            return web.Response(status=503, text=text, content_type="application/xml")

    async def serve_catalog(self, request: web.Request) -> web.StreamResponse:
        """Verify a catalog request, hold it to AIStor's rules, and hand it on under a signature of our own."""
        body = await request.read()
        received = Request(request.method, request.raw_path, tuple(request.headers.items()), body)
        keys = self.keys
        try:
            verify(
                received,
                access_key=keys.access_key,
                secret_key=keys.secret_key,
                service=SIGNING_NAME,
                now=datetime.now(UTC),
            )
        except SignatureRefusedError as refused:
            kind = "NotAuthorizedException" if refused.status == 401 else "ForbiddenException"
            return _error(refused.status, kind, str(refused))
        target = request.raw_path.removeprefix("/_iceberg")
        path = target.partition("?")[0].removeprefix("/v1/")
        try:
            if path == "warehouses" and request.method == "POST":
                name, upgrade = warehouse_name(body)
                return await self._create_warehouse(name, upgrade=upgrade)
            check_names(request.method, path, body)
            if path == "config":
                await self._require_warehouse(request)
        except BadNameError as bad:
            return _error(400, "BadRequestException", str(bad))
        except LookupError as unknown:
            return _error(404, "NoSuchWarehouseException", str(unknown.args[0]))
        sent = {name: value for name in ("Content-Type", "Idempotency-Key") if (value := request.headers.get(name))}
        status, answer = await self._ask(request.method, self.catalog + target, body, sent)
        return web.Response(status=status, body=answer, content_type="application/json" if answer else None)

    async def _create_warehouse(self, name: str, *, upgrade: bool) -> web.Response:
        body = json.dumps({"name": name}).encode()
        status, answer = await self._ask("PUT", f"{self.store}/buckets", body, {"Content-Type": "application/json"})
        if status == 409 and upgrade and name in await self._warehouses():
            status = 200
        if status == 200:
            return web.json_response({"name": name})
        message = json.loads(answer or b"{}").get("message", "the store refused")
        return _error(status, {409: "AlreadyExistsException"}.get(status, "BadRequestException"), message)

    async def _warehouses(self) -> set[str]:
        _, answer = await self._ask("GET", f"{self.store}/buckets", b"", {})
        return {bucket["name"] for bucket in json.loads(answer)["tableBuckets"]}

    async def _require_warehouse(self, request: web.Request) -> None:
        """Raise LookupError when the client configures itself for a warehouse that is not there."""
        name = parse_qs(request.raw_path.partition("?")[2]).get("warehouse", ["warehouse"])[0]
        if name.removeprefix("s3://").rstrip("/") not in await self._warehouses():
            raise LookupError(f"there is no warehouse {name!r}; POST /_iceberg/v1/warehouses creates one")

    async def _ask(self, method: str, url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        signed = sign(
            method,
            url,
            service=SIGNING_NAME,
            access_key=self.keys.access_key,
            secret_key=self.keys.secret_key,
            body=body,
            headers=headers,
        )
        try:
            async with self.session.request(
                method, URL(url, encoded=True), data=body or None, headers=signed, allow_redirects=False
            ) as answer:
                return answer.status, await answer.read()
        except ClientError as error:
            text = f"the catalog does not answer: {type(error).__name__}"
            return 503, json.dumps({"error": {"message": text, "type": "ServiceUnavailable", "code": 503}}).encode()


async def _stream_back(request: web.Request, answer: ClientResponse) -> web.StreamResponse:
    response = web.StreamResponse(status=answer.status, reason=answer.reason)
    response.headers.extend(_end_to_end(answer.headers))
    await response.prepare(request)
    try:
        async for chunk in answer.content.iter_any():
            await response.write(chunk)
    except ClientError:
        # The head has gone out: only a broken connection can still tell the client that the body is not whole.
        if request.transport:
            request.transport.abort()
        return response
    await response.write_eof()
    return response


def _end_to_end(headers: Mapping[str, str]) -> CIMultiDict[str]:
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in _HOP_BY_HOP)


def _error(status: int, kind: str, message: str) -> web.Response:
    return web.json_response({"error": {"message": message, "type": kind, "code": status}}, status=status)


async def build(store: str, catalog: str, keys: Credentials) -> web.Application:
    """The application behind the one port."""
    app = web.Application(client_max_size=MAX_CATALOG_BODY)
    session = ClientSession(
        connector=TCPConnector(limit=0, keepalive_timeout=15),
        timeout=ClientTimeout(total=None, sock_connect=10),
        auto_decompress=False,
        cookie_jar=DummyCookieJar(),
        read_bufsize=BUFFER,
        max_line_size=32_768,
        max_field_size=32_768,
    )
    # aiohttp would send PUT and DELETE again after a lost connection, and answer 412 or 404 to what had succeeded.
    session._retry_connection = False
    front = Front(store, catalog, keys, session)
    app.router.add_route("*", "/_iceberg", front.serve_catalog)
    app.router.add_route("*", "/_iceberg/{rest:.*}", front.serve_catalog)
    app.router.add_route("*", "/{rest:.*}", front.pass_through)

    async def close(_: web.Application) -> None:
        await session.close()

    app.on_cleanup.append(close)
    return app


def main() -> None:
    """Serve until ended by a signal."""
    parser = argparse.ArgumentParser(prog="python -m lakeward.lab.front", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--store", required=True, help="URL of the S3 endpoint behind")
    parser.add_argument("--catalog", required=True, help="URL of the Iceberg REST catalog behind")
    parser.add_argument("--folder", type=Path, required=True, help="the lab's folder, where its credentials lie")
    given = parser.parse_args()
    app = build(given.store, given.catalog, Credentials.of(given.folder))
    web.run_app(app, host="127.0.0.1", port=given.port, access_log=None, print=None, read_bufsize=BUFFER)


if __name__ == "__main__":
    main()
