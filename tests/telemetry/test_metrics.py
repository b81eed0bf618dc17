"""The list of metrics is what processes expose: no name is missing, none is made up."""

import re
import socket
from typing import Any

import httpx2

from flowkeep.api.operations import Operations
from flowkeep.recording.reconciler import _Figures
from flowkeep.recording.stats import RecorderCounts
from flowkeep.settings import Settings
from flowkeep.telemetry.core import BUCKETS
from flowkeep.telemetry.metrics import PREFIX, Meter
from tests.api.running import running
from tests.documents import page
from tests.support import eventually

_UNITS = ("seconds", "records")


class Noting(Meter):
    """Notes what is made, under the names that Prometheus gets."""

    def __init__(self) -> None:
        super().__init__()
        self.made: dict[str, str] = {}

    def counter(self, name: str, description: str, unit: str | None = None) -> Any:
        """Note a counter."""
        return self._note("counter", f"{name}_total", super().counter(name, description, unit))

    def gauge(self, name: str, description: str, unit: str | None = None) -> Any:
        """Note a gauge."""
        return self._note("gauge", _with(unit, name), super().gauge(name, description, unit))

    def histogram(self, name: str, description: str, unit: str | None = None) -> Any:
        """Note a histogram."""
        made = super().histogram(name, description, unit)
        return self._note("histogram", _with(unit, name), made)

    def _note(self, kind: str, name: str, made: Any) -> Any:
        self.made[PREFIX + name] = kind
        return made


def _with(unit: str | None, name: str) -> str:
    return name if unit is None else f"{name}_{unit}"


def documented() -> dict[str, str]:
    """Return the metrics of the reference with their kinds."""
    rows = page("docs/reference/metrics.md").table("metric")
    return {row[0].strip("`"): row[1] for row in rows}


def test_the_list_is_what_the_code_makes() -> None:
    """Every instrument of API, recorder and reconciler is documented with its kind, no other."""
    meter = Noting()
    Operations(meter)
    RecorderCounts(meter)
    _Figures(meter)
    assert documented() == meter.made


def test_histograms_have_buckets_of_their_own() -> None:
    """The SDK's buckets suit milliseconds, so each histogram of ours names others."""
    kinds = documented()
    ours = [name for name, kind in kinds.items() if kind == "histogram"]
    bare = {re.sub(rf"_({'|'.join(_UNITS)})$", "", name) for name in ours}
    assert set(BUCKETS) == bare


async def test_a_service_exposes_what_it_does(settings: Settings) -> None:
    """Requests are counted by route, method and status, beside streams and the SDK's metrics."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    async with running(settings, "--open", "--metrics-address", address) as service:
        await service.ready()
        async with httpx2.AsyncClient(base_url=service.url, timeout=60) as http:
            run = (await http.post("/runs", json={"workflow_type": "A", "external": True})).json()
            for _ in range(3):
                await http.get(f"/runs/{run['run_id']}")
            await http.get("/runs/7")
            await http.get("/no/such/path")
            await http.post("/runs", json={"workflow_type": "B"})
            async with http.stream("GET", f"/runs/{run['run_id']}/watch") as stream:
                frames = stream.aiter_text()  # kept: one that nobody holds closes its stream
                await anext(frames)
                figures = await eventually(lambda: _watched(address), interval=0.2)
    api = {name: value for name, value in figures.items() if "api_requests_total" in name}
    counted = {_labels(name): value for name, value in api.items()}
    route = "/runs/{run_id}"
    assert counted[route, "GET", "200"] == 3
    assert counted[route, "GET", "422"] == 1
    assert counted["unknown", "GET", "404"] == 1
    names = {name.partition("{")[0] for name in figures}
    ours = {re.sub(r"_(bucket|sum|count)$", "", name) for name in names if name.startswith(PREFIX)}
    assert ours <= set(documented())
    assert {"flowkeep_api_requests_open", "flowkeep_api_audit_queue"} <= ours
    assert any(name.startswith("temporal_request") for name in names)


async def _watched(address: str) -> dict[str, float]:
    async with httpx2.AsyncClient() as http:
        text = (await http.get(f"http://{address}/metrics")).text
    found = re.findall(r"^(\w+(?:\{.*\})?) ([-+.\deE]+)$", text, re.MULTILINE)
    figures = {name: float(value) for name, value in found}
    watchers = [value for name, value in figures.items() if "api_watchers" in name]
    assert watchers == [1.0]
    return figures


def _labels(name: str) -> tuple[str, str, str]:
    route, method, status = (
        re.search(rf'{label}="([^"]*)"', name) for label in ("route", "method", "status")
    )
    assert route is not None
    assert method is not None
    assert status is not None
    return route[1], method[1], status[1]
