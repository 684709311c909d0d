"""A line between the server and the worker of a live session: messages both ways over a socket of this machine.

The server listens at a port of its own for each session and leaves its number and a key in the job's folder, which
nobody else may read; the worker joins with the key. A message is its length in four bytes, then itself.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import os
import secrets
import socket
import struct
import time
from contextlib import suppress
from pathlib import Path

from workbench.errors import InputError

HOST = "127.0.0.1"
PATIENCE = 5.0  # seconds until a job's line must be there
LARGEST = 64_000_000  # bytes of a message
_LENGTH = struct.Struct(">I")
_FILE = "line.json"


class Line:
    """The worker's end: blocking."""

    def __init__(self, joined: socket.socket) -> None:
        self._socket = joined
        self._stream = joined.makefile("rb")

    @classmethod
    def join(cls, folder: Path) -> Line:
        """The line that waits for the job in ``folder``; raises InputError where there is none (any more)."""
        end = time.monotonic() + PATIENCE
        while not (folder / _FILE).exists() and time.monotonic() < end:
            time.sleep(0.05)
        try:
            about = json.loads((folder / _FILE).read_text(encoding="ascii"))
            joined = socket.create_connection((HOST, about["port"]), timeout=10)
        except (OSError, ValueError) as error:
            raise InputError("a live session is begun on the page, and ends with it") from error
        joined.settimeout(None)
        joined.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line = cls(joined)
        line.send(about["key"].encode())
        return line

    def send(self, message: bytes) -> None:
        """Raises OSError where the other end is gone."""
        self._socket.sendall(_LENGTH.pack(len(message)) + message)

    def receive(self) -> bytes | None:
        """The next message, waited for; None once the other end is gone."""
        try:
            head = self._stream.read(_LENGTH.size)
            if len(head) < _LENGTH.size:
                return None
            (length,) = _LENGTH.unpack(head)
            message = self._stream.read(length)
        except (OSError, ValueError):
            return None
        return message if len(message) == length else None

    def close(self) -> None:
        with suppress(OSError):  # the other end was first
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


class Exchange:
    """The server's end of one line: asynchronous. ``async with Exchange(folder) as line: await line.joined()``."""

    def __init__(self, folder: Path) -> None:
        self._file, self._key = folder / _FILE, secrets.token_hex(16)
        self._ends: asyncio.Future[tuple[asyncio.StreamReader, asyncio.StreamWriter]] | None = None

    async def __aenter__(self) -> Exchange:
        self._ends = asyncio.get_running_loop().create_future()
        self._server = await asyncio.start_server(self._arrive, HOST, 0, limit=LARGEST)
        port = self._server.sockets[0].getsockname()[1]
        partial = self._file.with_suffix(".partial")
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as file:
            json.dump({"port": port, "key": self._key}, file)
        os.replace(partial, self._file)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._file.unlink(missing_ok=True)
        self._server.close()
        assert self._ends is not None
        if self._ends.done() and not self._ends.cancelled():
            self._ends.result()[1].close()

    async def joined(self) -> None:
        """Returns once the worker is there."""
        assert self._ends is not None
        await asyncio.shield(self._ends)

    async def send(self, message: bytes) -> None:
        """Raises OSError where the worker is gone."""
        assert self._ends is not None
        writer = self._ends.result()[1]
        writer.write(_LENGTH.pack(len(message)) + message)
        await writer.drain()

    async def receive(self) -> bytes | None:
        """The worker's next message; None once it is gone."""
        assert self._ends is not None
        return await _message(self._ends.result()[0])

    async def _arrive(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert self._ends is not None
        key = await _message(reader)
        if key is not None and hmac.compare_digest(key, self._key.encode()) and not self._ends.done():
            self._ends.set_result((reader, writer))
        else:
            writer.close()


async def _message(reader: asyncio.StreamReader) -> bytes | None:
    try:
        (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
        return await reader.readexactly(length) if length <= LARGEST else None
    except (asyncio.IncompleteReadError, OSError):
        return None
