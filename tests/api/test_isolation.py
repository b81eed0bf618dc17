"""The borders of the service: every operation, asked by everybody who might try."""

import json
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from flowkeep.api import build_app
from flowkeep.api.app import PREFIX
from flowkeep.clients.direct.journal_writer import writer_of
from flowkeep.contracts.api.audit import AuditOutcome
from flowkeep.settings import Settings
from tests.api.borders import CANARY, DAYS, EVERYBODYS, MANY, PUBLIC, TABLE, Row
from tests.api.world import MEMBERS, NORTH, ROLES, World, two_tenants
from tests.support import eventually

LOCKED_OUT = ("nobody", "expired", "revoked", "wrong")


class Walk:
    """Asks one operation as everybody.

    Args:
        world: The service.
        name: Method and path of the operation.
        row: What is known of it.
        denied: Counts, by who asked, the denials that the audit log has to hear of.
    """

    def __init__(self, world: World, name: str, row: Row, denied: Counter[str]) -> None:
        self.world = world
        self.name = name
        self.method, self.path = name.split(" ")
        self.row = row
        self.denied = denied
        self.problems: list[str] = []
        self._held = ""
        self._kept = world.kept if self.method == "GET" else {}

    async def whole(self) -> list[str]:
        """Ask as everybody and return what was answered otherwise than it should be."""
        if self.row.holds:
            made = await self.world.make(self.row.holds, "alice")
            self._held = next(iter(made.values()))
        row, whose = self.row, ("alice", *MEMBERS) if self.row.seen == "mine" else ("alice",)
        await self.strangers(await self.fields("alice"))
        for role, who in ROLES.items():
            for owner in whose if row.names else ("alice",):
                if owner in ("alice", who):
                    await self.member(who, role, owner)
        await self.staff_of_an_app()
        wanted = row.but.get("system of alice", row.ok)
        answer = await self.ask("root", await self.fields("alice", fresh=True), inside=NORTH)
        self.check("root", answer, wanted)
        self.denied["root"] += wanted == 403
        return self.problems

    async def strangers(self, fields: dict[str, str]) -> None:
        """Ask without a key that counts, and as an admin of another tenant."""
        for who in LOCKED_OUT:
            self.check(who, await self.ask(who, fields), 401)
            self.denied["-"] += 1
        row = self.row
        wanted = row.ok if row.foreign is None else row.foreign
        if row.needs == "system":
            wanted = 403
        elif row.names and row.foreign is None:
            wanted = 404
        self.check("boris", await self.ask("boris", fields), wanted)
        self.denied["boris"] += wanted == 403
        self.check("boris", await self.ask("boris", fields, inside=NORTH), 404)
        self.denied["boris"] += 1

    async def member(self, who: str, role: str, owner: str) -> None:
        """Ask as a member of the tenant, for an object of theirs or of somebody else."""
        owns = owner == who
        wanted = self.row.expected(role, owns=owns)
        if not owns:
            wanted = self.row.but.get(f"{role} of alice", wanted)
        fields = await self.fields(owner, fresh=wanted < 400)
        self.check(who, await self.ask(who, fields), wanted, tells=role == "admin")
        self.denied[who] += wanted == 403 or (wanted == 404 and bool(self.row.names))

    async def staff_of_an_app(self) -> None:
        """Ask as who is admin in one app: for what lies in it, and for what does not."""
        row = self.row
        if row.names in ("run", "open run", "definition", "action", "schedule", "webhook"):
            answer = await self.ask("ada", await self.fields("alice", "shop", fresh=True))
            wanted = row.but.get("ada inside", row.ok)
            self.check("ada inside", answer, wanted, tells=True)
            self.denied["ada"] += wanted == 403
        wanted = row.ok if row.needs == "viewer" else 403
        if row.names and row.seen == "mine":
            wanted = 404
        if row.names == "app":
            wanted = 404
        wanted = wanted if row.in_apps is None else row.in_apps
        self.check("ada", await self.ask("ada", await self.fields("alice")), wanted)
        passed_over = wanted == 200 and row.seen == "staff"
        self.denied["ada"] += wanted in (403, 404) or passed_over

    async def fields(
        self, owner: str, app: str | None = None, *, fresh: bool = False
    ) -> dict[str, str]:
        """Return what names an object: a new one where the operation may change or end it."""
        if not self.row.names:
            return {}
        key = (self.row.names, owner, app)
        if key not in self._kept or (fresh and self.method != "GET"):
            self._kept[key] = await self.world.make(self.row.names, owner, app)
            return self._kept.pop(key) if fresh and self.method != "GET" else self._kept[key]
        return self._kept[key]

    async def ask(
        self, who: str, fields: dict[str, str], inside: str | None = None
    ) -> httpx2.Response:
        known = {**fields, "fresh": uuid4().hex, "canary": CANARY}
        path = self.path.format(**known) if "{" in self.path else self.path
        query, body = _filled(self.row.query, known), _filled(self.row.body, known)
        content = {} if body is None else {"json": body}
        return await self.world.ask(who, self.method, path, inside=inside, params=query, **content)

    def check(self, who: str, answer: httpx2.Response, wanted: int, *, tells: bool = False) -> None:
        """Note what is wrong about an answer."""
        told = answer.text
        where = f"{self.name} as {who}: {answer.status_code}"
        if answer.status_code != wanted:
            self.problems.append(f"{where} instead of {wanted}: {told[:200]}")
        outside = who == "boris" or answer.status_code >= 400
        if outside and (CANARY in told or str(DAYS) in told):
            self.problems.append(f"{where} tells what it must not: {told[:200]}")
        if tells and answer.status_code < 300 and self.row.tells not in told:
            self.problems.append(f"{where} lacks {self.row.tells}: {told[:200]}")
        if self._held and answer.status_code < 300 and self.row.query == MANY:
            everybodys = EVERYBODYS.get(self.row.holds, ())
            sees = who in ("anna", "root", *everybodys)
            if (self._held in told) is not sees:
                words = "lacks" if sees else "shows"
                self.problems.append(f"{where} {words} {self.row.holds} {self._held}")


