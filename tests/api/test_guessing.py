"""Wrong keys over real HTTP: who shows them is held up, nobody else."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from secrets import token_hex

import pytest
from psycopg import AsyncConnection

from flowkeep.api.known_keys import AT_A_TIME, MOST_WAITING, OF_ONE_NETWORK, KnownKeys
from flowkeep.contracts.api.access import Role
from flowkeep.contracts.api.keys import ApiKey
from flowkeep.errors import TooManyRequests, Unauthenticated
from flowkeep.settings import Settings
from flowkeep.statestore.repositories.api_keys import ApiKeys
from tests.api.listening import Listening, listening
from tests.api.outages import waiting, without_connections
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
    async with locked(settings) as own:
        asked = [asyncio.create_task(service.ask(unknown(), "/apps")) for _ in range(30)]
        await eventually(lambda: are_asked(settings, AT_A_TIME))
        for _ in range(3):
            assert (await service.ask(seen, "/apps")).status_code == 200
        await are_asked(settings, AT_A_TIME)
        await own.rollback()
        statuses = {one.status_code for one in await asyncio.gather(*asked)}
    assert statuses == {401, 429}


@asynccontextmanager
async def locked(settings: Settings) -> AsyncIterator[AsyncConnection]:
    """Let the ledger tell nothing about keys until the end of the block, or a rollback in it."""
    async with await AsyncConnection.connect(settings.database_url()) as own:
        await own.execute("LOCK TABLE flowkeep.api_key IN ACCESS EXCLUSIVE MODE")
        yield own
        await own.rollback()


async def are_asked(settings: Settings, number: int) -> None:
    """Fail unless the ledger is asked about so many keys at this moment."""
    assert await waiting(settings, "SELECT%api_key.hash%api_key.prefix =") == number


def of(network: int) -> dict[str, str]:
    """Return what says from which network a request comes."""
    return {"X-Forwarded-For": f"198.51.{network}.1"}


async def test_a_crowd_of_guesses_holds_up_nobody_else(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond a few, guesses are answered at once while the ledger is slow to tell; they take no
    place of those who work, and another network's new key gets its turn."""
    monkeypatch.setattr("flowkeep.api.known_keys.KEPT_SECONDS", 60)
    async with listening(settings, concurrency=1, waiting=80) as service:
        seen, fresh = await service.key(), await service.key()
        assert (await service.ask(seen, "/apps")).status_code == 200
        async with locked(settings) as own:
            asked = [
                asyncio.create_task(service.ask(unknown(), "/apps", headers=of(1)))
                for _ in range(90)
            ]
            under_way = AT_A_TIME + OF_ONE_NETWORK

            def refused() -> None:
                done = [one.result() for one in asked if one.done()]
                assert len(done) == len(asked) - under_way
                assert {one.status_code for one in done} == {429}
                assert {int(one.headers["Retry-After"]) for one in done} == {1}

            await eventually(refused)
            new = asyncio.create_task(service.ask(fresh, "/apps", headers=of(2)))
            await eventually(lambda: waits(service, under_way + 1))
            for _ in range(5):
                assert (await service.ask(seen, "/apps", headers=of(1))).status_code == 200
            await own.rollback()
            assert (await new).status_code == 200
            left = [one.status_code for one in await asyncio.gather(*asked)]
        assert left.count(401) == under_way
        await eventually(lambda: waits(service, 0))


def waits(service: Listening, number: int) -> None:
    """Fail unless so many unknown keys are asked about, or wait for that."""
    assert service.app.state.authenticator._keys.unknown == number


async def test_the_queue_of_all_networks_has_an_end(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guesses from many networks wait in bounded number, too; known keys go on."""
    monkeypatch.setattr("flowkeep.api.known_keys.KEPT_SECONDS", 60)
    async with listening(settings, concurrency=1, waiting=80) as service:
        seen = await service.key()
        assert (await service.ask(seen, "/apps")).status_code == 200
        most = AT_A_TIME + MOST_WAITING
        async with locked(settings) as own:
            asked = [
                asyncio.create_task(service.ask(unknown(), "/apps", headers=of(network)))
                for network in range(most + 10)
            ]

            def refused() -> None:
                assert sum(one.done() for one in asked) == 10

            await eventually(refused)
            waits(service, most)
            assert (await service.ask(seen, "/apps")).status_code == 200
            await own.rollback()
            statuses = [one.status_code for one in await asyncio.gather(*asked)]
        assert (statuses.count(429), statuses.count(401)) == (10, most)


async def test_who_gives_up_leaves_the_queue(service: Listening, settings: Settings) -> None:
    """What nobody waits for any more is not asked, and its place is another's."""
    known, right = KnownKeys(service.store.api_keys), (await service.key()).secret
    async with locked(settings) as own:
        asked = [asyncio.create_task(known.find(unknown())) for _ in range(AT_A_TIME)]
        await eventually(lambda: are_asked(settings, AT_A_TIME))
        given_up = [asyncio.create_task(known.find(unknown())) for _ in range(OF_ONE_NETWORK)]
        await eventually(lambda: under_way(known, AT_A_TIME + OF_ONE_NETWORK))
        with pytest.raises(TooManyRequests):
            await known.find(right)
        for one in given_up:
            one.cancel()
        await asyncio.gather(*given_up, return_exceptions=True)
        await eventually(lambda: under_way(known, AT_A_TIME))
        new = asyncio.create_task(known.find(right))
        await eventually(lambda: under_way(known, AT_A_TIME + 1))
        await own.rollback()
        assert (await new).subject == "ana"
        await asyncio.gather(*asked, return_exceptions=True)
    await known.close()


def under_way(known: KnownKeys, number: int) -> None:
    """Fail unless so many unknown keys are asked about, or wait for that."""
    assert known.unknown == number


async def test_an_outage_makes_nobody_a_stranger(
    service: Listening, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that was known before an outage waits for no turn behind it, until it is revoked."""
    monkeypatch.setattr("flowkeep.api.known_keys.KEPT_SECONDS", 0)
    seen = await service.key()
    assert (await service.ask(seen, "/apps")).status_code == 200
    async with without_connections(settings):
        assert (await service.ask(seen, "/apps")).status_code == 503

    async def back() -> None:
        assert (await service.ask(None, "/ready")).status_code == 200

    await eventually(back)
    async with locked(settings) as own:
        asked = [asyncio.create_task(service.ask(unknown(), "/apps")) for _ in range(4)]
        await eventually(lambda: are_asked(settings, AT_A_TIME))
        again = asyncio.create_task(service.ask(seen, "/apps"))
        await eventually(lambda: are_asked(settings, AT_A_TIME + 1))
        await own.rollback()
        assert (await again).status_code == 200
        await asyncio.gather(*asked)
    await service.store.api_keys.revoke("default", seen.id)
    assert (await service.ask(seen, "/apps", headers=of(1))).status_code == 401


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
