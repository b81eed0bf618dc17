"""Apps, directly and over HTTP."""

import pytest

from flowkeep.contracts import AppPatch, NewApp
from flowkeep.errors import Conflict, NotFound
from tests.service.conftest import ServiceClient


async def test_an_app_lives(client: ServiceClient) -> None:
    """An app is made, found, changed and removed."""
    made = await client.apps.create(NewApp(id="crm", name="CRM", parent="Sales"))
    assert await client.apps.get("crm") == made
    changed = await client.apps.update("crm", AppPatch(parent=None))
    assert (changed.parent, changed.name) == (None, "CRM")
    await client.apps.delete("crm")
    with pytest.raises(NotFound, match="crm"):
        await client.apps.get("crm")


async def test_apps_are_paged(client: ServiceClient) -> None:
    """Pages follow each other without gap or repetition."""
    for name in ("a", "b", "c"):
        await client.apps.create(NewApp(id=name))
    first = await client.apps.list(limit=2)
    second = await client.apps.list(limit=2, cursor=first.next)
    assert [app.id for app in (*first.data, *second.data)] == ["a", "b", "c"]
    assert (first.has_more, second.has_more, second.next) == (True, False, None)


async def test_a_taken_id_is_refused(client: ServiceClient) -> None:
    """Another app under the same id is a conflict that names what differs."""
    await client.apps.create(NewApp(id="crm", name="CRM"))
    with pytest.raises(Conflict, match="name"):
        await client.apps.create(NewApp(id="crm", name="other"))
