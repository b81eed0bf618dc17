"""Denials over real HTTP: whom the service knows is named, and nobody fills the log."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest

from flowkeep.clients.direct.denials import (
    EACH,
    MOST_CALLERS,
    MOST_KNOWN,
    MOST_STRANGERS,
    Denials,
)
from flowkeep.clients.direct.journal_writer import writer_of
from flowkeep.contracts.api.access import Role
from flowkeep.contracts.api.audit import SYSTEM_TENANT, AuditEntry, AuditOutcome
from flowkeep.contracts.api.keys import IssuedKey
from flowkeep.settings import Settings
from tests.api.listening import Listening, listening
from tests.support import eventually


@pytest.fixture
async def service(settings: Settings) -> AsyncIterator[Listening]:
    """A service that wants keys."""
    async with listening(settings) as service:
        yield service


async def ask(service: Listening, key: IssuedKey | None, address: str) -> int:
    """Ask for what is denied, from an address, and return the status."""
    headers = {"X-Forwarded-For": address}
    answer = await service.ask(key, "/audit?all_tenants=true", headers=headers)
    return answer.status_code


async def lines_of(service: Listening, tenant: str, denials: int) -> list[AuditEntry]:
    """Return a tenant's denials once they stand for so many."""
    writer_of(service.store).denials.settle()

    async def told() -> list[AuditEntry]:
        page = await service.store.audit.list(tenant, outcome=AuditOutcome.DENIED, limit=100)
        assert sum(line.times for line in page.data) == denials
        return list(page.data)

    lines: list[AuditEntry] = await eventually(told)
    return lines


async def test_strangers_hide_nobody(service: Listening) -> None:
    """However many strangers came before, a caller's denial has a line with their name and key."""
    for n in range(MOST_CALLERS + MOST_STRANGERS):
        assert await ask(service, None, f"203.0.113.{n}") == 401
    key = await service.key(subject="eve", role=Role.VIEWER)
    assert await ask(service, key, "198.51.100.1") == 403
    [line] = await lines_of(service, "default", 1)
    assert (line.subject, line.key_id, line.address) == ("eve", key.id, "198.51.100.1")
    strangers = await lines_of(service, SYSTEM_TENANT, MOST_CALLERS + MOST_STRANGERS)
    assert len(strangers) == MOST_STRANGERS + 1
    assert {line.subject for line in strangers} == {"-"}
    [rest] = [line for line in strangers if line.times > 1]
    assert (rest.times, rest.address) == (MOST_CALLERS, None)


async def test_addresses_make_no_more_lines(service: Listening) -> None:
    """A caller who is denied from ever new addresses has as many lines as from one."""
    key = await service.key(subject="eve", role=Role.VIEWER)
    for n in range(3 * EACH):
        assert await ask(service, key, f"203.0.113.{n}") == 403
    lines = await lines_of(service, "default", 3 * EACH)
    assert len(lines) == EACH + 1
    assert {(line.subject, line.key_id) for line in lines} == {("eve", key.id)}


async def test_a_misused_session_is_named(service: Listening) -> None:
    """A request that another page forges with a session's cookie is told under the session's
    subject, in its tenant."""
    key = await service.key(subject="eve")
    assert (await service.ask(key, "/session", "POST")).status_code == 201
    forged = await service.ask(None, "/apps", "POST", json={"id": "x"})
    assert (forged.status_code, forged.json()["code"]) == (403, "CSRF_TOKEN")
    [line] = await lines_of(service, "default", 1)
    assert (line.subject, line.via, line.key_id) == ("eve", "session", key.id)


@asynccontextmanager
async def written() -> AsyncIterator[tuple[Denials, list[AuditEntry]]]:
    """What makes of denials lines, and the lines."""
    lines: list[AuditEntry] = []
    denials = Denials(lines.append)
    yield denials, lines
    denials.settle()


def denial(subject: str = "eve", **fields: Any) -> AuditEntry:
    """Return one denial."""
    entry = AuditEntry.model_validate(
        {
            "id": uuid4(),
            "tenant_id": "acme",
            "at": "2026-01-01T00:00:00Z",
            "subject": subject,
            "via": "key",
            "request_id": "r",
            "action": "GET /apps",
            "object_kind": "app",
            "outcome": AuditOutcome.DENIED,
            **fields,
        }
    )
    assert isinstance(entry, AuditEntry)
    return entry


async def test_many_callers_are_all_named() -> None:
    """Beyond those with lines of their own every caller has one that counts, by name."""
    async with written() as (denials, lines):
        for _ in range(EACH + 2):
            for n in range(MOST_CALLERS + 30):
                denials.tell(denial(f"user-{n}"))
        assert len(lines) == MOST_CALLERS * EACH
        denials.settle()
        assert len(lines) == MOST_CALLERS * (EACH + 1) + 30
        counted = {f"user-{n}": 0 for n in range(MOST_CALLERS + 30)}
        for line in lines:
            counted[line.subject] += line.times
        assert set(counted.values()) == {EACH + 2}
        first = len(lines)
        denials.tell(denial())  # a new minute
        assert len(lines) == first + 1


async def test_strangers_share_what_is_left() -> None:
    """Strangers have lines by their address, so many; the others of the minute are one line."""
    async with written() as (denials, lines):
        for _ in range(EACH + 5):
            for n in range(MOST_STRANGERS + 100):
                denials.tell(denial("-", via="none", address=f"10.0.0.{n}"))
        denials.settle()
        assert len(lines) == MOST_STRANGERS * (EACH + 1) + 1
        assert sum(line.times for line in lines) == (EACH + 5) * (MOST_STRANGERS + 100)
        assert [line.times for line in lines if line.address is None] == [(EACH + 5) * 100]


async def test_memory_is_bounded() -> None:
    """Of very many callers a minute ends early: all are named, and few are held."""
    async with written() as (denials, lines):
        for n in range(3 * MOST_KNOWN):
            denials.tell(denial(f"user-{n}"))
            assert len(denials._told) <= MOST_KNOWN
        denials.settle()
        assert {line.subject for line in lines} == {f"user-{n}" for n in range(3 * MOST_KNOWN)}
