"""Work for supervised processes; importable, because they are spawned."""

import asyncio
import signal
from pathlib import Path

from flowkeep.errors import LedgerUnavailable
from flowkeep.supervisor import Companion, supervise

AWAY = 4
"""How often the ledger is found away: more often than a broken worker is started again."""


async def work(folder: str) -> None:
    """Find the ledger away some times, then serve until SIGTERM."""
    begun = Path(folder) / "begun"
    count = len(begun.read_text()) if begun.exists() else 0
    with begun.open("a") as file:
        file.write("x")
    if count < AWAY:
        raise LedgerUnavailable("not yet")
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    (Path(folder) / "serving").touch()
    await stopped.wait()
    (Path(folder) / "drained").touch()


async def other(folder: str) -> None:
    """Run until SIGTERM beside it."""
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    await stopped.wait()


async def either(folder: str) -> None:
    """Let the first process do the work and the others stand by."""
    import multiprocessing

    first = multiprocessing.current_process().name.endswith("-0")
    await (work(folder) if first else other(folder))


async def crashes(folder: str) -> None:
    """End at once the first time, then stand by until SIGTERM."""
    begun = Path(folder) / "companion"
    first = not begun.exists()
    with begun.open("a") as file:
        file.write("x")
    if first:
        raise RuntimeError("told to")
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    (Path(folder) / "companion-listens").touch()
    await stopped.wait()
    (Path(folder) / "companion-drained").touch()


if __name__ == "__main__":
    import sys

    if sys.argv[2:] == ["beside"]:
        beside = Companion(crashes, (sys.argv[1],), name="beside", delay_seconds=0)
        supervise(other, args=(sys.argv[1],), beside=beside)
    else:
        supervise(either, args=(sys.argv[1],), processes=2)
