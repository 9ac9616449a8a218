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


@contextmanager
def fault_proxy(target: str, *plan: str) -> Iterator[Faults]:
    """Serve on a free loopback port; what the plan does not name passes untouched, ``Host`` included, so signatures hold."""
    faults, behind = Faults(list(plan)), urlsplit(target)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            fault = "ok"
            if self.command == "POST" and self._is_commit(body):
                faults.commits += 1
                fault = faults.plan.pop(0) if faults.plan else "ok"
            kind, _, when = fault.partition(" ")
            if when != "before":
                status, answer = self._pass_on(body)
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

        def _is_commit(self, body: bytes) -> bool:
            return b'"updates"' in body or b'"table-changes": [{' in body

        def _pass_on(self, body: bytes) -> tuple[int, bytes]:
            connection = http.client.HTTPConnection(behind.hostname or "", behind.port, timeout=60)
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

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    faults.url = f"http://127.0.0.1:{server.server_port}{behind.path}"
    try:
        yield faults
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
