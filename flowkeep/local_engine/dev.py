"""What `flowkeep dev` runs: the engine until a signal, for other processes to use."""

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from flowkeep.errors import FlowkeepError, LedgerUnavailable, TemporalUnavailable
from flowkeep.local_engine.engine import LocalEngine
from flowkeep.local_engine.files import FolderLock, private_folder, write_private
from flowkeep.local_engine.postgres import PostgresServer
from flowkeep.local_engine.temporal import TemporalServer
from flowkeep.settings import ENGINE_FILE, Settings

STABLE_SECONDS = 60.0
"""A server that ends by itself is restarted once in this time; then we give up."""

Server = PostgresServer | TemporalServer
Beside = Callable[[LocalEngine], Coroutine[Any, Any, None]]
"""What runs beside the servers."""


async def serve(
    folder: Path = ENGINE_FILE.parent,
    *,
    prepare: Callable[[LocalEngine], Awaitable[None]] | None = None,
    beside: Sequence[Beside] = (),
    extra: Mapping[str, object] = MappingProxyType({}),
    lines: Sequence[str] = (),
    load: Callable[[], Settings] = Settings.load,
    postgres_port: int | None = None,
    temporal_port: int | None = None,
    ui_port: int | None = None,
    tuned: bool = True,
    say: Callable[[str], None] = print,
) -> None:
    """Run the engine until SIGINT, SIGTERM or SIGHUP.

    Args:
        folder: Where state, credentials and `engine.json` lie.
        prepare: Called once both servers answer, for migrations.
        beside: Run beside the servers, until they are stopped.
        extra: What `engine.json` says beside the settings.
        lines: Told to the user once all is there.
        load: Reads the settings, once what an earlier engine left here is gone.
        postgres_port: Port of PostgreSQL; null takes a free one.
        temporal_port: Port of Temporal; null takes a free one.
        ui_port: Port of Temporal's web interface; null leaves it off.
        tuned: Tune the Temporal server.
        say: Receives each line for the user.

    Raises:
        Conflict: If an engine runs in the folder already.
        ConfigurationError: If a server cannot run here or a port is taken.
        LedgerUnavailable: If PostgreSQL does not start, or ends again after a restart.
        TemporalUnavailable: If Temporal does not start, or ends again after a restart.
    """
    folder = private_folder(folder).resolve()
    lock = FolderLock(folder)
    lock.acquire()
    engine_file = folder / ENGINE_FILE.name
    try:
        async with _stop_signal() as stopped:
            # Left by a killed process whose id may belong to another one now.
            engine_file.unlink(missing_ok=True)
            engine = LocalEngine(
                folder,
                settings=load(),
                postgres_port=postgres_port,
                temporal_port=temporal_port,
                ui_port=ui_port,
                tuned=tuned,
                progress=say,
                lock=lock,
            )
            work = _serve_until_broken(engine, engine_file, prepare, beside, {**extra}, lines, say)
            await _run(work, stopped, say)
    finally:
        lock.release()
    say("stopped; the state is kept")


async def _run(
    serving: Coroutine[Any, Any, None], stopped: asyncio.Event, say: Callable[[str], None]
) -> None:
    """Start, announce, watch and stop; a signal ends each of these steps."""
    work = asyncio.create_task(serving)
    stop = asyncio.create_task(stopped.wait())
    try:
        await asyncio.wait([work, stop], return_when=asyncio.FIRST_COMPLETED)
        if stopped.is_set() and not work.done():
            say("stopping")
    finally:
        stop.cancel()
        work.cancel()
        with suppress(asyncio.CancelledError):
            await work


async def _serve_until_broken(
    engine: LocalEngine,
    engine_file: Path,
    prepare: Callable[[LocalEngine], Awaitable[None]] | None,
    beside: Sequence[Beside],
    extra: dict[str, object],
    lines: Sequence[str],
    say: Callable[[str], None],
) -> None:
    async with engine:
        if prepare is not None:
            await prepare(engine)
        write_private(engine_file, json.dumps(_content(engine) | extra, indent=2))
        try:
            _announce(engine, engine_file, lines, say)
            async with asyncio.TaskGroup() as group:
                group.create_task(asyncio.Event().wait())  # until cancelled, whoever else ends
                for name, server in engine.servers().items():
                    group.create_task(_watch(name, server, say))
                for one in beside:
                    group.create_task(one(engine), name="flowkeep-beside")
        except* FlowkeepError as broken:
            raise broken.exceptions[0] from None
        finally:
            engine_file.unlink(missing_ok=True)  # noqa: ASYNC240 (a moment)


async def _watch(name: str, server: Server, say: Callable[[str], None]) -> None:
    """Restart a server that ends by itself, once; then raise an error that names it."""
    last = float("-inf")
    while True:
        code = await server.wait()
        if time.monotonic() - last < STABLE_SECONDS:
            kind = LedgerUnavailable if isinstance(server, PostgresServer) else TemporalUnavailable
            raise kind(
                f"{name} ended by itself again (exit code {code}), soon after a restart",
                hint=f"its log is in {server.folder / 'logs'}",
            )
        say(f"{name} ended by itself (exit code {code}); restarting it on the same port")
        await server.restart()
        last = time.monotonic()
        say(f"{name} is back (process {server.pid})")


def _content(engine: LocalEngine) -> dict[str, object]:
    settings = engine.settings()
    assert settings.database.url is not None
    assert settings.database.secret_key is not None
    return {
        "pid": os.getpid(),
        "settings": {
            "temporal": {"address": engine.temporal_address, "namespace": engine.namespace},
            "database": {
                "url": settings.database.url.get_secret_value(),
                "secret_key": settings.database.secret_key.get_secret_value(),
            },
            "storage": {"url": settings.storage.url},
        },
        "tuned": engine.tuning.as_dict() if engine.temporal else {},
    }


def _announce(
    engine: LocalEngine, engine_file: Path, lines: Sequence[str], say: Callable[[str], None]
) -> None:
    database = urlsplit(engine.database_url)
    owned = engine.servers()
    say(
        f"PostgreSQL  {database.hostname}:{database.port}{database.path}, user {database.username}"
        + ("" if "PostgreSQL" in owned else " (yours, from the settings)")
    )
    say(
        f"Temporal    {engine.temporal_address}, namespace {engine.namespace}"
        + ("" if "Temporal" in owned else " (yours, from the settings)")
    )
    if engine.temporal and engine.temporal.ui_port:
        say(f"Temporal's web interface  http://127.0.0.1:{engine.temporal.ui_port}")
    for line in lines:
        say(line)
    say(f"addresses and credentials, for processes started in this folder: {engine_file}")
    if engine.temporal and engine.tuning.describe():
        say("tuned:")
        for what, why in engine.tuning.describe():
            say(f"  {what}: {why}")
    say("next, in a second terminal: flowkeep worker start, flowkeep run list; Ctrl-C stops this")


@asynccontextmanager
async def _stop_signal() -> AsyncIterator[asyncio.Event]:
    """Give an event that a signal to stop sets."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in signals:
        loop.add_signal_handler(number, stopped.set)
    try:
        yield stopped
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
