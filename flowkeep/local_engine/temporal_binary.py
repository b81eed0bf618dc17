"""Finds the `temporal` program, or gets it: PATH, our cache, the SDK's download, a Go build."""

import asyncio
import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from flowkeep.errors import ConfigurationError
from flowkeep.local_engine.go import GoBuildError, build, toolchains
from flowkeep.local_engine.process import OwnedProcess
from flowkeep.settings import server_environment, user_cache

VERSION = "v1.5.1"
"""Version that is downloaded or built; later ones cannot be built by `go install`."""
PACKAGE = "github.com/temporalio/cli/cmd/temporal"
DOWNLOAD_SECONDS = 60.0
"""How long the SDK's download may take."""
PROBE_SECONDS = 30.0
POLL_SECONDS = 0.2
DOWNLOADING = ".download-"
BUILDING = ".build-"

Progress = Callable[[str], None]

_DOWNLOAD = """
import asyncio, sys
from temporalio.testing import WorkflowEnvironment

async def main():
    environment = await WorkflowEnvironment.start_local(
        download_dest_dir=sys.argv[1], dev_server_download_version=sys.argv[2]
    )
    await environment.shutdown()

asyncio.run(main())
"""


async def find_temporal(progress: Progress, *, cache: Path | None = None) -> Path:
    """Return the path of a `temporal` program that runs.

    Args:
        progress: Receives a line when something takes longer than a moment.
        cache: Folder of the cache; null takes the user's.

    Raises:
        ConfigurationError: If every way failed; the message lists each with its reason.
    """
    tried: list[str] = []
    on_path = shutil.which("temporal")
    if on_path is None:
        tried.append("PATH: no program `temporal`")
    elif (problem := await asyncio.to_thread(_problem, Path(on_path))) is None:
        return Path(on_path)
    else:
        tried.append(f"PATH: {on_path} does not run: {problem}")
    home = (cache or user_cache()) / "temporal" / VERSION
    cached = home / "temporal"
    if await asyncio.to_thread(_usable, cached, tried):
        return cached
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _nothing_found([*tried, f"cache: {home} cannot be made: {error}"]) from None
    async with _sole_builder(home, progress):
        if await asyncio.to_thread(_usable, cached, []):  # another process has made it
            return cached
        await asyncio.to_thread(_remove_leftovers, home)
        if await _download(home, cached, tried, progress) or await _built(cached, tried, progress):
            return cached
    raise _nothing_found(tried)


def _nothing_found(tried: list[str]) -> ConfigurationError:
    listed = "".join(f"\n  - {item}" for item in tried)
    return ConfigurationError(
        f"no Temporal server to start; tried in this order:{listed}\n",
        hint="install the Temporal CLI, or set TEMPORAL_ADDRESS to a server of your own",
    )


def _problem(binary: Path) -> str | None:
    """Return why the program cannot be used, null when it can."""
    try:
        outcome = subprocess.run(  # noqa: S603 (our own command)
            [binary, "--version"],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PROBE_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if outcome.returncode != 0:
        return outcome.stderr.strip() or f"exit code {outcome.returncode}"
    if "Server" not in outcome.stdout:
        return f"it is another program: {outcome.stdout.strip()[:80]}"
    return None


def _usable(cached: Path, tried: list[str]) -> bool:
    if not cached.exists():
        tried.append(f"cache: {cached} does not exist")
        return False
    if (problem := _problem(cached)) is not None:
        tried.append(f"cache: {cached} does not run: {problem}")
        return False
    return True


async def _download(home: Path, cached: Path, tried: list[str], progress: Progress) -> bool:
    """Let the SDK download the server, in a process that can be stopped."""
    progress(f"Temporal server {VERSION}: not found here, trying the SDK's download")
    with tempfile.TemporaryDirectory(dir=home, prefix=DOWNLOADING) as folder:
        log, lock = Path(folder) / "download.log", Path(folder) / "download.lock"
        process = OwnedProcess("the SDK's download", log=log, lock=lock, stop_seconds=5)
        command = [sys.executable, "-c", _DOWNLOAD, folder, VERSION]
        try:
            await process.start(command, server_environment())
            async with asyncio.timeout(DOWNLOAD_SECONDS):
                code = await process.wait()
        except TimeoutError:
            tried.append(f"SDK download: not finished within {DOWNLOAD_SECONDS:g} s")
            return False
        finally:
            await process.stop()
        if code == 0:
            return await asyncio.to_thread(_keep, Path(folder), cached, "SDK download", tried)
        lines = process.output().strip().splitlines()
        tried.append(f"SDK download: {lines[-1] if lines else f'exit code {code}'}")
        return False


async def _built(cached: Path, tried: list[str], progress: Progress) -> bool:
    """Build the server with the first Go toolchain that can."""
    candidates = await toolchains(tried)
    for go in candidates:
        progress(f"Temporal server {VERSION}: building it once with {go.name}, about 3 minutes")
        with tempfile.TemporaryDirectory(dir=cached.parent, prefix=BUILDING) as folder:
            try:
                await build(go, f"{PACKAGE}@{VERSION}", Path(folder), progress)
            except GoBuildError as error:
                tried.append(f"build with {go.name}: {error}")
                continue
            way = f"build with {go.name}"
            if await asyncio.to_thread(_keep, Path(folder), cached, way, tried):
                progress(f"Temporal server {VERSION}: built, kept in {cached}")
                return True
    return False


def _remove_leftovers(home: Path) -> None:
    """Remove what a killed process was fetching or building; it can be gigabytes."""
    for kind in (DOWNLOADING, BUILDING):
        for folder in home.glob(f"{kind}*"):
            shutil.rmtree(folder, ignore_errors=True)


def _keep(folder: Path, cached: Path, way: str, tried: list[str]) -> bool:
    """Move the program that came into the folder to the cache, in one step."""
    made = next((path for path in folder.glob("temporal*") if path.is_file()), None)
    if made is None:
        tried.append(f"{way}: no program came")
        return False
    made.chmod(0o755)
    if (problem := _problem(made)) is not None:
        tried.append(f"{way}: the program does not run: {problem}")
        return False
    made.replace(cached)
    return True


@contextlib.asynccontextmanager
async def _sole_builder(home: Path, progress: Progress) -> AsyncIterator[None]:
    """Let one process at a time get the program; the others wait and then find it."""
    handle = os.open(home / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    told = False
    try:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not told:
                    progress(f"Temporal server {VERSION}: another process is getting it, waiting")
                    told = True
                await asyncio.sleep(POLL_SECONDS)
        yield
    finally:
        os.close(handle)
