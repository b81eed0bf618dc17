"""Who is shown the answer to a request that is repeated, over real HTTP."""

from collections.abc import AsyncIterator
from uuid import uuid4

import httpx2
import pytest
from sqlalchemy import text

from flowkeep.contracts.api.access import Role
from flowkeep.contracts.api.keys import IssuedKey
from flowkeep.settings import Settings
from tests.api.listening import Listening, listening

LOST = "UPDATE flowkeep.idempotency SET state = 'running', lease_until = now(), body = NULL"


@pytest.fixture
async def service(settings: Settings) -> AsyncIterator[Listening]:
    """A service that wants keys."""
    async with listening(settings) as service:
        yield service


async def post(
    service: Listening, key: IssuedKey, path: str, body: object, name: str
) -> httpx2.Response:
    """Send a POST under an idempotency key."""
    return await service.ask(key, path, "POST", json=body, headers={"Idempotency-Key": name})


async def test_less_rights_show_no_answer(service: Listening) -> None:
    """A key of the same subject that may do less, more, or the same elsewhere is not shown what
    the first was answered; one that may do the same is."""
    body, name = {"id": "crm", "name": "CRM"}, str(uuid4())
    admin = await service.key()
    first = await post(service, admin, "/apps", body, name)
    assert first.status_code == 201
    for fields in (
        {"role": Role.VIEWER},
        {"role": Role.EDITOR},
        {"app_roles": {"crm": Role.ADMIN}},
        {"role": Role.ADMIN, "app_roles": {"crm": Role.ADMIN}},
        {"system": True},
    ):
        other = await service.key(**fields)
        refused = await post(service, other, "/apps", body, name)
        assert (refused.status_code, refused.json()["code"]) == (409, "IDEMPOTENCY_KEY_REUSED")
        assert "CRM" not in refused.text
    for key in (admin, await service.key()):
        again = await post(service, key, "/apps", body, name)
        assert (again.status_code, again.content) == (201, first.content)
        assert again.headers["Idempotency-Replayed"] == "true"


async def test_a_refusal_is_no_answer_for_good(service: Listening) -> None:
    """What was refused, or not there, is asked for anew under the same key: it may be by now."""
    key, viewer = await service.key(), await service.key(role=Role.VIEWER)
    for _ in range(2):
        refused = await post(service, viewer, "/apps", {"id": "crm"}, "a")
        assert (refused.status_code, "Idempotency-Replayed" in refused.headers) == (403, False)
    path, name = "/definitions/nightly/enable", str(uuid4())
    assert (await post(service, key, path, None, name)).status_code == 404
    document = {"text": "ref: nightly\ntasks:\n- name: a\n  action: core.log\n"}
    assert (await service.ask(key, "/definitions", "POST", json=document)).status_code == 201
    assert (await post(service, key, path, None, name)).status_code == 200


async def test_a_definition_is_made_once(service: Listening) -> None:
    """A POST whose answer was lost in a crash, and that is sent again, finds the definition that
    it made, where its ref was made from its label too."""
    key = await service.key()
    for text_of, name in (
        ("label: Nightly\nref: nightly\ntasks:\n- name: a\n  action: core.log\n", "a"),
        ("label: Daily\ntasks:\n- name: a\n  action: core.log\n", "b"),
    ):
        first = await post(service, key, "/definitions", {"text": text_of}, name)
        assert first.status_code == 201, first.text
        async with service.store.transaction() as tx:
            await tx.connection.execute(text(LOST))
        again = await post(service, key, "/definitions", {"text": text_of}, name)
        assert (again.status_code, again.json()["id"]) == (201, first.json()["id"])
        assert again.json()["ref"] == first.json()["ref"]
    assert len((await service.ask(key, "/definitions")).json()["data"]) == 2
