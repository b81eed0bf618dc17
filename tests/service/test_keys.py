"""API keys, directly and over HTTP."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from flowkeep.contracts.api.access import Role
from flowkeep.contracts.api.keys import KeyPatch, NewApiKey
from flowkeep.errors import NotFound
from tests.service.conftest import ServiceClient
from tests.statestore.records import new_id


async def test_a_key_lives(client: ServiceClient) -> None:
    """A key is made, shown without its secret, renamed and revoked; revoking again is no error."""
    ends = datetime.now(UTC) + timedelta(days=1)
    made = await client.keys.create(
        NewApiKey(name="ci", subject="robot", role=Role.OPERATOR, expires_at=ends)
    )
    assert (made.subject, made.role, made.expires_at) == ("robot", Role.OPERATOR, ends)
    assert made.secret.startswith(f"{made.prefix}_")
    assert made.secret not in repr(made)
    assert await client.keys.get(made.id) == made.shown()
    assert (await client.keys.update(made.id, KeyPatch(name="cd"))).name == "cd"
    revoked = await client.keys.revoke(made.id)
    assert revoked.revoked_at is not None
    assert await client.keys.revoke(made.id) == revoked == await client.keys.get(made.id)


async def test_keys_are_paged(client: ServiceClient) -> None:
    """Keys are listed newest first, by whom they stand for, without gap or repetition."""
    for name in ("a", "b", "c"):
        await client.keys.create(NewApiKey(name=name, subject="ana", role=Role.VIEWER))
    await client.keys.create(NewApiKey(name="d", app_roles={"crm": Role.EDITOR}))
    first = await client.keys.list(subject="ana", limit=2)
    second = await client.keys.list(subject="ana", limit=2, cursor=first.data[-1].id)
    assert [key.name for key in (*first.data, *second.data)] == ["c", "b", "a"]
    assert (first.next, second.next) == (str(first.data[-1].id), None)
    assert [key.subject for key in (await client.keys.list(subject="d")).data] == ["d"]


async def test_a_key_that_is_not_there(client: ServiceClient) -> None:
    """An unknown key is not found, whatever is done with it."""
    for call in (client.keys.get, client.keys.revoke):
        with pytest.raises(NotFound, match="API key"):
            await call(new_id())


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"role": "owner"},
        {"role": "viewer", "system": True},
        {"role": "viewer", "name": "a\x00b"},
        {"role": "viewer", "expires_at": "2030-01-01T00:00:00"},
        {"role": "viewer", "expires_at": "9999-12-31T23:59:59-23:00"},
        {"app_roles": {"": "viewer"}},
    ],
)
def test_a_key_that_cannot_be(fields: dict[str, object]) -> None:
    """A key without a role, with a contradiction or an odd value is refused before any call."""
    with pytest.raises(ValidationError):
        NewApiKey.model_validate({"name": "ci", **fields})
