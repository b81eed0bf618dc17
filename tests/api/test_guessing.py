"""Wrong keys over real HTTP: who shows them is held up, nobody else."""

import asyncio
from collections.abc import AsyncIterator
from secrets import token_hex

import pytest
from psycopg import AsyncConnection

from flowkeep.api.known_keys import AT_A_TIME, KnownKeys
from flowkeep.contracts.api.access import Role
from flowkeep.contracts.api.keys import ApiKey
from flowkeep.errors import Unauthenticated
from flowkeep.settings import Settings
from flowkeep.statestore.repositories.api_keys import ApiKeys
from tests.api.listening import Listening, listening
from tests.support import eventually

MOST = 3


@pytest.fixture
async def service(settings: Settings) -> AsyncIterator[Listening]:
    """A service that takes three wrong keys of an address at once."""
    async with listening(settings, failures_per_minute=MOST) as service:
        yield service


def unknown() -> str:
    """Return what looks like a key and is none."""
    return f"fk_{token_hex(8)}_{'A' * 43}"


async def test_wrong_keys_lock_nobody_out(service: Listening) -> None:
    """Behind an address of many wrong keys right ones are let in, whether they were seen before or
    not; wrong ones are told to wait, and nothing about the key."""
    seen, fresh, revoked = await service.key(), await service.key(), await service.key()
    await service.store.api_keys.revoke("default", revoked.id)
    assert (await service.ask(seen, "/apps")).status_code == 200
    for _ in range(MOST):
        assert (await service.ask(unknown(), "/apps")).status_code == 401
    words = set()
    for wrong in (unknown(), "fk_short", "no key", revoked, f"{seen.secret[:-4]}AAAA"):
        refused = await service.ask(wrong, "/apps")
        assert (refused.status_code, refused.json()["code"]) == (429, "TOO_MANY_REQUESTS")
        assert 1 <= int(refused.headers["Retry-After"]) <= 60
        words.add(refused.json()["detail"])
    assert len(words) == 1
    for right in (seen, fresh):
        assert (await service.ask(right, "/apps")).status_code == 200
    assert (await service.ask(None, "/apps")).status_code == 401  # nothing was shown


async def test_right_keys_are_never_counted(service: Listening) -> None:
    """However often right keys call, and however many of them, wrong ones have their own count."""
    keys = [await service.key(role=Role.VIEWER) for _ in range(3)]
    for _ in range(MOST):
        answers = await asyncio.gather(*(service.ask(key, "/apps") for key in keys))
        assert {one.status_code for one in answers} == {200}
    for _ in range(MOST):
        assert (await service.ask(unknown(), "/apps")).status_code == 401


async def test_cookies_are_guesses_too(service: Listening) -> None:
    """A cookie that is no session's is counted like a wrong key."""
    wrong = {"Cookie": "flowkeep_session=x.y"}
    statuses = [
        (await service.ask(None, "/apps", headers=wrong)).status_code for _ in range(MOST + 1)
    ]
    assert statuses == [401] * MOST + [429]


async def test_unknown_keys_leave_connections_for_others(
    service: Listening, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the ledger is slow to tell unknown keys, few of them wait there; known ones go on."""
    monkeypatch.setattr("flowkeep.api.known_keys.KEPT_SECONDS", 60)
    seen = await service.key()
    assert (await service.ask(seen, "/apps")).status_code == 200
    url = settings.database_url()
    async with (
        await AsyncConnection.connect(url) as own,
        await AsyncConnection.connect(url, autocommit=True) as eyes,
    ):
        await own.execute("LOCK TABLE flowkeep.api_key IN ACCESS EXCLUSIVE MODE")
        asked = [asyncio.create_task(service.ask(unknown(), "/apps")) for _ in range(30)]
        await eventually(lambda: wait_for_the_lock(eyes))
        for _ in range(3):
            assert (await service.ask(seen, "/apps")).status_code == 200
        assert await wait_for_the_lock(eyes) == AT_A_TIME
        await own.rollback()
        statuses = {one.status_code for one in await asyncio.gather(*asked)}
    assert statuses == {401, 429}


async def wait_for_the_lock(eyes: AsyncConnection) -> int:
    """Return how many sessions of this database wait for a lock; fail where none does."""
    found = await eyes.execute(
        "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database"
        " WHERE NOT l.granted AND d.datname = current_database()"
    )
    row = await found.fetchone()
    assert row is not None
    assert row[0] > 0
    return int(row[0])


async def test_one_question_serves_all_who_wait(service: Listening) -> None:
    """Many requests with one key ask the ledger about it once, also when it is a wrong one."""
    asked: list[str] = []

    class Counting(ApiKeys):
        async def authenticate(self, secret: str) -> ApiKey:
            asked.append(secret)
            return await super().authenticate(secret)

    known = KnownKeys(Counting(service.store.api_keys._scope))
    right, wrong = (await service.key()).secret, unknown()
    found = await asyncio.gather(
        *(known.find(secret) for secret in (right, wrong) * 10), return_exceptions=True
    )
    assert sorted(asked) == sorted((right, wrong))
    assert sum(isinstance(one, ApiKey) for one in found) == 10
    assert sum(isinstance(one, Unauthenticated) for one in found) == 10
    await known.close()
