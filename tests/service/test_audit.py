"""The audit log, directly and over HTTP."""

from datetime import UTC, datetime, timedelta

import pytest

from flowkeep.contracts import AppPatch, NewApp
from flowkeep.contracts.api.audit import AuditEntry, AuditOutcome
from flowkeep.errors import Conflict, InvalidInput
from tests.service.conftest import ServiceClient
from tests.support import eventually


async def ended(client: ServiceClient, count: int) -> list[AuditEntry]:
    """Return the log, newest first, once so many lines have ended."""

    async def look() -> list[AuditEntry]:
        lines = list((await client.audit.list(limit=100)).data)
        assert len([one for one in lines if one.outcome is not AuditOutcome.BEGUN]) == count
        return lines

    return await eventually(look)


async def test_writes_leave_lines(client: ServiceClient) -> None:
    """Each write has a line that says who, what, how it ended, and digests that form a chain."""
    await client.apps.create(NewApp(id="crm", name="CRM"))
    await client.apps.update("crm", AppPatch(name="other"))
    with pytest.raises(Conflict):
        await client.apps.create(NewApp(id="crm", name="third"))
    await client.apps.delete("crm")
    deleted, refused, updated, created = await ended(client, 4)
    assert [one.action for one in (created, updated, deleted)] == [
        "app.create",
        "app.update",
        "app.delete",
    ]
    assert (refused.outcome, refused.code) == (AuditOutcome.FAILED, "CONFLICT")
    assert {one.object_id for one in (created, updated, refused, deleted)} == {"crm"}
    assert created.after_digest == updated.before_digest
    assert updated.after_digest == deleted.before_digest
    assert len({created.after_digest, updated.after_digest, None}) == 3
    assert (created.before_digest, deleted.after_digest) == (None, None)
    assert (created.subject, created.via) == ("local", "local")
    assert created.ended_at is not None
    assert created.ended_at >= created.at


async def test_lines_are_filtered_and_paged(client: ServiceClient) -> None:
    """Filters meet what they name, pages follow each other, and time bounds hold."""
    for name in ("a", "b", "c"):
        await client.apps.create(NewApp(id=name))
    await client.apps.delete("b")
    lines = await ended(client, 4)
    first = await client.audit.list(limit=3)
    second = await client.audit.list(limit=3, cursor=first.next)
    assert [*first.data, *second.data] == lines
    of_b = await client.audit.list(object_kind="app", object_id="b", outcome=AuditOutcome.DONE)
    assert [one.action for one in of_b.data] == ["app.delete", "app.create"]
    assert (await client.audit.list(action="app.delete", subject="local")).data == of_b.data[:1]
    assert (await client.audit.list(subject="eve")).data == ()
    soon = datetime.now(UTC) + timedelta(hours=1)
    assert (await client.audit.list(since=soon)).data == ()
    assert (await client.audit.list(until=soon, all_tenants=True)).data == tuple(lines)


async def test_bad_filters_are_refused(client: ServiceClient) -> None:
    """An object without a kind, and a cursor that is none, are refused by name."""
    with pytest.raises(InvalidInput, match="object_kind"):
        await client.audit.list(object_id="b")
    with pytest.raises(InvalidInput, match="cursor"):
        await client.audit.list(cursor="behind")
