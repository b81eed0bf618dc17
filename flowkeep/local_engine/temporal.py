"""The embedded Temporal development server: found, tuned, started, watched, restarted."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from flowkeep.errors import TemporalUnavailable
from flowkeep.local_engine.files import private_folder
from flowkeep.local_engine.ports import HOST, pick_port, require_free
from flowkeep.local_engine.process import OwnedProcess, ProcessEndedError
from flowkeep.local_engine.temporal_binary import find_temporal
from flowkeep.local_engine.tuning import TUNED, Tuning
from flowkeep.settings import server_environment

if TYPE_CHECKING:
    from temporalio.envconfig import ClientConnectConfig

READY_SECONDS = 60.0
START_ATTEMPTS = 3
POLL_SECONDS = 0.02
PROBE_SECONDS = 5.0


class TemporalServer:
    """`temporal server start-dev` on the loopback.

    Args:
        folder: The engine's folder; state and log lie in it.
        port: Port to listen on; null takes a free one.
        ui_port: Port of the web interface; null leaves it off.
        namespace: Namespace to make at the start.
        tuning: How it is tuned.
        on_file: Keep the state in a file; else it is lost with the process.
        progress: Receives a line when getting the program takes a while.
    """

    def __init__(
        self,
        folder: Path,
        *,
        port: int | None = None,
        ui_port: int | None = None,
        namespace: str = "default",
        tuning: Tuning = TUNED,
        on_file: bool = True,
        progress: Callable[[str], None] = print,
    ) -> None:
        self.folder = folder
        self.port = port
        self.ui_port = ui_port
        self.namespace = namespace
        self.tuning = tuning
        self._fixed = port is not None
        self._on_file = on_file
        self._progress = progress
        self._binary: Path | None = None
        self._process = OwnedProcess(
            "Temporal",
            log=folder / "logs" / "temporal.log",
            lock=folder / "temporal.lock",
            stop_seconds=10.0,
        )

    @property
    def pid(self) -> int | None:
        """Process id of the server, null when it does not run."""
        return self._process.pid

    @property
    def address(self) -> str:
        """host:port of the frontend."""
        return f"{HOST}:{self.port}"

    async def start(self) -> None:
        """Start it and wait until it answers; finds, downloads or builds the program first.

        Raises:
            ConfigurationError: If there is no program, or a port is taken.
            TemporalUnavailable: If it does not become ready.
        """
        if self._binary is None:
            self._binary = await find_temporal(self._progress)
        await self._process.predecessor_gone()
        if self._fixed and self.port is not None:
            require_free(self.port, "Temporal", "--temporal-port")
        if self.ui_port is not None:
            require_free(self.ui_port, "Temporal's web interface", "--ui-port")
        for attempt in range(START_ATTEMPTS):
            self.port = self.port or pick_port(self.folder / "temporal.port")
            try:
                return await self._start_once(self._binary)
            except ProcessEndedError as error:
                taken = "address already in use" in self._process.output()
                if self._fixed or not taken or attempt == START_ATTEMPTS - 1:
                    raise TemporalUnavailable(error.message, hint=error.hint) from error
                self.port = None  # somebody took it in between: try another
        return None

    async def _start_once(self, binary: Path) -> None:
        command = [str(binary), "server", "start-dev", "--ip", HOST, "--port", str(self.port)]
        command += ["--namespace", self.namespace]
        if self.ui_port is None:
            command.append("--headless")
        else:
            command += ["--ui-port", str(self.ui_port)]
        if self._on_file:
            state = private_folder(self.folder / "temporal") / "state.db"
            command += ["--db-filename", str(state)]
        command += self.tuning.arguments(on_file=self._on_file)
        environment = server_environment(dict(self.tuning.environment))
        await self._process.start(command, environment)
        try:
            async with asyncio.timeout(READY_SECONDS):
                await self._until_ready()
        except TimeoutError:
            await self._process.stop()
            raise TemporalUnavailable(
                f"Temporal was not ready within {READY_SECONDS:.0f} s",
                hint=f"its log is {self._process.log}",
            ) from None
        except BaseException:
            await self._process.stop()
            raise
        (self.folder / "temporal.port").write_text(f"{self.port}\n")
        self._fixed = True  # clients know this port now, so a restart keeps it

    async def _until_ready(self) -> None:
        assert self.port is not None
        while self._process.running:
            if await _listens(self.port) and await self._answers():
                return
            await asyncio.sleep(POLL_SECONDS)
        await self._process.wait()
        raise self._process.ended()

    async def _answers(self) -> bool:
        return await answers({"target_host": self.address, "namespace": self.namespace})

    def kill(self) -> None:
        """End it at once by SIGKILL, as a crash would."""
        self._process.kill()

    async def wait(self) -> int:
        """Return its exit code once it has ended."""
        return await self._process.wait()

    async def stop(self) -> None:
        """Stop it cleanly."""
        await self._process.stop()

    async def restart(self) -> None:
        """Stop it if it runs, then start it on the same port.

        Raises:
            TemporalUnavailable: If it does not become ready.
        """
        await self.stop()
        await self.start()


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(HOST, port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


async def answers(config: "ClientConnectConfig") -> bool:
    """Tell whether a server answers and knows the namespace.

    Args:
        config: How to connect; names `target_host` and `namespace`.
    """
    from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
    from temporalio.client import Client
    from temporalio.service import RPCError

    try:
        async with asyncio.timeout(PROBE_SECONDS):
            client = await Client.connect(**config)
            request = DescribeNamespaceRequest(namespace=client.namespace)
            await client.workflow_service.describe_namespace(request)
    except (RuntimeError, RPCError, TimeoutError):
        return False
    return True
