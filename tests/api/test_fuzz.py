"""The service under requests that nobody thought of: schemathesis on its whole document.

`make fuzz` sends 20,000 of them (`FUZZ_CASES`), with values at every limit that the document names;
`make test` some hundreds.
"""

import asyncio
import json
import os
from typing import Any

import httpx2
import pytest

from flowkeep.contracts.api.access import Role
from flowkeep.contracts.api.keys import NewApiKey
from flowkeep.settings import Settings
from flowkeep.statestore import connect
from tests.api.fuzzing import Findings, fuzz
from tests.api.keyed import serving
from tests.api.running import Running, running

CASES = int(os.environ.get("FUZZ_CASES", "0"))
"""Least requests in all; 0 sends the few that `make test` has time for."""
SEED = int(os.environ.get("FUZZ_SEED", "1"))
PER_ROUND = 30
TENANT = "fuzzed"

NEVER_ENDS = ("GET", "/runs/{run_id}/watch")
"""An open run is watched as long as it is open."""
WAITS = ("POST", "/human-tasks/{run}/{task}/answer")
"""An answer waits for the run to take it, and here no worker runs any."""
OWN_KEY = ("POST", "/api-keys/{key_id}/revoke")
"""Viewers may end their own key; everything after it would be 401."""
ENDLESS = {
    "FLOWKEEP_API_RATE_PER_SECOND": "1000000",
    "FLOWKEEP_API_BURST": "1000000",
    "FLOWKEEP_API_FAILURES_PER_MINUTE": "1000000",
}


async def walk(service: Running, headers: dict[str, str], **options: Any) -> Findings:
    """Send requests until there were enough of them."""
    found, url, seed = Findings(), service.url, SEED
    while seed == SEED or found.cases < CASES // 2:
        await asyncio.to_thread(
            fuzz,
            url,
            headers,
            seed=seed,
            examples=PER_ROUND if CASES else 2,
            borders=bool(CASES) and seed == SEED,
            into=found,
            **options,
        )
        seed += 1
    return found


@pytest.mark.slow
@pytest.mark.timeout(0 if CASES else 600)
@pytest.mark.filterwarnings("ignore")  # of the generator, about what it could not generate
async def test_no_surprises(settings: Settings, record_property: Any) -> None:
    """Nothing fails the service, and every answer is as the document says, whoever calls."""
    async with await connect(settings=settings) as store:
        keys = store.api_keys
        root = await keys.create("house", NewApiKey(name="root", system=True), subject="root")
        vera = await keys.create(TENANT, NewApiKey(name="vera", role=Role.VIEWER), subject="vera")
    async with running(settings, **ENDLESS) as service:
        await service.ready()
        admin = {"Authorization": f"Bearer {root.secret}", "Flowkeep-Tenant": TENANT}
        viewer = {"Authorization": f"Bearer {vera.secret}"}
        known = await stock(service.url, admin)
        for who, headers, without in (
            ("admin", admin, [NEVER_ENDS, WAITS]),
            ("viewer", viewer, [NEVER_ENDS, WAITS, OWN_KEY]),
        ):
            found = await walk(service, headers, without=without, known=known)
            print(f"as {who}: {found.told()}")
            record_property(who, found.cases)
            assert not found.failures, found.told()
            assert found.totals[200] > found.cases // 100, found.told()
        assert [one for one in service.records if one["level"] == "error"] == []
        await erase(service.url, admin)


async def stock(url: str, headers: dict[str, str]) -> dict[str, tuple[str, ...]]:
    """Make some objects and return their names by how paths name them."""
    task = {"name": "say", "action": "core.log", "input": {"message": "x"}}
    text = json.dumps({"ref": "known", "tasks": [task]})
    spec = {"intervals": [{"every_seconds": 86_400}]}
    wanted: list[tuple[str, str, str, dict[str, Any]]] = [
        ("/actions/{action}", "/actions", "id", {"ref": "known.action"}),
        ("/apps/{app_id}", "/apps", "id", {"id": "known"}),
        ("/definitions/{definition}", "/definitions", "id", {"text": text}),
        ("/api-keys/{key_id}", "/api-keys", "id", {"name": "known", "role": "viewer"}),
        ("/runs/{run_id}", "/runs", "run_id", {"workflow_type": "W", "external": True}),
        ("/runs/{run_id}", "/runs", "run_id", {"workflow_type": "W", "task_queue": "nobody"}),
        ("/holds/{run_id}", "/runs", "run_id", {"workflow_type": "W", "external": True}),
        (
            "/schedules/{name}",
            "/schedules",
            "name",
            {"name": "known", "workflow_type": "W", "spec": spec, "paused": True},
        ),
        ("/webhooks/{webhook_id}", "/webhooks", "id", {"name": "w", "url": "https://example.com"}),
    ]
    known: dict[str, tuple[str, ...]] = {}
    async with httpx2.AsyncClient(base_url=url, headers=headers, timeout=60) as http:
        for place, path, field, body in wanted:
            made = await http.post(path, json=body)
            assert made.is_success, made.text
            known[place] = (*known.get(place, ()), made.json()[field])
    return known


async def erase(url: str, headers: dict[str, str]) -> None:
    """End and remove what the requests made, whatever it is called, in Temporal too."""
    body = {"confirm": TENANT, "force": True, "despite_hold": True}
    async with httpx2.AsyncClient(base_url=url, headers=headers, timeout=60) as http:
        done = False
        while not done:
            told = await http.post("/tenants/erase", params={"tenant": TENANT}, json=body)
            assert told.status_code == 200, told.text
            done = told.json()["done"]


async def test_what_was_found_once(settings: Settings) -> None:
    """Integers of any size are stored and told to the audit log; a number is no time."""
    async with serving(settings) as service:
        key, big = await service.key(), {"value": {"n": 2**70, "-": -(2**63) - 1}}
        stored = await service.ask(key, "/state", "PUT", params={"key": "k"}, json=big)
        assert (stored.status_code, stored.json()["value"]) == (200, big["value"])
        for number in ("0.5", "-1", "1e3", "1767225600", " "):
            told = await service.ask(key, "/runs", params={"until": number})
            assert (told.status_code, told.json()["errors"][0]["path"]) == (422, "query.until")
        for number in (0, 0.5, "0", True):
            body = {"before": number, "limit": 1}
            told = await service.ask(key, "/archive/bundles", "POST", json=body)
            assert (told.status_code, told.json()["errors"][0]["path"]) == (422, "body.before")
        fine = await service.ask(key, "/runs", params={"until": "2026-01-31T12:00:00+02:00"})
        assert fine.status_code == 200
