"""Deliveries of webhooks in the ledger: whose turn it is, and how long they are waited for."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from flowkeep.contracts.api.webhooks import MOST_TESTS, MOST_WEBHOOKS, DeliveryState, NewWebhook
from flowkeep.errors import Conflict
from flowkeep.statestore import Store
from tests.statestore.webhooks import stored_webhook

LEASE = timedelta(minutes=1)
NEAR = timedelta(minutes=5)
LATE = timedelta(days=1)
FILL = """
INSERT INTO flowkeep.webhook_delivery
    (tenant_id, webhook_id, type, state, created_at, next_at)
SELECT :tenant, :webhook, 'run.failed', 'due', now(), now() - (:count - n) * interval '1 ms'
FROM generate_series(1, :count) AS n
"""
REMOVED = """
INSERT INTO flowkeep.webhook_delivery (tenant_id, webhook_id, type, state, created_at, next_at)
SELECT 't', gen_random_uuid(), 'test', 'started', now(), now() FROM generate_series(1, :count)
RETURNING id
"""
MOVE = "UPDATE flowkeep.webhook_delivery SET next_at = now() + :by WHERE id = ANY(:ids)"


async def run(store: Store, statement: str, **values: Any) -> Any:
    """Run a statement on the ledger."""
    async with store.transaction() as tx:
        return await tx.connection.execute(text(statement), values)


async def filled(store: Store, tenant: str, count: int) -> UUID:
    """Make a webhook with so many deliveries that are due; returns its id."""
    new = NewWebhook(name="hook", url="https://example.com/")
    made = await store.webhooks.create(tenant, new)
    await run(store, FILL, tenant=tenant, webhook=made.id, count=count)
    return made.id


async def claimed(store: Store, limit: int = 100, **most: int) -> Sequence[UUID]:
    """Claim what is due; four to a webhook and six of a tenant, unless said otherwise."""
    wanted = {"per_webhook": 4, "per_tenant": 6, **most}
    return await store.system.claim_deliveries(limit, LEASE, near=NEAR, **wanted)


async def whose(store: Store, ids: Sequence[UUID]) -> Counter[UUID]:
    """Count deliveries by their webhook."""
    wanted = "SELECT webhook_id FROM flowkeep.webhook_delivery WHERE id = ANY(:ids)"
    return Counter((await run(store, wanted, ids=list(ids))).scalars())


async def test_nobody_has_all_places(store: Store) -> None:
    """However much is due to one webhook or tenant, only so much of it is claimed, started or not.

    The rest comes when what is on its way is over.
    """
    first, second = await filled(store, "loud", 50), await filled(store, "loud", 50)
    quiet = await filled(store, "quiet", 1)
    ids = await claimed(store)
    assert await whose(store, ids) == {first: 3, second: 3, quiet: 1}
    assert await claimed(store) == []
    for one in ids:
        await store.system.delivery_started(one)
    assert await claimed(store) == []
    await store.system.note_delivery(ids[0], DeliveryState.DELIVERED)
    assert len(await claimed(store)) == 1


async def test_one_webhook_leaves_places_to_the_others_of_its_tenant(store: Store) -> None:
    """A webhook has its own limit; one that comes later gets what is left of the tenant's."""
    loud = await filled(store, "t", 50)
    assert await whose(store, await claimed(store)) == {loud: 4}
    late = await filled(store, "t", 50)
    assert await whose(store, await claimed(store)) == {late: 2}


async def test_a_webhook_with_nothing_on_its_way_waits_for_nobody(store: Store) -> None:
    """Where loud webhooks have all places of their tenant, a quiet one has one, and only one.

    Once its message is over it has a place again; so have others that come later.
    """
    loud = [await filled(store, "t", 50) for _ in range(3)]
    assert await whose(store, await claimed(store)) == dict.fromkeys(loud, 2)
    quiet = await filled(store, "t", 2)
    [first] = await claimed(store)
    assert await whose(store, [first]) == {quiet: 1}
    assert await claimed(store) == []
    await store.system.note_delivery(first, DeliveryState.DELIVERED)
    [second] = await claimed(store)
    assert await whose(store, [second]) == {quiet: 1}
    late = [await filled(store, "t", 5) for _ in range(3)]
    assert await whose(store, await claimed(store)) == dict.fromkeys(late, 1)
    assert await claimed(store) == []


async def test_webhooks_made_anew_make_no_places(store: Store) -> None:
    """A tenant has no more webhooks with something on its way than it may have, removed or not.

    However much of one webhook is on its way takes no place of another one.
    """
    loud = await filled(store, "t", 300)
    await run(store, "UPDATE flowkeep.webhook_delivery SET state = 'started', next_at = now()")
    removed = list((await run(store, REMOVED, count=MOST_WEBHOOKS - 2)).scalars())
    first = await filled(store, "t", 1)
    assert await whose(store, await claimed(store)) == {first: 1}
    second = await filled(store, "t", 1)
    assert await claimed(store) == []
    await store.system.note_delivery(removed[0], DeliveryState.DROPPED)
    assert await whose(store, await claimed(store)) == {second: 1}
    await run(store, FILL, tenant="t", webhook=loud, count=1)
    assert await claimed(store) == []


