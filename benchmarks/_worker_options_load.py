"""One process of the benchmark of worker options: flowkeep's surface with one option left out."""

import asyncio
import sys
from collections.abc import Callable
from typing import Any

import uvloop
from temporalio.client import Client, Interceptor, OutboundInterceptor, StartWorkflowInput

import flowkeep.clients.connection
import flowkeep.recording.plugin
import flowkeep.worker
from benchmarks._orchestration_load import serve


def _default_reservations() -> None:
    flowkeep.worker._EAGER_RESERVATIONS = 3  # noqa: SLF001 - the SDK's own number


def _compression() -> None:
    flowkeep.clients.connection._is_loopback = lambda address: False  # noqa: SLF001


def _sdk_runner() -> None:
    flowkeep.recording.plugin.without_contexts = lambda runner, converter: runner


def _patient_start() -> None:
    class Patient(OutboundInterceptor):
        async def start_workflow(self, input: StartWorkflowInput) -> Any:  # noqa: A002
            input.request_eager_start = False
            return await super().start_workflow(input)

    class Interceptors(Interceptor):
        def intercept_client(
            self,
            next: OutboundInterceptor,  # noqa: A002 - the SDK's name
        ) -> OutboundInterceptor:
            return Patient(next)

    connect = Client.connect

    async def connect_with(*args: Any, **options: Any) -> Client:
        return await connect(*args, interceptors=[Interceptors()], **options)

    Client.connect = connect_with  # type: ignore[assignment,method-assign]


WITHOUT: dict[str, Callable[[], None]] = {
    "eager reservations": _default_reservations,
    "eager start": _patient_start,
    "no compression": _compression,
    "wrapped runner": _sdk_runner,
    "uvloop": lambda: None,
}


def main() -> None:
    """Run with the arguments: the option that is left out or `nothing`, share of the runs."""
    option, share = sys.argv[1:]
    WITHOUT.get(option, lambda: None)()
    run = asyncio.run if option == "uvloop" else uvloop.run
    run(serve("surface", float(share)))
