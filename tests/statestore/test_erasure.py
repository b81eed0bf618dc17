"""Erasing a tenant: nothing of it is left anywhere, and nothing of anybody else is touched."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from flowkeep.contracts import PauseRequest, RunKind
from flowkeep.contracts.erasure import Erased
from flowkeep.contracts.large_payloads import Need
from flowkeep.contracts.steps import StepScope
from flowkeep.contracts.task_logs import NewLogLine
from flowkeep.errors import Conflict, InvalidInput
from flowkeep.settings import StorageSettings
from flowkeep.statestore import Store, connect
from flowkeep.statestore.repositories import rollups
from flowkeep.statestore.tables import metadata
from flowkeep.storage import Storage
from tests.statestore.conftest import settings_for
from tests.statestore.locks import blocked
from tests.statestore.records import (
    OTHER,
    TENANT,
    attempt,
    close_of,
    new_id,
    new_run,
    ref_of,
)
from tests.statestore.test_plans import plans

# What other parts of the ledger write, put in as they would.
ROWS = """
INSERT INTO flowkeep.app (tenant_id, id, ref, name, created_at, updated_at)
VALUES (:tenant, 'app', 'app', 'App', now(), now());
INSERT INTO flowkeep.definition (id, tenant_id, ref, slug, name, tags, visibility, created_at,
    updated_at)
VALUES (:definition, :tenant, 'ref', 'slug', 'Name', '{}', 'tenant', now(), now());
INSERT INTO flowkeep.definition_version (definition_id, revision, tenant_id, spec, param_schema,
    out_schema, created_at)
VALUES (:definition, 1, :tenant, '{}', '{}', '{}', now());
INSERT INTO flowkeep.definition_component (definition_id, position, tenant_id, module)
VALUES (:definition, 0, :tenant, 'module');
INSERT INTO flowkeep.definition_execution (tenant_id, definition_id, at)
VALUES (:tenant, :definition, now());
INSERT INTO flowkeep.action (id, tenant_id, ref, label, param_schema, out_schema, definition_id,
    created_at, updated_at)
VALUES (:action, :tenant, 'ref', 'Label', '{}', '{}', :definition, now(), now());
INSERT INTO flowkeep.retention_policy (id, tenant_id, days, created_at, updated_at)
VALUES (:policy, :tenant, 30, now(), now());
INSERT INTO flowkeep.run_rollup (tenant_id, grain, bucket_at, app_id, definition_id,
    workflow_type, status, gone, runs, durations)
VALUES (:tenant, 'each', now(), '', :definition, 'Extract', 'succeeded', true, 1, '{}');
INSERT INTO flowkeep.archive_bundle (id, tenant_id, month, shard, url, prefix, status, created_at)
VALUES (:bundle, :tenant, '2026-01-01', 0, :url, :tenant || '/2026-01/x', 'archived', now());
INSERT INTO flowkeep.archive_pending (run_id, bundle_id) VALUES (:pending, :bundle);
INSERT INTO flowkeep.run_archive (id, tenant_id, namespace, workflow_id, workflow_type, task_queue,
    kind, labels, triggered_from, status, created_at, updated_at, bundle_id, archived_at)
VALUES (:archived, :tenant, 'default', 'w', 'Extract', 'q', 'run', '{}', 'cli', 'succeeded',
    now(), now(), :bundle, now()),
    (:chunk, :tenant, 'default', 'w', 'Extract', 'q', 'chunk', '{}', 'cli', 'succeeded',
    now(), now(), :bundle, now());
INSERT INTO flowkeep.api_key (id, tenant_id, name, subject, prefix, hash, created_at)
VALUES (gen_random_uuid(), :tenant, 'key', 'ana', 'fk_' || :tenant, '', now());
INSERT INTO flowkeep.audit_log (id, tenant_id, at, subject, via, request_id, action, object_kind,
    outcome)
VALUES (gen_random_uuid(), :tenant, now(), 'ana', 'key', 'r', 'run.start', 'run', 'done');
INSERT INTO flowkeep.idempotency (tenant_id, subject, key, request, digest, state, holder,
    lease_until, created_at)
VALUES (:tenant, 'ana', 'key', 'POST /x', '', 'running', gen_random_uuid(), now(), now());
INSERT INTO flowkeep.schedule (id, tenant_id, name, temporal_id, workflow_type, task_queue, labels,
    spec, policy, revision, created_at, updated_at)
