"""What the audit log hears of callers: before writes, of denials, and of who shows nothing."""

import asyncio
from collections.abc import AsyncIterator

import httpx2
import psycopg
import pytest

from flowkeep.api import build_app
from flowkeep.clients.backend import Backend
from flowkeep.clients.direct import DirectClient
from flowkeep.clients.direct.journal_writer import close_writer
from flowkeep.contracts import NewApp
from flowkeep.contracts.api.access import Caller, Principal, Role
from flowkeep.contracts.api.audit import SYSTEM_TENANT, AuditEntry, AuditOutcome
from flowkeep.errors import Forbidden, NotFound
from flowkeep.settings import Settings


@pytest.fixture
async def backend(settings: Settings) -> AsyncIterator[Backend]:
    """The ledger of a process that offers the service."""
    async with Backend(settings) as backend:
        yield backend


def client_of(backend: Backend, subject: str, role: Role | None, **fields: object) -> DirectClient:
    """Return the nouns as one caller of the tenant `acme`."""
    values = {"tenant_id": "acme", "subject": subject, "role": role, "via": "key"} | fields
    caller = Caller(principal=Principal.model_validate(values), request_id="r", address="10.0.0.1")
    return DirectClient(backend.store, backend.temporal, backend.settings, caller)


async def log_of(backend: Backend, tenant: str = "acme") -> list[AuditEntry]:
    """Return a tenant's log, oldest first, once everything is in it."""
    await close_writer(backend.store)
    return list(reversed((await backend.store.audit.list(tenant, limit=100)).data))


async def test_a_line_is_there_before_the_write(backend: Backend, ledger_url: str) -> None:
    """Another session sees the line begun while the write is under way; then it ends."""
    journal = client_of(backend, "ana", Role.ADMIN).journal
    async with journal.writing("app.create", "app", "crm") as entry:
        async with await psycopg.AsyncConnection.connect(ledger_url) as other:
            found = await other.execute("SELECT outcome, ended_at FROM flowkeep.audit_log")
            assert await found.fetchall() == [("begun", None)]
        entry.became({"id": "crm"}, "made")
    [line] = await log_of(backend)
    assert (line.outcome, line.object_id, line.code) == (AuditOutcome.DONE, "made", None)


async def test_a_stopped_write_stays_begun(backend: Backend) -> None:
    """Nobody knows what became of a write that was cancelled, and the log says just that."""
    journal = client_of(backend, "ana", Role.ADMIN).journal
    inside = asyncio.Event()

    async def write() -> None:
        async with journal.writing("app.create", "app"):
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(write())
    await inside.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    [line] = await log_of(backend)
    assert (line.outcome, line.ended_at) == (AuditOutcome.BEGUN, None)


async def test_no_line_no_write(backend: Backend, ledger_url: str) -> None:
    """Where the line cannot be written the write does not happen."""
    client = client_of(backend, "ana", Role.ADMIN)
    async with await psycopg.AsyncConnection.connect(ledger_url, autocommit=True) as other:
        await other.execute("ALTER TABLE flowkeep.audit_log RENAME TO gone")
        with pytest.raises(Exception, match="audit_log"):
            await client.apps.create(NewApp(id="crm"))
        await other.execute("ALTER TABLE flowkeep.gone RENAME TO audit_log")
    with pytest.raises(NotFound):
        await client.apps.get("crm")


async def test_callers_share_transactions(backend: Backend, ledger_url: str) -> None:
    """Two hundred writes at once need few commits, and each has its own line and end."""
    clients = [client_of(backend, f"user-{n}", Role.ADMIN) for n in range(200)]

    async def write(client: DirectClient) -> None:
        async with client.journal.writing("app.create", "app", client.principal.subject):
            pass

    async with await psycopg.AsyncConnection.connect(ledger_url, autocommit=True) as other:
        await asyncio.gather(*map(write, clients))
        await close_writer(backend.store)
        counted = await other.execute(
            "SELECT count(DISTINCT xmin::text), count(*), count(DISTINCT object_id)"
            " FROM flowkeep.audit_log WHERE outcome = 'done'"
        )
        commits, lines, objects = await counted.fetchone() or (0, 0, 0)
    assert (lines, objects) == (200, 200)
    assert commits <= 10


async def test_denials_are_told(backend: Backend) -> None:
    """What somebody may not do, and what they may not know of, is in the log of their tenant."""
    await client_of(backend, "ana", Role.ADMIN).apps.create(NewApp(id="crm"))
    eve = client_of(backend, "eve", None, app_roles={"other": Role.EDITOR})
    with pytest.raises(NotFound):
        await eve.apps.get("crm")
    with pytest.raises(Forbidden):
        await eve.apps.create(NewApp(id="mine"))
    with pytest.raises(Forbidden):
        await eve.audit.list()
    with pytest.raises(Forbidden):
        await client_of(backend, "ben", Role.ADMIN).audit.list(all_tenants=True)
    lines = [one for one in await log_of(backend) if one.outcome is AuditOutcome.DENIED]
    assert [(one.subject, one.code, one.object_kind) for one in lines] == [
        ("eve", "NOT_FOUND", "app"),
        ("eve", "FORBIDDEN", "tenant"),
        ("eve", "FORBIDDEN", "tenant"),
        ("ben", "FORBIDDEN", "installation"),
    ]
    assert {one.address for one in lines} == {"10.0.0.1"}


async def test_wrong_keys_are_told(settings: Settings) -> None:
    """A request that shows no valid key is in the log of the system, with path and address."""
    app = build_app(settings)
    async with app.router.lifespan_context(app):
        transport = httpx2.ASGITransport(app=app, client=("203.0.113.9", 1))
        async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
            wrong = {"Authorization": "Bearer fk_wrong", "X-Request-Id": "req-7"}
            answer = await http.delete("/api/v1/apps/crm", headers=wrong)
        assert answer.status_code == 401
        backend: Backend = app.state.backend
        [line] = await log_of(backend, SYSTEM_TENANT)
    assert (line.outcome, line.code, line.via) == (AuditOutcome.DENIED, "UNAUTHENTICATED", "none")
    assert (line.action, line.object_id) == ("DELETE /apps/{app_id}", "/api/v1/apps/crm")
    assert (line.address, line.request_id) == ("203.0.113.9", "req-7")


async def test_the_writer_outlives_an_outage(backend: Backend, ledger_url: str) -> None:
    """An end that the ledger did not take is written when it answers again."""
    journal = client_of(backend, "ana", Role.ADMIN).journal
    async with (
        await psycopg.AsyncConnection.connect(ledger_url, autocommit=True) as other,
        journal.writing("app.create", "app", "crm"),
    ):
        await other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    [line] = await log_of(backend)
    assert line.outcome is AuditOutcome.DONE
