"""A network that can be damaged: one TCP proxy per pair of process and server."""

import asyncio
import contextlib
import socket
import struct
from dataclasses import dataclass, field
from enum import StrEnum

CHUNK_BYTES = 64 * 1024
HOST = "127.0.0.1"


class Mode(StrEnum):
    """What a link does with what it is given."""

    PASS = "pass"
    CUT = "cut"
    """Connections are reset, new ones too."""
    HOLE = "hole"
    """Nothing passes and nobody is told."""
    DEAF = "deaf"
    """Requests pass, answers are lost: who asked cannot know whether it was done."""
    SLOW = "slow"
    """Everything passes late, and not much of it at a time."""


@dataclass(eq=False)
class Link:
    """One direction of dependence: from a process to a server.

    Attributes:
        name: Who to whom.
        target: Port of the server.
        port: Port that the process is told instead.
    """

    name: str
    target: int
    port: int = 0
    delay_seconds: float = 0.0
    bytes_per_second: float = 0.0
    _mode: Mode = Mode.PASS
    _open: asyncio.Event = field(default_factory=asyncio.Event)
    _connections: set[asyncio.Task[None]] = field(default_factory=set)
    _server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen on a free port."""
        self._open.set()
        self._server = await asyncio.start_server(self._serve, HOST, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and drop what is connected."""
        assert self._server is not None
        self._server.close()
        self._drop()

    def damage(self, mode: Mode, *, delay_seconds: float = 0.0, rate: float = 0.0) -> None:
        """Change what the link does.

        Args:
            mode: From now on.
            delay_seconds: Of a slow link, per piece and direction.
            rate: Of a slow link, bytes per second.
        """
        before, self._mode = self._mode, mode
        self.delay_seconds, self.bytes_per_second = delay_seconds, rate
        if mode is Mode.HOLE:
            self._open.clear()
        else:
            self._open.set()
        if mode is Mode.CUT or before is Mode.DEAF:  # a stream with a gap is of no use any more
            self._drop()

    def mend(self, *, reset: bool = False) -> None:
        """Let everything pass again.

        Args:
            reset: Reset what is connected, as after a partition that outlasted patience.
        """
        if reset:
            self._drop()
        self.damage(Mode.PASS)

    def _drop(self) -> None:
        for connection in list(self._connections):
            connection.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        server: asyncio.StreamWriter | None = None
        try:
            await self._open.wait()
            if self._mode is Mode.CUT:
                return
            answers, server = await asyncio.open_connection(HOST, self.target)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._carry(reader, server, answers=False))
                group.create_task(self._carry(answers, writer, answers=True))
        except (OSError, ExceptionGroup, asyncio.CancelledError):
            pass  # either side has gone, or we drop it: both sides hear of it below
        finally:
            self._connections.discard(task)
            for one in (writer, server):
                _reset(one)

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool
    ) -> None:
        while data := await reader.read(CHUNK_BYTES):
            await self._open.wait()
            if self._mode is Mode.SLOW:
                await asyncio.sleep(self.delay_seconds + len(data) / self.bytes_per_second)
            if self._mode is Mode.DEAF and answers:
                continue
            writer.write(data)
            await writer.drain()
        raise ConnectionResetError  # one half closed: end the other


def _reset(writer: asyncio.StreamWriter | None) -> None:
    """Close with a reset instead of a farewell, as a broken network does."""
    if writer is None:
        return
    raw = writer.get_extra_info("socket")
    if raw is not None:
        with contextlib.suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