VALUES (gen_random_uuid(), :tenant, 'nightly', 't', 'Extract', 'q', '{}', '{}', '{}', 1, now(),
    now());
INSERT INTO flowkeep.webhook (id, tenant_id, name, url, events, labels, secret_id, revision,
    created_at, updated_at)
VALUES (gen_random_uuid(), :tenant, 'hook', 'https://x', '[]', '{}', gen_random_uuid(), 1, now(),
    now());
INSERT INTO flowkeep.webhook_delivery (tenant_id, webhook_id, type, state, created_at)
VALUES (:tenant, gen_random_uuid(), 'test', 'due', now());
INSERT INTO flowkeep.run_label (tenant_id, key, value, archived, created_at, run_id)
VALUES (:tenant, 'a', 'b', true, now(), :archived);
"""
UNOWNED = {"run_rollup_mark", "reconcile_mark", "served_queue"}
KEYS = ("definition", "action", "policy", "bundle", "pending", "archived", "chunk")


@pytest.fixture
async def store(ledger_url: str, tmp_path: Path) -> AsyncIterator[Store]:
    """A store with an object storage of its own."""
    storage = StorageSettings(url=(tmp_path / "storage").as_uri())
    settings = settings_for(ledger_url).model_copy(update={"storage": storage})
    async with await connect(settings=settings) as store:
        yield store


async def add_run(store: Store, tenant: str, **fields: Any) -> Any:
    """Create a run with an attempt, and end it."""
    run = await store.runs.create(tenant, new_run(**fields))
    ref = ref_of(run, tenant, kind=run.kind)
    await store.runs.mark_running(tenant, run.id, temporal_run_id=ref.temporal_run_id)
    await store.system.record([attempt(ref, "1", output={"big": "x" * 20_000})])
    await store.system.open_steps(
        StepScope(run.id, tenant, ref.temporal_run_id, "1", run.created_at), ref
    )
    await store.task_logs.keep(
        [
            NewLogLine(
                run.id, tenant, ref.temporal_run_id, "1", 1, run.created_at, 20, "x", "y", None
            )
        ]
    )
    await store.system.set_paused(ref, PauseRequest(paused=True, reason="lunch"))
    await store.system.close_segment(close_of(ref, outputs={"a": 1}))
    return run


async def fill(store: Store, tenant: str) -> None:
    """Give a tenant rows in every table, bundles and files."""
    secret = await store.secrets.put(tenant, "secret")
    for kind in (RunKind.RUN, RunKind.RUN, RunKind.CHUNK):
        run = await add_run(
            store, tenant, kind=kind, labels={"a": "b"}, arguments={"credentials": secret}
        )
    await store.state.save_state(tenant, "key", {"a": 1})
    async with store.transaction() as tx:
        values = {key: new_id() for key in KEYS} | {
            "tenant": tenant,
            "url": Storage((await places(store))[0]).url,
        }
        for statement in ROWS.strip().rstrip(";").split(";"):
            await tx.connection.execute(text(statement), values)
        await tx.connection.execute(
            text("INSERT INTO flowkeep.secret_ref VALUES (:run, :secret) ON CONFLICT DO NOTHING"),
            {"run": run.id, "secret": secret["secret_ref"]},
        )
        await tx.connection.execute(
            text("INSERT INTO flowkeep.run_tombstone VALUES (:run, :tenant, now())"),
            {"run": new_id(), "tenant": tenant},
        )
    need = Need("default", "workflow", "w")
    await store.large_payloads.put(tenant, b"in the ledger", [need])
    await store.large_payloads.put(tenant, b"as an object", [need], place="storage")
    archive, files = (Storage(place) for place in await places(store))
    archive.put(f"{tenant}/2026-01/x/runs.parquet", b"runs")
    archive.put(f"{tenant}/2026-01/x/manifest.json", b"{}")
    files.put(f"{tenant}/app/Extract/{run.id}/manifest.json", b"{}")


async def places(store: Store) -> tuple[str, str]:
    settings = store._settings.storage
    return settings.place_of_archive(), settings.url


async def rows(store: Store) -> dict[str, dict[str, int]]:
    """Count the rows of every table, by tenant."""
    found: dict[str, dict[str, int]] = {}
    async with store.transaction() as tx:
        for table in metadata.sorted_tables:
            if "tenant_id" in table.c:
                by = "tenant_id"
            elif table.name == "secret_ref":
                by = "(SELECT tenant_id FROM flowkeep.secret WHERE id = secret_id)"
            elif table.name == "archive_pending":
                by = "(SELECT tenant_id FROM flowkeep.archive_bundle WHERE id = bundle_id)"
            else:
                assert table.name in UNOWNED, "a table that no tenant leads to"
                continue
            counts = await tx.connection.execute(
                text(f"SELECT {by} AS tenant, count(*) FROM flowkeep.{table.name} GROUP BY 1")
            )
            found[table.name] = {row[0]: row[1] for row in counts}
    return found


_FOLDERS = re.compile(r"^(archive |=payloads/)")


async def objects(store: Store) -> dict[str, list[str]]:
    """List all objects, by tenant."""
    archive, files = (Storage(place) for place in await places(store))
    keys = [f"archive {item.key}" for item in archive.list()]
    keys += [item.key for item in files.list() if not item.key.startswith("archive/")]
    return {
        tenant: [key for key in sorted(keys) if _FOLDERS.sub("", key).startswith(tenant)]
        for tenant in (TENANT, OTHER)
    }


async def test_nothing_is_left_of_an_erased_tenant(store: Store) -> None:
    """Every table and both storages are empty of the tenant, and another has all it had."""
    await fill(store, TENANT)
    await fill(store, OTHER)
    before, stored = await rows(store), await objects(store)
    assert [name for name, counts in before.items() if set(counts) != {TENANT, OTHER}] == []
    assert [len(keys) for keys in stored.values()] == [4, 4]

    heard: list[Erased] = []
    counted = await store.system.erase_tenant(TENANT, dry_run=True, batch_size=2)
    assert (await rows(store), await objects(store)) == (before, stored)
    erased = await store.system.erase_tenant(TENANT, batch_size=2, on_progress=heard.append)
    assert erased == counted == heard[-1]
    assert (erased.rows["run"], erased.rows["run_archive"], erased.objects) == (3, 2, 2)
    assert (erased.rows["task"], erased.files) == (3, 2)
    assert erased.rows["large_payload"] == 2

    after = await rows(store)
    tombstones = after.pop("run_tombstone")
    assert tombstones == {TENANT: 6, OTHER: 1}
    kept = {name: counts[OTHER] for name, counts in before.items() if name != "run_tombstone"}
    assert after == {name: {OTHER: count} for name, count in kept.items()}
    assert await objects(store) == {TENANT: [], OTHER: stored[OTHER]}
    again = await store.system.erase_tenant(TENANT)
    assert (again.rows, again.objects, again.files) == ({}, 0, 0)


async def test_open_runs_are_named_and_kept(store: Store) -> None:
    """A tenant with an open run is refused and untouched; by force the run goes, and stays away."""
    await fill(store, TENANT)
    run = await store.runs.create(TENANT, new_run())
    ref = ref_of(run)
    await store.runs.mark_running(TENANT, run.id, temporal_run_id=ref.temporal_run_id)
    before = await rows(store)
    for dry_run in (True, False):
        with pytest.raises(Conflict, match=str(run.id)):
            await store.system.erase_tenant(TENANT, dry_run=dry_run)
    assert await rows(store) == before
    erased = await store.system.erase_tenant(TENANT, force=True)
    assert erased.rows["run"] == 4
    assert (await rows(store))["run"] == {}


async def test_a_legal_hold_stands_unless_it_is_named(store: Store) -> None:
    """A held run or a holding policy refuses the erasure; only the explicit word passes."""
    run = await add_run(store, TENANT)
    await store.runs.create(OTHER, new_run())
    hold = "UPDATE flowkeep.run SET hold_until = now() + interval '1 day' WHERE id = :id"
    async with store.transaction() as tx:
        await tx.connection.execute(text(hold), {"id": run.id})
    with pytest.raises(Conflict, match=f"legal hold: that of run {run.id}"):
        await store.system.erase_tenant(TENANT, force=True)
    async with store.transaction() as tx:
        await tx.connection.execute(text("UPDATE flowkeep.run SET hold_until = now()"))
        await tx.connection.execute(
            text(
                "INSERT INTO flowkeep.retention_policy (id, tenant_id, app_id, legal_hold,"
                " created_at, updated_at) VALUES (:id, :tenant, 'a', true, now(), now())"
            ),
            {"id": new_id(), "tenant": TENANT},
        )
    with pytest.raises(Conflict, match="one of its retention policies"):
        await store.system.erase_tenant(TENANT)
    assert (await rows(store))["run"] == {TENANT: 1, OTHER: 1}
    erased = await store.system.erase_tenant(TENANT, despite_hold=True)
    assert (erased.rows["run"], erased.rows["retention_policy"]) == (1, 1)
    assert (await rows(store))["run"] == {OTHER: 1}


async def test_files_may_stay(store: Store) -> None:
    """With keep_files the ledger and the archive go, the files that runs stored do not."""
    await fill(store, TENANT)
    erased = await store.system.erase_tenant(TENANT, keep_files=True)
    assert (erased.objects, erased.files) == (2, 1)  # an object of a large payload
    assert [key.split("/")[1] for key in (await objects(store))[TENANT]] == ["app"]


async def test_an_archive_elsewhere_is_not_forgotten(store: Store) -> None:
    """A tenant whose bundles lie in another place than the configured one is refused."""
    await fill(store, TENANT)
    before = await rows(store)
    async with store.transaction() as tx:
        await tx.connection.execute(text("UPDATE flowkeep.archive_bundle SET url = 's3://b/x'"))
    with pytest.raises(Conflict, match="archived runs at s3://b/x"):
        await store.system.erase_tenant(TENANT)
    assert await rows(store) == before


async def test_a_tenant_named_like_the_archive(store: Store) -> None:
    """Erasing a tenant whose folder of files is the archive's never deletes the archive."""
    await fill(store, OTHER)
    await add_run(store, "archive")
    stored = await objects(store)
    with pytest.raises(Conflict, match="where the archive of every tenant lies"):
        await store.system.erase_tenant("archive")
    assert (await store.system.erase_tenant("archive", keep_files=True)).rows["run"] == 1
    assert await objects(store) == stored


