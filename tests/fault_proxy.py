"""A loopback proxy before an object store or a catalog that spoils requests and answers in the ways that networks and servers do."""

from __future__ import annotations

import http.client
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "date", "server"}
_STALLED = 30.0  # seconds after which a stalled answer is given up, should the client be more patient than the test


@dataclass(frozen=True)
class Request:
    """What came in."""

    method: str
    path: str
    headers: Message
    body: bytes

    @property
    def kind(self) -> str:
        """What it is, in the words of docs/faults.md."""
        return self._of_catalog() if self.path.startswith("/_iceberg/") else self._of_store()

    def _of_catalog(self) -> str:
        path = urlsplit(self.path).path
        if b'"updates"' in self.body:
            return "commit"
        if path.endswith("/transactions/commit"):
            return "probe"
        if path.endswith("/config"):
            return "config"
        if "/tables" in path:
            return "create table" if self.method == "POST" else "load table"
        return "create namespace" if self.method == "POST" else "look at namespace"

    def _of_store(self) -> str:
        query = urlsplit(self.path).query
        if "uploads" in query or "uploadId" in query:
            return "multipart"
        if "list-type" in query:
            return "list"
        if self.method == "DELETE" or "delete" in query:
            return "delete"
        conditional = self.method == "PUT" and ("If-None-Match" in self.headers or "If-Match" in self.headers)
        return "put on condition" if conditional else self.method.lower()


def any_commit(request: Request) -> bool:
    """Whether it asks the catalog for a change of tables; probes don't."""
    return b'"updates"' in request.body


@dataclass
class Faults:
    """What to do to the next requests that ``meets`` lets through:

    ``<status> before`` (not passed on), ``<status> after`` (passed on, then this answer), ``torn before`` and ``torn after`` (no
    answer at all), ``stall after`` (passed on, and nothing is heard any more), ``truncated`` (half of the answer), ``twice``
    (a transport that repeats the request), ``ok``; or what a function says of the request.
    """

    plan: list[str | Callable[[Request], str]] = field(default_factory=list)
    meets: Callable[[Request], bool] = any_commit
    met: int = 0
    seen: Counter[str] = field(default_factory=Counter)
    url: str = ""
    over: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def next(self, request: Request) -> str:
        """The fault of this request."""
        with self._lock:
            self.seen[request.kind] += 1
            if not self.meets(request):
                return "ok"
            self.met += 1
            fault = self.plan.pop(0) if self.plan else "ok"
            return fault if isinstance(fault, str) else fault(request)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, target: str, faults: Faults) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behind, self.faults = urlsplit(target), faults

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is what these tests are about."""


class _Answer:
    """A status, its headers and a body; without a body of its own, the length that HEAD tells of."""

    def __init__(self, status: int, headers: list[tuple[str, str]], body: bytes, length: str | None = None) -> None:
        self.status, self.headers, self.body = status, headers, body
        self.length = str(len(body)) if length is None else length


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def _serve(self) -> None:
        request = Request(self.command, self.path, self.headers, self._body())
        kind, _, when = self.server.faults.next(request).partition(" ")
        answer = _Answer(0, [], b"") if when == "before" else self._pass_on(request)
        if kind == "twice":
            answer = self._pass_on(request)
        if kind == "stall":
            self.server.faults.over.wait(_STALLED)
        if kind in {"torn", "stall"}:
            self.close_connection = True
            return
        if kind.isdigit():
            answer = _made_up(int(kind), request)
        self._send(answer, half=kind == "truncated")

    do_GET = do_POST = do_HEAD = do_DELETE = do_PUT = _serve  # noqa: N815 - the names that the server wants

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", "0")))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _pass_on(self, request: Request) -> _Answer:
        connection = http.client.HTTPConnection(self.server.behind.netloc, timeout=60)
        connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in {"transfer-encoding", "content-length", "expect"}:
                connection.putheader(name, value)
        if request.body or self.command in {"PUT", "POST"}:
            connection.putheader("Content-Length", str(len(request.body)))
        connection.endheaders(request.body)
        answer = connection.getresponse()
        headers = [(n, v) for n, v in answer.getheaders() if n.lower() not in {*_HOP_BY_HOP, "content-length"}]
        length = answer.getheader("Content-Length") if self.command == "HEAD" else None
        found = _Answer(answer.status, headers, answer.read(), length)
        connection.close()
        return found

    def _send(self, answer: _Answer, *, half: bool) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        if answer.status != 204:
            self.send_header("Content-Length", answer.length)
        self.end_headers()
        body = answer.body if self.command != "HEAD" else b""
        if half and body:
            body = body[: len(body) // 2]
            self.close_connection = True
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


_CODES = {
    409: "ConditionalRequestConflict",
    412: "PreconditionFailed",
    429: "TooManyRequests",
    503: "SlowDown",
    507: "XMinioStorageFull",
}


def _made_up(status: int, request: Request) -> _Answer:
    """An error as the catalog or the store would write it."""
    if request.path.startswith("/_iceberg/"):
        body = json.dumps({"error": {"message": "made up", "type": "Fault", "code": status}}).encode()
        return _Answer(status, [("Content-Type", "application/json")], body)
    code = _CODES.get(status, "InternalError")
    xml = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>made up</Message></Error>".encode()
    return _Answer(status, [("Content-Type", "application/xml")], b"" if request.method == "HEAD" else xml)


@contextmanager
def fault_proxy(target: str, *plan: str, meets: Callable[[Request], bool] = any_commit) -> Iterator[Faults]:
    """Serve on a free loopback port; what the plan does not name passes untouched, ``Host`` included, so signatures hold."""
    faults = Faults(list(plan), meets)
    server = _Server(target, faults)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    faults.url = f"http://127.0.0.1:{server.server_port}{server.behind.path}"
    try:
        yield faults
    finally:
        faults.over.set()
        server.shutdown()
        server.server_close()
        thread.join()