async def test_tenants_come_by_turns(store: Store) -> None:
    """Where a round has fewer places than is due, each tenant gets as many, old backlog or not."""
    loud, quiet = await filled(store, "loud", 50), await filled(store, "quiet", 2)
    ids = await claimed(store, 4, per_webhook=50, per_tenant=50)
    assert await whose(store, ids) == {loud: 2, quiet: 2}
    late = await filled(store, "late", 2)
    assert await whose(store, await claimed(store, 2, per_webhook=50, per_tenant=50)) == {late: 2}


async def test_what_waits_for_long_has_no_place(store: Store) -> None:
    """A message that is sent again much later, or of which nobody tells, holds up no other."""
    loud = await filled(store, "t", 50)
    ids = await claimed(store)
    assert await whose(store, ids) == {loud: 4}
    soon, late, lost, running = ids
    for one in ids:
        await store.system.delivery_started(one)
    soonish, long = NEAR / 2, 4 * NEAR
    await store.system.note_delivery(soon, DeliveryState.STARTED, again_in=soonish)
    assert await claimed(store) == []
    await store.system.note_delivery(late, DeliveryState.STARTED, again_in=long)
    assert len(await claimed(store)) == 1
    await run(store, MOVE, by=-2 * NEAR, ids=[lost])
    assert len(await claimed(store)) == 1
    assert await claimed(store) == []
    await store.system.note_delivery(running, DeliveryState.FAILED)
    assert len(await claimed(store)) == 1


async def test_claims_at_once_share_the_places(store: Store) -> None:
    """Two keepers that claim at the same moment take no more than the places there are."""
    await filled(store, "t", 50)
    found = await asyncio.gather(*(claimed(store) for _ in range(5)))
    ids = [one for each in found for one in each]
    assert len(ids) == len(set(ids)) == 4


async def test_a_lease_that_ended_is_claimed_again(store: Store) -> None:
    """What was claimed and never started is due again after the lease."""
    await filled(store, "t", 1)
    [one] = await claimed(store)
    assert await claimed(store) == []
    await run(store, MOVE, by=-timedelta(seconds=1), ids=[one])
    assert await claimed(store) == [one]


async def test_an_attempt_moves_the_time_at_which_it_is_given_up(store: Store) -> None:
    """A delivery is given up long after it was to be sent again, whoever told of its start.

    Here nobody did: its keeper died between Temporal and the ledger.
    """
    await filled(store, "t", 1)
    [one] = await claimed(store)
    await run(store, MOVE, by=-timedelta(hours=1), ids=[one])
    await store.system.note_delivery(one, DeliveryState.STARTED, again_in=timedelta(hours=4))
    await store.system.delivery_started(one)
    assert await store.system.give_up_deliveries(timedelta(0)) == 0
    when = "SELECT next_at - now() FROM flowkeep.webhook_delivery"
    left: timedelta = (await run(store, when)).scalar_one()
    assert timedelta(hours=3, minutes=59) < left <= timedelta(hours=4)
    await run(store, MOVE, by=-LATE + timedelta(minutes=1), ids=[one])
    assert await store.system.give_up_deliveries(LATE) == 0
    await run(store, MOVE, by=-LATE - timedelta(minutes=1), ids=[one])
    assert await store.system.give_up_deliveries(LATE) == 1


async def test_tests_are_limited(store: Store) -> None:
    """A webhook has a few tests that were not tried yet; one that was refused makes room."""
    hook = await stored_webhook(store)
    made = [await store.webhooks.test(hook.tenant_id, hook.id) for _ in range(MOST_TESTS)]
    with pytest.raises(Conflict, match="5 tests of webhook"):
        await store.webhooks.test(hook.tenant_id, hook.id)
    other = await stored_webhook(store)
    await store.webhooks.test(other.tenant_id, other.id)
    await store.system.note_delivery(made[0].id, DeliveryState.STARTED, again_in=LATE)
    await store.webhooks.test(hook.tenant_id, hook.id)


async def test_a_removed_webhook_frees_no_places(store: Store) -> None:
    """What is being sent counts on when its webhook is removed, what is only due goes with it."""
    loud = await filled(store, "t", 50)
    ids = await claimed(store)
    for one in ids:
        await store.system.delivery_started(one)
    await store.webhooks.delete("t", loud)
    left = "SELECT count(*) FROM flowkeep.webhook_delivery"
    assert (await run(store, left)).scalar_one() == len(ids) == 4
    await filled(store, "t", 50)
    assert len(await claimed(store)) == 2


async def test_a_long_backlog_is_not_read(store: Store) -> None:
    """A claim walks from webhook to webhook: 50,000 due messages of one are no rows to read."""
    await filled(store, "loud", 50_000)
    quiet = await filled(store, "quiet", 1)
    await run(store, "ANALYZE flowkeep.webhook_delivery")
    read = text(
        "SELECT coalesce(sum(idx_tup_fetch + seq_tup_read), 0) FROM pg_stat_xact_user_tables"
        " WHERE relname = 'webhook_delivery'"
    )
    async with store.transaction() as tx:
        before = (await tx.connection.execute(read)).scalar_one()
        ids = await tx.system.claim_deliveries(100, LEASE, per_webhook=4, per_tenant=6, near=NEAR)
        rows = (await tx.connection.execute(read)).scalar_one() - before
    assert (await whose(store, ids))[quiet] == 1
    assert 0 < rows < 500