@pytest.mark.parametrize("name", ["a/b", "a b", "..", "a=2Fb", "ü", "%", "a" * 200])
async def test_odd_names_reach_nobody_else(store: Store, name: str) -> None:
    """A name that holds slashes, dots or marks of quoting leads to its own things only."""
    await fill(store, TENANT)
    files = Storage((await places(store))[1])
    files.put("a/app/Extract/x/manifest.json", b"{}")
    await store.state.save_state(name, "key", {"a": 1})
    before = await objects(store)
    erased = await store.system.erase_tenant(name)
    assert (erased.rows, erased.objects, erased.files) == ({"state_entry": 1}, 0, 0)
    assert await objects(store) == before
    assert files.exists("a/app/Extract/x/manifest.json")


async def test_a_stopped_erasure_goes_on(store: Store) -> None:
    """Whatever batch an erasure dies after, the next one finishes."""
    await fill(store, TENANT)
    await fill(store, OTHER)
    before = await rows(store)
    steps: list[Erased] = []

    def stop(step: Erased) -> None:
        steps.append(step)
        if len(steps) % 2:
            raise InterruptedError

    for _ in range(60):
        try:
            await store.system.erase_tenant(TENANT, batch_size=1, on_progress=stop)
        except InterruptedError:
            continue
        break
    else:
        pytest.fail("the erasure never ended")
    after = await rows(store)
    assert {name for name, counts in after.items() if TENANT in counts} == {"run_tombstone"}
    assert {name: counts[OTHER] for name, counts in after.items()} == {
        name: counts[OTHER] for name, counts in before.items()
    }
    assert len(steps) > 10


