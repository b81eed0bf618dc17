"""`core.shell`: a program with arguments; never a line for a shell."""

import asyncio
import contextlib
import os
import signal
from typing import Annotated, Any

from pydantic import Field
from typing_extensions import TypedDict

from flowkeep.definitions.action_context import ActionError
from flowkeep.definitions.action_definition import Action, make_action
from flowkeep.definitions.durations import Seconds
from flowkeep.errors import InvalidInput

_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "USER", "LOGNAME")
"""What programs see of the worker's environment, which holds its credentials."""
_TAIL_BYTES = 2_000
_PIECE = 65_536


class ShellResult(TypedDict):
    """What a program left: its exit code, 0, and what it wrote, as UTF-8."""

    exit_code: int
    stdout: str
    stderr: str


async def shell(
    args: Annotated[list[str], Field(min_length=1, description="The program and its arguments.")],
    cwd: Annotated[str | None, Field(description="Folder to run it in.")] = None,
    env: Annotated[
        dict[str, str] | None, Field(description="Variables; of the worker's own it sees few.")
    ] = None,
    stdin: Annotated[str | None, Field(description="Text that it reads.")] = None,
    timeout: Annotated[Seconds, Field(gt=0, le=86_400)] = 60.0,  # noqa: ASYNC109 - an input
    max_bytes: Annotated[int, Field(gt=0, le=8 * 2**20)] = 2**20,
) -> ShellResult:
    """Run a program and return what it wrote; it has to end with exit code 0."""
    env = env or {}
    if any("\x00" in text for text in (*args, *env, *env.values(), cwd or "")):
        raise InvalidInput("core.shell was given a NUL character")
    if any(not name or "=" in name for name in env):
        raise InvalidInput("a name in env of core.shell is empty or holds '='")
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    try:
        process = await asyncio.create_subprocess_exec(
            *args,
            cwd=cwd,
            env=inherited | env,
            stdin=asyncio.subprocess.DEVNULL if stdin is None else asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise ActionError(
            f"core.shell cannot run the program: {error.strerror}",
            code="SHELL_NOT_STARTED",
            hint="check args[0] and cwd where the worker runs",
            retryable=False,
        ) from None
    parts: list[asyncio.Future[Any]] = [
        asyncio.ensure_future(part)
        for part in (_write(process, stdin), _read_all(process, max_bytes), _read_tail(process))
    ]
    try:
        async with asyncio.timeout(timeout):
            _, out, err = await asyncio.gather(*parts)
            code = await process.wait()
    except TimeoutError:
        raise ActionError(
            f"the program of core.shell ran longer than {timeout:g} s", code="SHELL_TIMEOUT"
        ) from None
    finally:
        await _end(process, parts)
    stderr = err.decode(errors="replace")
    if code != 0:
        raise ActionError(
            f"the program of core.shell ended with exit code {code}: {stderr.strip()}",
            code="SHELL_EXIT_CODE",
        )
    return {"exit_code": code, "stdout": out.decode(errors="replace"), "stderr": stderr}


def shell_action() -> Action:
    """Return the action `core.shell`."""
    return make_action("core.shell", shell, built_in=True)


async def _write(process: asyncio.subprocess.Process, text: str | None) -> None:
    if process.stdin is None or text is None:
        return
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it need not read all of it
        process.stdin.write(text.encode())
        await process.stdin.drain()
    process.stdin.close()


async def _read_all(process: asyncio.subprocess.Process, most: int) -> bytes:
    assert process.stdout is not None
    data = bytearray()
    while piece := await process.stdout.read(_PIECE):
        data += piece
        if len(data) > most:
            raise ActionError(
                f"the program of core.shell wrote more than max_bytes: {most:,}",
                code="SHELL_TOO_LARGE",
                retryable=False,
            )
    return bytes(data)


async def _read_tail(process: asyncio.subprocess.Process) -> bytes:
    assert process.stderr is not None
    tail = b""
    while piece := await process.stderr.read(_PIECE):
        tail = (tail + piece)[-_TAIL_BYTES:]
    return tail


async def _end(process: asyncio.subprocess.Process, parts: list["asyncio.Future[Any]"]) -> None:
    """Kill the program and what it has started, whether it has ended or not."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    for part in parts:
        part.cancel()
    await asyncio.gather(*parts, return_exceptions=True)
    # It counts as ended only when its pipes are closed, and what nobody reads any more is not.
    process._transport.close()  # type: ignore[attr-defined]  # noqa: SLF001 - no public way to it
    await process.wait()
