"""Tenants as wholes, directly and over HTTP."""

import pytest

from flowkeep.contracts.api.audit import SYSTEM_TENANT
from flowkeep.contracts.api.tenants import TenantErasure
from flowkeep.errors import Conflict, InvalidInput
from flowkeep.settings import Settings
from flowkeep.statestore import connect
from tests.service.conftest import ServiceClient
from tests.statestore.records import new_run


async def test_a_tenant_is_erased(client: ServiceClient, settings: Settings) -> None:
    """What the dry run counts goes, in as many calls as the time takes, and nothing else."""
    async with await connect(settings=settings) as store:
        for tenant in ("a/../acme", "rival"):
            run = await store.runs.create(tenant, new_run())
            await store.runs.fail(tenant, run.id)
            await store.state.save_state(tenant, "mark", {"a": 1})
    first = await client.tenants.list(limit=1)
    assert (first.data, first.next) == (("a/../acme",), "a/../acme")
    counted = await client.tenants.erase("a/../acme", TenantErasure(dry_run=True))
    assert (counted.dry_run, counted.rows["run"], counted.rows["state_entry"]) == (True, 1, 1)
    erasure = TenantErasure(confirm="a/../acme", max_seconds=1e-9)
    erased = await client.tenants.erase("a/../acme", erasure)
    rest = await client.tenants.erase("a/../acme", erasure.evolve(max_seconds=20))
    assert (erased.done, rest.done) == (False, True)
    whole = erased.with_more(rest)
    assert (whole.rows, whole.dry_run) == (counted.rows, False)
    assert (await client.tenants.list()).data == ("rival",)


async def test_what_is_not_erased(client: ServiceClient, settings: Settings) -> None:
    """Without its name repeated, with open runs, or as no tenant at all, nothing goes."""
    async with await connect(settings=settings) as store:
        run = await store.runs.create("acme", new_run())
        for confirm in (None, "rival", "Acme"):
            with pytest.raises(InvalidInput, match="confirm"):
                await client.tenants.erase("acme", TenantErasure(confirm=confirm))
        with pytest.raises(Conflict, match=str(run.id)):
            await client.tenants.erase("acme", TenantErasure(confirm="acme"))
        with pytest.raises(InvalidInput, match="no tenant"):
            await client.tenants.erase(SYSTEM_TENANT, TenantErasure(confirm=SYSTEM_TENANT))
        assert await store.runs.get("acme", run.id) == run
