"""Starting a server of the tests on a free port, and waiting until it answers."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from flowkeep.local_engine.ports import free_port
from flowkeep.local_engine.process import OwnedProcess, ProcessEndedError
from tests.support import eventually

_ATTEMPTS = 3


async def start_on_free_port(
    process: OwnedProcess,
    command_for: Callable[[int], Sequence[str]],
    environment: Mapping[str, str],
    answers: Callable[[int], Awaitable[None]],
) -> int:
    """Start a server, on another port when somebody else was quicker; return the port.

    Args:
        process: What runs it.
        command_for: Port to command line.
        environment: Of the server.
        answers: Logs in at a port; raises AssertionError while the server does not answer.

    Raises:
        ProcessEndedError: If the server ended; carries the end of its log.
    """
    for attempt in range(_ATTEMPTS):
        port = free_port()
        await process.start(list(command_for(port)), dict(environment))
        try:
            await _until_ready(process, port, answers)
        except ProcessEndedError:
            taken = "Address already in use" in process.output()
            if not taken or attempt == _ATTEMPTS - 1:
                raise
        else:
            return port
    raise AssertionError("the last attempt either returns or raises")


async def _until_ready(
    process: OwnedProcess, port: int, answers: Callable[[int], Awaitable[None]]
) -> None:
    async def answered_or_ended() -> None:
        if process.running:
            await answers(port)

    await eventually(answered_or_ended, timeout=60)
    if not process.running:
        await process.wait()
        raise process.ended()
