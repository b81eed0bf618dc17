"""Restate's server, from its npm package, on a folder and ports of its own."""

import asyncio
import os
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks._peer import PeerError, end_of
from benchmarks._support import say
from flowkeep.settings import user_cache

VERSION = "1.7.12"
PACKAGE = f"@restatedev/restate-server-linux-x64@{VERSION}"


@dataclass(frozen=True)
class RestateServer:
    """A server that runs.

    Attributes:
        pid: Its process.
        ingress: Where services are called.
        admin: Where they are registered.
    """

    pid: int
    ingress: str
    admin: str


def binary() -> Path:
    """Return the server's program; it is fetched on first use.

    Raises:
        PeerError: If npm is missing or cannot fetch it.
    """
    home = user_cache() / "benchmarks" / f"restate-{VERSION}"
    program = home / "package" / "bin" / "restate-server"
    if program.is_file():
        return program
    npm = shutil.which("npm")
    if npm is None:
        raise PeerError("Restate's server comes from npm, which is not installed here")
    say(f"fetching {PACKAGE} into {home}")
    home.mkdir(parents=True, exist_ok=True)
    done = subprocess.run([npm, "pack", PACKAGE], cwd=home, capture_output=True, text=True)
    if done.returncode != 0:
        raise PeerError(f"{PACKAGE} cannot be fetched: {end_of(done.stderr)}")
    archive = home / done.stdout.split()[-1]
    subprocess.run(["tar", "xzf", str(archive)], cwd=home, check=True)
    archive.unlink()
    return program


@asynccontextmanager
async def restate_server(folder: Path) -> AsyncIterator[RestateServer]:
    """Run the server as it comes: its log is written with fsync.

    Args:
        folder: Where its state lies.
    """
    node, ingress, admin = _ports(3)
    environment = {
        "RESTATE_BASE_DIR": str(folder),
        "RESTATE_BIND_ADDRESS": f"127.0.0.1:{node}",
        "RESTATE_LISTEN_MODE": "tcp",
        "RESTATE_INGRESS__BIND_ADDRESS": f"127.0.0.1:{ingress}",
        "RESTATE_ADMIN__BIND_ADDRESS": f"127.0.0.1:{admin}",
        "RESTATE_LOG_FILTER": "error",
    }
    process = await asyncio.create_subprocess_exec(
        str(binary()),
        "--no-logo",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env={**os.environ, **environment},
    )
    try:
        yield RestateServer(process.pid, f"http://127.0.0.1:{ingress}", f"http://127.0.0.1:{admin}")
    finally:
        process.terminate()
        await process.wait()


def _ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
