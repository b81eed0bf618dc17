"""Two tenants and everybody who calls: objects of every kind, and keys."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx2

from flowkeep.clients.workflow import WorkflowClient
from flowkeep.contracts import NewAction, NewApp, NewDefinition, Visibility
from flowkeep.contracts.api.access import Role
from flowkeep.contracts.api.webhooks import NewWebhook
from flowkeep.contracts.schedules import ScheduleContent
from flowkeep.settings import Settings
from flowkeep.worker import Worker
from tests.api.borders import CANARY, CANVAS, DAYS, SCHEDULED, TASK
from tests.api.keyed import Service, serving
from tests.statestore.archive.support import LATER, ended
from tests.support import eventually

NORTH, SOUTH = "north", "south"
MEMBERS = {"vera": "viewer", "otto": "operator", "edda": "editor", "anna": "admin"}
"""Who has which role in `north`."""
ROLES = {role: who for who, role in MEMBERS.items()}

Fields = dict[str, str]


class World:
    """The service with two tenants.

    Attributes:
        service: The service.
        client: Its ledger and Temporal.
        keys: Secrets by who calls; None shows none.
        kept: Objects that are only read, by kind, owner and app.
    """

    def __init__(self, service: Service, client: WorkflowClient) -> None:
        self.service = service
        self.client = client
        self.store = service.store
        self.keys: dict[str, str | None] = {"nobody": None}
        self.kept: dict[tuple[str, str, str | None], Fields] = {}

    async def ask(
        self, who: str, method: str, path: str, *, inside: str | None = None, **options: Any
    ) -> httpx2.Response:
        """Send a request as somebody; system admins and strangers name the tenant they enter."""
        headers = {} if inside is None else {"Flowkeep-Tenant": inside}
        self.service.http.cookies.clear()
        return await self.service.ask(self.keys[who], path, method, headers=headers, **options)

    async def make(self, kind: str, owner: str, app: str | None = None) -> Fields:
        """Make an object of `north` and return what paths name it by."""
        made: Fields = await getattr(self, f"_{kind.replace(' ', '_')}")(owner, app)
        return made

    async def _action(self, _owner: str, app: str | None) -> Fields:
        new = NewAction(ref=f"x.{uuid4().hex}", label=CANARY, app_id=app)
        return {"action": str((await self.store.actions.create(NORTH, new)).id)}

    async def _app(self, _owner: str, _app: str | None) -> Fields:
        new = NewApp(id=f"app-{uuid4().hex}", name=CANARY)
        return {"app_id": (await self.store.apps.create(NORTH, new)).id}

    async def _run(self, owner: str, app: str | None) -> Fields:
        run = await ended(
            self.store,
            NORTH,
            owner=owner,
            app_id=app,
            task_queue="nobody",
            workflow_type=CANARY,
            inputs={"canary": CANARY},
        )
        return {"run_id": str(run.id), "activity_id": "1", "attempt": "1", "name": "inputs"}

    async def _open_run(self, owner: str, app: str | None) -> Fields:
        body = {"workflow_type": CANARY, "task_queue": "nobody", "owner": owner, "app_id": app}
        told = await self.ask("anna", "POST", "/runs", json=body)
        assert told.status_code == 202, told.text
        return {"run_id": told.json()["run_id"]}

    async def _bundle(self, _owner: str, _app: str | None) -> Fields:
        await self._run("alice", None)
        published = await self.store.archive.publish(NORTH, LATER)
        return {"bundle_id": str(published[0].id)}

    async def _definition(self, owner: str, app: str | None) -> Fields:
        ref = f"d-{uuid4().hex}"
        new = NewDefinition(
            name=CANARY,
            ref=ref,
            app_id=app,
            owner=owner,
            visibility=Visibility.PRIVATE,
            canvas=CANVAS,
            spec={"ref": ref, "label": CANARY, "tasks": [TASK]},
        )
        made = await self.store.definitions.create(NORTH, new)
        return {"definition": str(made.id), "ref": ref, "revision": "0"}

    async def _policy(self, owner: str, app: str | None) -> Fields:
        fields = await self._definition(owner, app)
        await self.store.retention.set_policy(
            NORTH, definition_id=UUID(fields["definition"]), days=DAYS
        )
        return fields

    async def _key(self, owner: str, _app: str | None) -> Fields:
        made = await self.service.key(NORTH, name=CANARY, subject=owner, role=Role.VIEWER)
        return {"key_id": str(made.id)}

    async def _schedule(self, owner: str, app: str | None) -> Fields:
        name = f"s-{uuid4().hex}"
        fields = {**SCHEDULED, "note": CANARY, "owner": owner, "app_id": app}
        await self.client.schedules.put(NORTH, name, ScheduleContent.model_validate(fields))
        return {"name": name}

    async def _secret(self, _owner: str, _app: str | None) -> Fields:
        name = f"n-{uuid4().hex}"
        await self.store.secrets.set(NORTH, name, CANARY)
        return {"name": name}

    async def _state(self, _owner: str, _app: str | None) -> Fields:
        key = f"k-{uuid4().hex}"
        await self.store.state.save_state(NORTH, key, {"canary": CANARY})
        return {"key": key}

    async def _webhook(self, owner: str, app: str | None) -> Fields:
        new = NewWebhook(
            name=CANARY,
            url="https://example.com/hook",
            app_id=app,
            run_owner=owner,
            enabled=False,
        )
        made = await self.store.webhooks.create(NORTH, new, owner=owner)
        return {"webhook_id": str(made.id)}

    async def _question(self, owner: str, _app: str | None) -> Fields:
        asked = [owner] if owner == "alice" else [*MEMBERS, "root"]
        ref = f"q-{uuid4().hex}"
        human = {"assignee": asked, "title": CANARY, "response": {"type": "boolean"}}
        spec = {"ref": ref, "tasks": [{"name": "approve", "human": human}]}
        body = {"text": json.dumps(spec), "visibility": "private"}
        assert (await self.ask("anna", "POST", "/definitions", json=body)).status_code == 201
        told = await self.ask("anna", "POST", f"/definitions/{ref}/execute")
        fields = {"run": told.json()["run_id"], "task": "approve"}

        async def asks() -> None:
            path = "/human-tasks/{run}/{task}".format(**fields)
            assert (await self.ask("anna", "GET", path)).status_code == 200

        await eventually(asks, timeout=30)
        return fields


@asynccontextmanager
async def two_tenants(settings: Settings) -> AsyncIterator[World]:
    """Serve two tenants, with a worker for what runs."""
    endless: dict[str, Any] = {"rate_per_second": 1e6, "burst": 10**6, "failures_per_minute": 10**6}
    async with (
        await WorkflowClient.connect(settings) as client,
        Worker(client, actions=[]),
        serving(settings, **endless) as service,
    ):
        world = World(service, client)
        await _add_keys(world)
        yield world


async def _add_keys(world: World) -> None:
    make = world.service.key
    issued = {who: await make(NORTH, subject=who, role=Role(MEMBERS[who])) for who in MEMBERS}
    issued["ada"] = await make(NORTH, subject="ada", app_roles={"shop": Role.ADMIN})
    issued["boris"] = await make(SOUTH, subject="boris")
    issued["root"] = await make("house", subject="root", system=True)
    issued["revoked"] = await make(NORTH, subject="anna")
    await world.store.api_keys.revoke(NORTH, issued["revoked"].id)
    soon = datetime.now(UTC) + timedelta(milliseconds=300)
    issued["expired"] = await make(NORTH, subject="anna", role=Role.ADMIN, expires_at=soon)
    world.keys |= {who: key.secret for who, key in issued.items()}
    world.keys["wrong"] = f"{issued['anna'].secret[:-4]}aaaa"

    def over() -> None:
        assert datetime.now(UTC) > soon

    await eventually(over)
