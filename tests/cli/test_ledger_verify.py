"""`flowkeep ledger verify` on real servers: what it prints, and how it ends."""

import asyncio
import json
import re
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from flowkeep.cli.app import CALL_FAILED, OK, RUN_FAILED, USAGE
from flowkeep.clients.handle import RunHandle
from flowkeep.clients.workflow import WorkflowClient
from flowkeep.recording.verification import Verification
from flowkeep.settings import Settings
from flowkeep.worker import Worker
from tests.cli.calling import Ask, Call
from tests.faults.links import Link, Mode
from tests.served import client, letters, worker
from tests.support import eventually
from tests.workflows import flows

__all__ = ["client", "letters", "worker"]

VERIFY = ("ledger", "verify")


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    """Little patience, so that tests are fast."""
    return {
        **environment,
        "FLOWKEEP_RECONCILER_GRACE_SECONDS": "0.2",
        "FLOWKEEP_RECONCILER_LISTS_PER_SECOND": "1000",
    }


@pytest.fixture
def tenant() -> str:
    """A tenant that no other test uses: they share one namespace of Temporal."""
    return f"t-{uuid4().hex[:12]}"


@pytest.fixture
async def run(client: WorkflowClient, worker: Worker, tenant: str) -> RunHandle:
    """A run that has ended, and whose end is recorded."""
    handle = await client.start_workflow({"x": 1}, flows.Sequenced, tenant_id=tenant)
    await handle.result()

    async def recorded() -> None:
        found = await client.store.runs.get(tenant, handle.run_id)
        segments = await client.store.runs.list_segments(tenant, handle.run_id)
        assert [segment.expected_tasks for segment in segments] == [5]
        assert found.tasks_finished == 5

    await eventually(recorded)
    return handle


async def _break(settings: Settings, statement: str, *values: Any) -> None:
    connection = await psycopg.AsyncConnection.connect(settings.database_url(), autocommit=True)
    async with connection:
        await connection.execute(f"SET search_path = {settings.database.schema_name}")
        await connection.execute(statement, values)


async def test_agreement_exits_with_0(run: RunHandle, tenant: str, call: Call, ask: Ask) -> None:
    """A ledger that agrees is said to, with what was compared; JSON says the same."""
    told = await ask(*VERIFY, "--tenant", tenant, "--deep", "--since", "1h")
    assert told["differences"] == []
    summary = told["summary"]
    assert [summary[name] for name in ("agree", "complete", "deep")] == [True] * 3
    assert (summary["compared"], summary["found"], summary["by_kind"]) == (1, 0, {})
    assert summary["tenant_id"] == tenant
    assert summary["listed"] >= 1
    shown = await call("--tenant", tenant, *VERIFY)
    assert shown.exit_code == OK, shown.stderr
    assert "1 executions of the ledger compared with Temporal" in shown.stdout
    assert "no difference; `--deep`" in shown.stdout


async def test_differences_exit_with_1_until_they_are_repaired(
    run: RunHandle, tenant: str, call: Call, ask: Ask, settings: Settings
) -> None:
    """Each difference is printed with both sides; a repair ends with 0, as the next look."""
    await _break(settings, "UPDATE run SET status = 'failed' WHERE id = %s", run.run_id)
    await _break(settings, "DELETE FROM task WHERE task_name = 'first' AND run_id = %s", run.run_id)
    deep = (*VERIFY, "--tenant", tenant, "--deep")
    shown = await call(*deep)
    assert shown.exit_code == RUN_FAILED
    assert "KIND" in shown.stdout
    assert run.workflow_id in shown.stdout
    assert "`--repair` corrects the ledger" in shown.stdout
    told = await call(*deep, "-o", "json")
    assert told.exit_code == RUN_FAILED
    found = json.loads(told.stdout)
    by_kind = {one["kind"]: one for one in found["differences"]}
    assert set(by_kind) == {"status_differs", "attempt_missing", "count_differs"}
    assert by_kind["attempt_missing"] | {"ledger": None} == {
        "kind": "attempt_missing",
        "namespace": "default",
        "workflow_id": run.workflow_id,
        "tenant_id": tenant,
        "run_id": str(run.run_id),
        "temporal_run_id": run.temporal_run_id,
        "activity_id": "3",
        "attempt": 1,
        "ledger": None,
        "temporal": "succeeded",
        "repaired": False,
    }
    assert found["summary"]["by_kind"] == dict.fromkeys(sorted(by_kind), 1)
    assert not found["summary"]["agree"]
    repaired = await call(*deep, "--repair")
    assert repaired.exit_code == OK, repaired.stdout
    assert "3 repaired" in repaired.stdout
    assert (await ask(*deep))["summary"]["found"] == 0


