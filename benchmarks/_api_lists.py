"""The list of runs through the service, and through a bare route with the same page."""

import tempfile
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import orjson

from benchmarks._api_bare import TENANT
from benchmarks._api_servers import BARE, SERVICE, UNLIMITED, Served, served
from benchmarks._api_tool import load
from benchmarks._ledger_server import LedgerServer
from benchmarks._support import say
from flowkeep.contracts.api.access import Role
from flowkeep.contracts.api.keys import NewApiKey
from flowkeep.statestore import connect
from flowkeep.statestore.migrate import upgrade

LIMITS = (20, 100)
CONNECTIONS = 10
"""Of each server to the ledger."""
VARIANTS = ("service", "service, gzip", "dict", "model", "orjson")
"""The last three are routes of the bare app."""


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    Attributes:
        runs: In the ledger.
        repeats: Interleaved rounds.
        seconds: Of each phase.
        at_once: Requests at a time.
        kept: Folder of the ledger that outlives the benchmark; None for one that does not.
    """

    runs: int
    repeats: int
    seconds: float
    at_once: int
    kept: Path | None


Figure = dict[str, float]
Figures = dict[str, dict[str, list[Figure]]]


async def measure(sizes: Sizes) -> Figures:
    """Return the raw figures of each page size, variant and round."""
    async with AsyncExitStack() as stack:
        folder = sizes.kept or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        ledger = await stack.enter_async_context(LedgerServer(folder).running())
        await ledger.provide([sizes.runs], spend=False)
        await upgrade(ledger.url(sizes.runs))  # one that was kept
        async with await connect(settings=ledger.settings(sizes.runs)) as store:
            new = NewApiKey(name="benchmark", role=Role.ADMIN)
            key = await store.api_keys.create(TENANT, new, subject="benchmark")
        environment = UNLIMITED | {
            "FLOWKEEP_DATABASE_URL": ledger.url(sizes.runs),
            "FLOWKEEP_DATABASE_POOL_SIZE": str(CONNECTIONS),
        }
        service = await stack.enter_async_context(served(SERVICE, environment))
        bare = await stack.enter_async_context(served(BARE, environment))
        rounds = Rounds(service, bare, {"Authorization": f"Bearer {key.secret}"}, sizes)
        rounds.compare()
        return await rounds.measure()


class Rounds:
    """All variants in turns.

    Args:
        service: The service.
        bare: The bare app.
        headers: What the service is shown.
        sizes: How much is measured.
    """

    def __init__(
        self, service: Served, bare: Served, headers: Mapping[str, str], sizes: Sizes
    ) -> None:
        self._service = service
        self._bare = bare
        self._headers = headers
        self._sizes = sizes

    def compare(self) -> None:
        """Make sure that all answer with the same page.

        Raises:
            RuntimeError: If one of them does not.
        """
        for limit in LIMITS:
            pages = {variant: self._page(variant, limit) for variant in VARIANTS}
            for variant, page in pages.items():
                if page != pages["service"] or len(page["data"]) != limit:
                    raise RuntimeError(f"{variant} answers with another page of {limit}")

    def _page(self, variant: str, limit: int) -> Any:
        _, url = self._of(variant, limit)
        with urlopen(Request(url, headers=dict(self._headers)), timeout=60) as answer:
            text: bytes = answer.read()
        return orjson.loads(text.replace(b"+00:00", b"Z"))

    async def measure(self) -> Figures:
        """Return the raw figures."""
        figures: Figures = {
            f"page of {limit}": {variant: [] for variant in VARIANTS} for limit in LIMITS
        }
        for limit in LIMITS:
            for variant in VARIANTS:
                await self._phase(variant, limit, 1.0)
        for repeat in range(self._sizes.repeats):
            order = VARIANTS if repeat % 2 == 0 else VARIANTS[::-1]
            for limit in LIMITS:
                for variant in order:
                    figure = await self._phase(variant, limit, self._sizes.seconds)
                    figures[f"page of {limit}"][variant].append(figure)
            say(f"lists: repeat {repeat + 1} of {self._sizes.repeats} done: {_newest(figures)}")
        return figures

    async def _phase(self, variant: str, limit: int, seconds: float) -> Figure:
        server, url = self._of(variant, limit)
        before = server.cpu()
        found = await load(
            url,
            at_once=self._sizes.at_once,
            seconds=seconds,
            headers=self._headers,
            compressed=variant.endswith("gzip"),
        )
        return {
            "figure": found.rate,
            "p50": found.percentile(0.5),
            "p99": found.percentile(0.99),
            "cpu_ms": (server.cpu() - before) * 1000 / found.requests,
        }

    def _of(self, variant: str, limit: int) -> tuple[Served, str]:
        if variant.startswith("service"):
            return self._service, f"{self._service.url}/runs?limit={limit}"
        return self._bare, f"{self._bare.url}/{variant}?limit={limit}"


def _newest(figures: Figures) -> str:
    return "; ".join(
        f"{phase}: " + ", ".join(f"{name} {raw[-1]['figure']:.0f}" for name, raw in found.items())
        for phase, found in figures.items()
    )
