"""The audit log in the ledger: lines, their ends, finding and removing them."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from flowkeep.contracts.api.audit import AuditEnd, AuditEntry, AuditOutcome
from flowkeep.errors import InvalidInput
from flowkeep.statestore import Store
from tests.statestore.plans import plans
from tests.statestore.records import OTHER, TENANT

_RANDOM = 2**76 - 1


def line(at: datetime | None = None, **fields: Any) -> AuditEntry:
    """Return a line that began at a time."""
    at = at or datetime.now(UTC)
    given = {
        "id": UUID(int=int(at.timestamp() * 1000) << 80 | 0x7 << 76 | uuid4().int & _RANDOM),
        "tenant_id": TENANT,
        "at": at,
        "subject": "ana",
        "via": "key",
        "request_id": "r",
        "action": "run.cancel",
        "object_kind": "run",
        "object_id": "1",
        "outcome": AuditOutcome.BEGUN,
    }
    return AuditEntry.model_validate(given | fields)


def end(entry: AuditEntry, outcome: AuditOutcome = AuditOutcome.DONE, **fields: Any) -> AuditEnd:
    """Return the end of a line."""
    given: dict[str, Any] = {"id": entry.id, "tenant_id": entry.tenant_id, "outcome": outcome}
    return AuditEnd(**{**given, "ended_at": entry.at + timedelta(seconds=1), **fields})


async def found(store: Store, tenant: str | None = TENANT, **filters: Any) -> list[UUID]:
    """Return the ids of a page."""
    return [one.id for one in (await store.audit.list(tenant, **filters)).data]


async def test_a_line_begins_and_ends_once(store: Store) -> None:
    """A line is kept whole; its first end stays, whatever is told again or by a stranger."""
    begun = line(key_id=UUID(int=7), address="10.0.0.1")
    await store.audit.begin([begun])
    await store.audit.begin([begun.evolve(subject="eve")])
    assert list(await store.audit.list(TENANT)) == [begun]
    assert await store.audit.finish([end(begun, tenant_id=OTHER)]) == 0
    done = end(begun, before_digest="a", after_digest="b", object_id="2")
    assert await store.audit.finish([done, end(line())]) == 1
    assert await store.audit.finish([end(begun, AuditOutcome.FAILED, code="X")]) == 0
    [kept] = await store.audit.list(TENANT)
    assert kept == begun.evolve(
        outcome="done", ended_at=done.ended_at, before_digest="a", after_digest="b", object_id="2"
    )


async def test_filters_and_borders(store: Store) -> None:
    """Each filter gives the lines a plain comparison gives, newest first, of one tenant alone."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    lines = [
        line(
            start + timedelta(minutes=n),
            subject=("ana", "ben")[n % 2],
            action=("run.cancel", "app.create")[n // 2 % 2],
            object_kind=("run", "app")[n // 2 % 2],
            object_id=str(n % 3),
            outcome=tuple(AuditOutcome)[n % 4],
            code=(None, None, "CONFLICT", "FORBIDDEN")[n % 4],
            tenant_id=TENANT if n % 5 else OTHER,
        )
        for n in range(24)
    ]
    await store.audit.begin(lines)
    for filters in (
        {},
        {"subject": "ben"},
        {"action": "app.create"},
        {"object_kind": "run", "object_id": "2"},
        {"outcome": AuditOutcome.DENIED},
        {"outcome": AuditOutcome.BEGUN, "subject": "ana"},
    ):
        expected = [
            one.id
            for one in reversed(lines)
            if all(getattr(one, name) == value for name, value in filters.items())
        ]
        mine = [one for one in expected if one in {x.id for x in lines if x.tenant_id == TENANT}]
        assert await found(store, **filters, limit=100) == mine, filters
        assert await found(store, None, **filters, limit=100) == expected, filters
    since, until = start + timedelta(minutes=3), start + timedelta(minutes=7)
    between = [one.id for one in reversed(lines) if since <= one.at < until]
    assert await found(store, None, since=since, until=until) == between
    first = await store.audit.list(None, limit=10)
    second = await store.audit.list(None, limit=100, last_id=first.data[-1].id)
    assert [*first, *second] == list(reversed(lines))
    assert (first.has_more, second.has_more) == (True, False)


async def test_bad_filters_are_refused(store: Store) -> None:
    """A filter that cannot be meant is refused with its name."""
    with pytest.raises(InvalidInput, match="object_kind"):
        await store.audit.list(TENANT, object_id="1")
    with pytest.raises(InvalidInput, match="since"):
        await store.audit.list(TENANT, since=datetime(2026, 1, 1))  # noqa: DTZ001
    with pytest.raises(InvalidInput, match="subject"):
        await store.audit.list(TENANT, subject="a\x00")


async def test_odd_texts_are_kept_as_far_as_possible(store: Store) -> None:
    """What PostgreSQL or an index cannot hold is replaced or cut, never an error."""
    await store.audit.begin([line(object_id="a\x00b\ud800", subject="ü" * 5000)])
    [kept] = await store.audit.list(TENANT)
    assert (str(kept.object_id)[:3], kept.subject) == ("a\ufffdb", "ü" * 300)


async def test_old_lines_go_in_batches(store: Store) -> None:
    """Only lines from before the time go, oldest first, and never more than a batch."""
    now = datetime.now(UTC)
    lines = [line(now - timedelta(days=days), tenant_id=str(days % 2)) for days in range(10)]
    await store.audit.begin(lines)
    before = now - timedelta(days=3, hours=12)
    assert await store.audit.purge(before, limit=4) == 4
    assert [one.at for one in await store.audit.list(None)] == [one.at for one in lines[:6]]
    assert await store.audit.purge(before, limit=4) == 2
    assert await store.audit.purge(before, limit=4) == 0
    assert await found(store, None) == [one.id for one in lines[:4]]


async def test_pages_are_ranges_of_an_index(store: Store) -> None:
    """A page of a big log reads one ordered range of the index that its filter has."""
    many = """
    INSERT INTO flowkeep.audit_log (id, tenant_id, at, subject, via, request_id, action,
        object_kind, object_id, outcome, code)
    SELECT gen_random_uuid(), 't' || n % 3, now(), 's' || n % 50, 'key', 'r', 'a' || n % 20,
        'run', n % 500, CASE WHEN n % 100 = 0 THEN 'denied' ELSE 'done' END,
        CASE WHEN n % 100 = 0 THEN 'FORBIDDEN' END
    FROM generate_series(1, 20000) AS n
    """
    async with store.transaction() as tx:
        await tx.connection.execute(text(many))
        await tx.connection.execute(text("ANALYZE flowkeep.audit_log"))
    wanted: dict[str, dict[str, Any]] = {
        "audit_log_by_tenant_ix": {},
        "audit_log_by_subject_ix": {"subject": "s7"},
        "audit_log_by_action_ix": {"action": "a7"},
        "audit_log_by_object_ix": {"object_kind": "run", "object_id": "7"},
        "audit_log_bad_ix": {"outcome": AuditOutcome.DENIED},
    }
    for index, filters in wanted.items():
        found = await plans(store, partial(store.audit.list, "t1", **filters), generic=False)
        assert not [n for plan in found for n in plan if n["Node Type"] in ("Sort", "Seq Scan")]
        used = {node.get("Index Name") for plan in found for node in plan} - {None}
        assert used == {index}, filters