async def test_without_a_tenant_all_are_compared(
    run: RunHandle, call: Call, settings: Settings
) -> None:
    """Only a tenant that is named bounds what is compared."""
    await _break(settings, "UPDATE run SET tasks_total = 9 WHERE id = %s", run.run_id)
    words = (*VERIFY, "--workflow-id", run.workflow_id)
    assert (await call(*words)).exit_code == RUN_FAILED
    assert (await call(*words, "--tenant", "default")).exit_code == OK


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("FLOWKEEP_DATABASE_URL", "postgresql://someone:x@127.0.0.1:1/none", "LEDGER_UNAVAILABLE"),
        ("TEMPORAL_ADDRESS", "127.0.0.1:1", "TEMPORAL_UNAVAILABLE"),
    ],
)
async def test_servers_that_are_away_exit_with_3(
    environment: dict[str, str], call: Call, name: str, value: str, code: str
) -> None:
    """What could not be compared is told apart from what differs."""
    environment[name] = value
    done = await call(*VERIFY, "-o", "json")
    assert (done.exit_code, done.stdout) == (CALL_FAILED, "")
    assert json.loads(done.stderr)["error"]["code"] == code


@pytest.mark.parametrize("server", ["ledger", "temporal"])
async def test_a_server_that_goes_away_meanwhile_exits_with_3(
    server: str,
    run: RunHandle,
    tenant: str,
    call: Call,
    environment: dict[str, str],
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What was compared before does not pass for a comparison; the JSON is whole and says so."""
    await _break(settings, "UPDATE run SET status = 'failed' WHERE id = %s", run.run_id)
    name = "FLOWKEEP_DATABASE_URL" if server == "ledger" else "TEMPORAL_ADDRESS"
    [port] = re.findall(r":(\d+)(?=/|$)", environment[name])
    link = Link(server, int(port))
    await link.start()
    environment[name] = environment[name].replace(f":{port}", f":{link.port}")
    here, look = asyncio.get_running_loop(), Verification._second_look

    async def cut() -> None:
        link.damage(Mode.CUT)

    async def second_look(self: Verification, *args: Any) -> Any:
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(cut(), here))
        return await look(self, *args)

    monkeypatch.setattr(Verification, "_second_look", second_look)
    done = await call(*VERIFY, "--tenant", tenant, "-o", "json")
    await link.stop()
    assert done.exit_code == CALL_FAILED
    assert json.loads(done.stderr)["error"]["code"] == f"{server.upper()}_UNAVAILABLE"
    told = json.loads(done.stdout)
    assert (told["differences"], told["summary"]["complete"]) == ([], False)
    assert "agree" not in told["summary"]


@pytest.mark.parametrize("verb", ["verify", "reconcile --once"])
async def test_a_ledger_at_another_migration_exits_with_3(
    verb: str, settings: Settings, call: Call
) -> None:
    """Neither command touches a ledger of another release; both name the way out."""
    await _break(settings, "UPDATE alembic_version SET version_num = '0001'")
    done = await call("ledger", *verb.split())
    assert (done.exit_code, done.stdout) == (CALL_FAILED, "")
    assert "is at migration 0001" in done.stderr
    assert "flowkeep db upgrade" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("--since", "yesterday"),
        ("--since", "1h", "--until", "2h"),
        ("--per-second", "0"),
        ("-o", "yaml"),
    ],
    ids=" ".join,
)
async def test_what_cannot_be_asked_exits_with_2(words: tuple[str, ...], call: Call) -> None:
    """A period or a rate that makes no sense is an error of the command line."""
    assert (await call(*VERIFY, *words)).exit_code == USAGE
