"""A loopback proxy before a catalog that fails commits in the ways that networks and servers do."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


@dataclass
class Faults:
    """What to do to the next commits: ``<status> before`` (not passed on), ``<status> after`` (passed on, then this answer),
    ``torn before`` and ``torn after`` (no answer at all), ``twice`` (a transport that repeats the request), ``ok``.
    """

    plan: list[str] = field(default_factory=list)
    commits: int = 0
    url: str = ""

    def next(self, commit: bytes) -> str:
        """The fault of this request; probes and everything that is no commit pass."""
        if b'"updates"' not in commit:
            return "ok"
        self.commits += 1
        return self.plan.pop(0) if self.plan else "ok"


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, target: str, faults: Faults) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behind, self.faults = urlsplit(target), faults


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        kind, _, when = self.server.faults.next(body).partition(" ")
        status, answer = (0, b"") if when == "before" else self._pass_on(body)
        if kind == "twice":
            status, answer = self._pass_on(body)
        if kind == "torn":
            self.close_connection = True
            return
        if kind.isdigit():
            status = int(kind)
            answer = json.dumps({"error": {"message": "made up", "type": "Fault", "code": status}}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = do_HEAD = do_DELETE = _serve  # noqa: N815 - the names that the server wants

    def _pass_on(self, body: bytes) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(self.server.behind.netloc, timeout=60)
        connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        found = answer.status, answer.read()
        connection.close()
        return found

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def fault_proxy(target: str, *plan: str) -> Iterator[Faults]:
    """Serve on a free loopback port; what the plan does not name passes untouched, ``Host`` included, so signatures hold."""
    faults = Faults(list(plan))
    server = _Server(target, faults)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    faults.url = f"http://127.0.0.1:{server.server_port}{server.behind.path}"
    try:
        yield faults
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