def _filled(value: Any, known: dict[str, str]) -> Any:
    """Fill in the names of objects."""
    text = json.dumps(value)
    for name, word in known.items():
        text = text.replace(f"{{{name}}}", word)
    return json.loads(text)


@pytest.fixture
async def world(settings: Settings, task_queue: str) -> AsyncIterator[World]:
    """The service with two tenants."""
    worker = settings.worker.model_copy(update={"task_queue": task_queue})
    async with two_tenants(settings.model_copy(update={"worker": worker})) as world:
        yield world


def operations() -> set[str]:
    """Return every operation of the OpenAPI document."""
    paths = build_app(Settings()).openapi()["paths"]
    return {
        f"{method.upper()} {path.removeprefix(PREFIX)}"
        for path, methods in paths.items()
        for method in methods
    }


def test_every_operation_has_a_row() -> None:
    """An operation that the walk does not know fails it, and so does a row of none."""
    assert operations() == set(TABLE) | set(PUBLIC)


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_borders(world: World) -> None:
    """Everybody is answered by each operation as the table says, and denials are in the log."""
    denied: Counter[str] = Counter()
    await world.ask("anna", "PUT", "/secrets", json={"name": CANARY, "value": "x"})
    problems = []
    for name, row in TABLE.items():
        problems += await Walk(world, name, row, denied).whole()
    for name, status in PUBLIC.items():
        method, path = name.split(" ")
        assert (await world.ask("nobody", method, path)).status_code == status
    assert not problems, "\n" + "\n".join(problems)
    await told(world, denied)


async def told(world: World, denied: Counter[str]) -> None:
    """Check that the audit log has heard of as many denials as there were."""
    writer_of(world.store).denials.settle()

    async def counted() -> None:
        found: Counter[str] = Counter()
        last = None
        while True:
            page = await world.store.audit.list(
                None, outcome=AuditOutcome.DENIED, limit=100, last_id=last
            )
            for line in page.data:
                found[line.subject] += line.times
            if not page.has_more:
                break
            last = page.data[-1].id
        differ = {who for who in {*found, *denied} if found[who] != denied[who]}
        assert not differ, {who: (found[who], denied[who]) for who in differ}

    await eventually(counted)