async def test_tenants_are_listed_by_look_ups(ledger_url: str) -> None:
    """Tenants come in pages, each once, by one index look-up per tenant and table."""
    many = """
    INSERT INTO flowkeep.run (id, tenant_id, namespace, workflow_id, workflow_type, task_queue,
        start_options, kind, labels, triggered_from, status, state, source, created_at, updated_at)
    SELECT gen_random_uuid(), 't' || n % 3, 'default', 'w' || n, 'Extract', 'q', '{}', 'run', '{}',
        'cli', 'succeeded', '{}', 3, now(), now() FROM generate_series(1, 20000) AS n
    """
    async with await connect(settings=settings_for(ledger_url, pool_size=1)) as store:
        assert list(await store.system.list_tenants()) == []
        async with store.transaction() as tx:
            await tx.connection.execute(text(many))
            await tx.connection.execute(text("ANALYZE"))
        await store.state.save_state("s", "key", {})
        first = await store.system.list_tenants(limit=3)
        assert (list(first), first.has_more) == (["s", "t0", "t1"], True)
        rest = await store.system.list_tenants(limit=3, after="t1")
        assert (list(rest), rest.has_more) == (["t2"], False)
        for generic in (False, True):
            [plan] = await plans(store, store.system.list_tenants, generic=generic)
            reads = [node for node in plan if node.get("Relation Name") == "run"]
            assert {node["Node Type"] for node in reads} == {"Index Only Scan"}
        for bad in (0, 101):
            with pytest.raises(InvalidInput, match="limit"):
                await store.system.list_tenants(limit=bad)


