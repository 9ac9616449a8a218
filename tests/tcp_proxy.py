"""A loopback proxy before a server that speaks over TCP: connections that are refused, torn midway, or fall silent."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER with no time: close() sends RST


@dataclass
class Line:
    """What becomes of the next connections: ``refused``, ``torn <n>`` and ``stall <n>`` after n bytes from the server, ``ok``."""

    plan: list[str] = field(default_factory=list)
    port: int = 0
    connections: int = 0
    spoiled: int = 0
    over: threading.Event = field(default_factory=threading.Event)


@contextmanager
def tcp_proxy(host: str, port: int, *plan: str) -> Iterator[Line]:
    """Serve on a free loopback port."""
    line = Line(list(plan))
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener, ExitStack() as ends:
        line.port = listener.getsockname()[1]
        server = threading.Thread(target=_accept, args=(listener, (host, port), line, ends), daemon=True)
        server.start()
        try:
            yield line
        finally:
            line.over.set()
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            server.join()


def _accept(listener: socket.socket, target: tuple[str, int], line: Line, ends: ExitStack) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        line.connections += 1
        how, _, after = (line.plan.pop(0) if line.plan else "ok").partition(" ")
        if how == "refused":
            line.spoiled += 1
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            client.close()
            continue
        relay = threading.Thread(target=_relay, args=(client, target, line, how, int(after or 0)), daemon=True)
        relay.start()
        ends.callback(relay.join)
        ends.callback(_shut, client)


def _relay(client: socket.socket, target: tuple[str, int], line: Line, how: str, left: int) -> None:
    with client, socket.create_connection(target) as server:
        back = threading.Thread(target=_pump, args=(server, client, line, how, left), daemon=True)
        back.start()
        _pump(client, server, line, "ok", 0)
        back.join()


def _pump(source: socket.socket, sink: socket.socket, line: Line, how: str, left: int) -> None:
    """Pass on what comes, until it ends or ``left`` bytes have gone."""
    with suppress(OSError):
        while data := source.recv(65536):
            if how != "ok" and len(data) > left:
                sink.sendall(data[:left])
                line.spoiled += 1
                if how == "stall":
                    line.over.wait()
                break
            left -= len(data)
            sink.sendall(data)
    _shut(source)
    _shut(sink)


def _shut(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
