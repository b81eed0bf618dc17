"""Secrets with names, directly and over HTTP."""

import pytest

from flowkeep.contracts.secret_names import secret_id
from flowkeep.errors import InvalidInput, NotFound
from flowkeep.settings import Settings
from flowkeep.statestore import connect
from tests.service.conftest import ServiceClient
from tests.statestore.records import new_id


async def test_a_secret_lives(client: ServiceClient, settings: Settings) -> None:
    """A value is stored, replaced and removed by its name; only names and times are listed."""
    for name in ("b", "a/../b?x=%2f", ".."):
        await client.secrets.set(name, "one")
    await client.secrets.set("b", {"user": "two"})
    async with await connect(settings=settings) as store:
        assert await store.secrets.get("default", secret_id("default", "b")) == {"user": "two"}
        await store.secrets.put("default", "without a name")
        await store.secrets.set("other", "theirs", "x")
    first = await client.secrets.list(limit=2)
    second = await client.secrets.list(limit=2, cursor=first.next)
    listed = [*first.data, *second.data]
    assert sorted(one.name for one in listed) == ["..", "a/../b?x=%2f", "b"]
    [changed] = [one for one in listed if one.name == "b"]
    assert changed.created_at < changed.updated_at
    await client.secrets.delete("..")
    for name in ("..", str(new_id())):
        with pytest.raises(NotFound, match="does not exist"):
            await client.secrets.delete(name)
    assert len((await client.secrets.list()).data) == 2


@pytest.mark.parametrize("name", ["", "a\x00b", "x" * 801, "ü" * 401])
async def test_a_name_that_cannot_be(client: ServiceClient, name: str) -> None:
    """An empty, overlong or unprintable name is refused."""
    with pytest.raises(InvalidInput):
        await client.secrets.set(name, "x")
