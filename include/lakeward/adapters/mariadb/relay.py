"""One session of a server, lent to DuckDB: its scanner takes a connection from a pool for each query and resets it afterwards,
which would end the transaction whose snapshot must be read.

DuckDB connects to a socket in a private folder. It is greeted here, commands that would reset the session are answered here, and
everything else goes to the session as it is; whose answers are passed on in large pieces, unread. When a query of DuckDB's fails
half-way, it connects a second time to have the statement killed, and then reads to the answer's end.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from pymysql.constants import CLIENT

_QUIT, _QUERY, _PING, _CHANGE_USER, _RESET = 0x01, 0x03, 0x0E, 0x11, 0x1F
_SESSION = (b"SET ", b"START ", b"BEGIN", b"COMMIT", b"ROLLBACK")
"""Statements of DuckDB's own that would alter the session."""
CAPABILITIES = (
    CLIENT.LONG_PASSWORD
    | CLIENT.LONG_FLAG
    | CLIENT.PROTOCOL_41
    | CLIENT.TRANSACTIONS
    | CLIENT.SECURE_CONNECTION
    | CLIENT.MULTI_RESULTS
    | CLIENT.PLUGIN_AUTH
)
"""What is offered: no more than the session was opened with, since its answers have the form that was agreed on there."""
_OK = b"\x00\x00\x00\x02\x00\x00\x00"
_UTF8MB4 = 45
_PIECE = 1 << 18


class Relay:
    """Lends the session whose socket is ``upstream`` to whoever connects to ``path``, one after the other.

    :param version: what the server says of itself.
    :param kill: ends the statement that the session runs.
    """

    def __init__(self, upstream: socket.socket, path: Path, version: str, kill: Callable[[], None]) -> None:
        self._upstream, self._version, self._kill = upstream, version, kill
        self._door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._door.bind(str(path))
        self._door.listen(4)
        self._client: socket.socket | None = None
        self.lost = False
        for work in (self._serve, self._answer):
            threading.Thread(target=work, daemon=True).start()

    def close(self) -> None:
        """End the session; whoever waits for an answer is told that it is gone."""
        self.lost = True
        for end in (self._door, self._upstream, self._client):
            if end is not None:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()

    def _answer(self) -> None:
        """What the server says goes to whoever is connected."""
        with suppress(OSError):
            while data := self._upstream.recv(_PIECE):
                if self._client is None:
                    break
                self._client.sendall(data)
        self.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while not self.lost:
                client, _ = self._door.accept()
                if self._client is None:
                    self._client = client
                    threading.Thread(target=self._lend, args=(client,), daemon=True).start()
                else:
                    threading.Thread(target=self._aside, args=(client,), daemon=True).start()

    def _lend(self, client: socket.socket) -> None:
        """Until the client takes its leave; one that went away without, maybe in the middle of an answer, ends the session."""
        left = False
        with client, suppress(OSError):
            if self._greeted(client):
                left = self._talk(client)
            self._client = None
        if not left:
            self.close()

    def _aside(self, client: socket.socket) -> None:
        """A second connection, which is there to kill what the first one waits for."""
        with client, suppress(OSError):
            received = _received(client) if self._greeted(client) else None
            while received is not None and received[1][:1] != bytes([_QUIT]):
                if b"KILL" in received[1].upper():
                    self._kill()
                client.sendall(_packet(1, _OK))
                received = _received(client)

    def _greeted(self, client: socket.socket) -> bool:
        client.sendall(_packet(0, self._greeting()))
        if _received(client) is None:
            return False
        client.sendall(_packet(2, _OK))
        return True

    def _talk(self, client: socket.socket) -> bool:
        while (received := _received(client)) is not None:
            header, body = received
            command = body[0] if body else 0
            if command == _QUIT:
                return True
            if command in {_PING, _RESET, _CHANGE_USER} or (
                command == _QUERY and body[1:].lstrip().upper().startswith(_SESSION)
            ):
                client.sendall(_packet(1, _OK))
            else:
                self._upstream.sendall(header + body)
        return False

    def _greeting(self) -> bytes:
        low, high = CAPABILITIES & 0xFFFF, CAPABILITIES >> 16
        salt = b"0" * 20  # nobody's password is asked for: the folder is private
        head = b"\x0a" + self._version.encode() + b"\x00" + struct.pack("<I", 1) + salt[:8] + b"\x00"
        more = struct.pack("<HBHHB", low, _UTF8MB4, 2, high, 21) + b"\x00" * 10
        return head + more + salt[8:] + b"\x00" + b"mysql_native_password\x00"


def _packet(number: int, body: bytes) -> bytes:
    return struct.pack("<I", len(body))[:3] + bytes([number]) + body


def _received(end: socket.socket) -> tuple[bytes, bytes] | None:
    """A packet's header and body; None when the other side is gone."""
    header = _exactly(end, 4)
    body = _exactly(end, int.from_bytes(header[:3], "little")) if header else None
    return None if header is None or body is None else (header, body)


def _exactly(end: socket.socket, size: int) -> bytes | None:
    found = bytearray()
    while len(found) < size:
        piece = end.recv(size - len(found))
        if not piece:
            return None
        found += piece
    return bytes(found)