async def test_runs_are_walked_in_their_index(ledger_url: str, tmp_path: Path) -> None:
    """Counting and erasing many runs reads ordered ranges of the tenant's index."""
    storage = StorageSettings(url=tmp_path.as_uri())
    settings = settings_for(ledger_url, pool_size=1).model_copy(update={"storage": storage})
    fill_runs = """
    INSERT INTO flowkeep.run (id, tenant_id, namespace, workflow_id, workflow_type, task_queue,
        start_options, kind, labels, triggered_from, status, state, source, created_at, updated_at)
    SELECT gen_random_uuid(), CASE WHEN n % 10 = 0 THEN 'acme' ELSE 't' || n % 9 END, 'default',
        'w' || n, 'Extract', 'q', '{}', 'run', '{}', 'cli', 'succeeded', '{}', 3,
        timestamptz '2026-01-01' + n * interval '1 second', now()
    FROM generate_series(1, 20000) AS n
    """
    async with await connect(settings=settings) as store:
        async with store.transaction() as tx:
            await tx.connection.execute(text(fill_runs))
            await tx.connection.execute(text("ANALYZE"))
        found = await plans(
            store, lambda: store.system.erase_tenant(TENANT, batch_size=500), generic=False
        )
        walks = [
            node
            for plan in found
            for node in plan
            if node.get("Relation Name") == "run" and node["Node Type"] != "Bitmap Heap Scan"
        ]
        assert not [node for node in walks if node["Node Type"] == "Seq Scan"]
        assert "run_by_tenant_ix" in {node.get("Index Name") for node in walks}
        assert (await rows(store))["run"].get(TENANT) is None


async def test_a_count_under_way_is_waited_for(store: Store) -> None:
    """A count that began before the runs went cannot write them back behind the erasure."""
    await store.state.save_state(TENANT, "key", {"a": 1})
    async with store._scope.write() as session:
        await rollups.pass_gate(session, alone=True)
        erasing = asyncio.create_task(store.system.erase_tenant(TENANT))
        await blocked(store)
        await session.execute(
            "INSERT INTO {schema}.run_rollup (tenant_id, grain, bucket_at, app_id, definition_id,"
            " workflow_type, status, gone, runs, durations) VALUES (:tenant, 'all', now(), '',"
            " :definition, '', 'succeeded', false, 1, '{}')",
            {"tenant": TENANT, "definition": rollups.NO_DEFINITION},
        )
    await erasing
    assert list(await store.system.list_tenants()) == []


async def test_a_hold_stops_an_erasure(store: Store, ledger_url: str) -> None:
    """A policy that becomes a legal hold in the middle is in force for all that is left."""
    for _ in range(3):
        await add_run(store, TENANT)

    def hold(_: Erased) -> None:
        with psycopg.connect(ledger_url) as connection:
            connection.execute(
                "INSERT INTO flowkeep.retention_policy (id, tenant_id, legal_hold, created_at,"
                " updated_at) VALUES (%s, %s, true, now(), now()) ON CONFLICT DO NOTHING",
                [new_id(), TENANT],
            )

    with pytest.raises(Conflict, match="one of its retention policies"):
        await store.system.erase_tenant(TENANT, batch_size=1, on_progress=hold)
    assert (await rows(store))["run"] == {TENANT: 2}
