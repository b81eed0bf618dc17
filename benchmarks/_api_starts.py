"""Starting runs through the service, and through the client in a process of its own."""

import json
import tempfile
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks._api_servers import SERVICE, UNLIMITED, Served, served
from benchmarks._api_start_load import ARGUMENTS, QUEUE, WORKFLOW
from benchmarks._api_tool import Load, load
from benchmarks._definition_rounds import environment_of
from benchmarks._support import Child, say
from flowkeep.contracts.api.access import Role
from flowkeep.contracts.api.keys import NewApiKey
from flowkeep.local_engine import LocalEngine
from flowkeep.statestore import connect
from flowkeep.statestore.migrate import upgrade

CHILD = "from benchmarks._api_start_load import main; main()"
VARIANTS = ("client", "service")
BODY = json.dumps({"workflow_type": WORKFLOW, "task_queue": QUEUE, "arguments": ARGUMENTS})

Figure = dict[str, float]


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    Attributes:
        runs: Started per phase.
        at_once: Starts at a time.
        repeats: Interleaved rounds.
    """

    runs: int
    at_once: int
    repeats: int


async def measure(sizes: Sizes) -> dict[str, dict[str, list[Figure]]]:
    """Return the raw figures of both variants."""
    figures: dict[str, list[Figure]] = {variant: [] for variant in VARIANTS}
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        engine = await stack.enter_async_context(LocalEngine(folder, progress=say))
        await upgrade(engine.database_url)
        async with await connect(settings=engine.settings()) as store:
            new = NewApiKey(name="benchmark", role=Role.OPERATOR)
            key = await store.api_keys.create("default", new, subject="benchmark")
        environment = environment_of(engine)
        child = await Child.start(CHILD, environment=environment)
        stack.push_async_callback(child.stop)
        service = await stack.enter_async_context(served(SERVICE, environment | UNLIMITED))
        starts = Starts(child, service, key.secret, sizes)
        for variant in VARIANTS:  # warm up
            await starts.phase(variant)
        for repeat in range(sizes.repeats):
            for variant in VARIANTS if repeat % 2 == 0 else VARIANTS[::-1]:
                figures[variant].append(await starts.phase(variant))
            newest = {name: round(raw[-1]["figure"], 1) for name, raw in figures.items()}
            say(f"starts: repeat {repeat + 1} of {sizes.repeats} done: {newest}")
    return {f"starts, {sizes.at_once} at once": figures}


class Starts:
    """Both variants.

    Args:
        child: Starts runs through the client.
        service: The service.
        secret: Its key.
        sizes: How much is measured.
    """

    def __init__(self, child: Child, service: Served, secret: str, sizes: Sizes) -> None:
        self._child = child
        self._service = service
        self._headers = {"Authorization": f"Bearer {secret}"}
        self._sizes = sizes

    async def phase(self, variant: str) -> Figure:
        """Start the runs of one phase."""
        runs, at_once = self._sizes.runs, self._sizes.at_once
        if variant == "client":
            found = await self._child.measure(f"{runs} {at_once}")
            told = Load(len(found["times"]), found["seconds"], found["times"])
            spent: float = found["cpu"]
        else:
            before = self._service.cpu()
            told = await load(
                f"{self._service.url}/runs",
                at_once=at_once,
                requests=runs,
                status=202,
                headers=self._headers,
                body=BODY,
            )
            spent = self._service.cpu() - before
        return {
            "figure": told.rate,
            "p50": told.percentile(0.5),
            "p99": told.percentile(0.99),
            "cpu_ms": spent * 1000 / told.requests,
        }
