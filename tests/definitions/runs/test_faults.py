"""Kill -9 of workers, PostgreSQL and Temporal in the middle of runs of definitions.

An answer to a question meets a ledger that is away, and everything is killed under mixed runs.

One kill of each among two runs, and one more of both servers while a question is open;
`--fault-points 10` for more.
"""

import asyncio
import contextlib
import random
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from temporalio.client import Client

from flowkeep.clients.lookup import find_run
from flowkeep.clients.workflow import RunHandle, WorkflowClient
from flowkeep.contracts import NewDefinition, Run, RunStatus, TaskStatus
from flowkeep.errors import AlreadyTerminal, LedgerUnavailable
from tests.definitions.runs import faulted
from tests.definitions.runs.fault_checks import check_run
from tests.definitions.runs.support import Stage
from tests.faults import histories, injections, witness
from tests.faults.comparison import Truth, compare
from tests.faults.driver import TRUTH_SECONDS, verify
from tests.faults.processes import warm_up
from tests.faults.requests import AWAY
from tests.faults.rows import read_ledger
from tests.faults.scene import Scene, scene
from tests.support import crash, eventually

pytestmark = pytest.mark.slow

RUNS_PER_POINT = 2
AWAY_SECONDS = 0.5
PATIENCE = 60
KILLS = ["kill-worker", "kill-postgres", "kill-temporal"]
ASKS = """
ref: asks
tasks:
  - {name: ask, human: {assignee: ada, title: ok}}
  - {name: after, action: faults.double, input: {value: 1}}
output_map: {answer: "{{ tasks.ask.result.answer }}", after: "{{ tasks.after.result }}"}
"""
VARIABLES = {"FLOWKEEP_RECONCILER_INTERVAL_SECONDS": "2"}


@pytest.fixture(scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    """Servers that may be killed, two workers and a reconciler in processes of their own."""
    warm_up()
    folder = tmp_path_factory.mktemp("faults")
    async with scene(folder, print, small_disk=False, variables=VARIABLES) as found:
        yield found


@pytest.fixture(scope="module")
async def client(place: Scene) -> AsyncIterator[WorkflowClient]:
    """A client of theirs."""
    async with await WorkflowClient.connect(place.settings("client")) as client:
        yield client


@pytest.fixture
async def asking(place: Scene, client: WorkflowClient) -> tuple[Stage, RunHandle]:
    """A run that waits for an answer, after which it calls an action."""
    stage = Stage(client)
    handle = await stage.start(ASKS)
    await stage.until_status(handle, RunStatus.WAITING)
    return stage, handle


async def test_an_answer_without_a_ledger_is_refused(
    place: Scene, asking: tuple[Stage, RunHandle]
) -> None:
    """Who answers while the ledger is away is told so; nothing is lost, later the answer counts."""
    stage, handle = asking
    postgres = place.engine.postgres
    assert postgres is not None
    await crash(postgres)
    with pytest.raises(LedgerUnavailable):
        await stage.client.questions.answer(stage.tenant, handle.run_id, "ask", {}, by="ada")
    await postgres.restart()
    run = await _persist(lambda: stage.recorded(handle))
    assert (run.status, run.wait) == (RunStatus.WAITING, {"human": ["ask"]})
    await _answer(stage, handle)
    await _answered_once(stage, handle)


async def test_an_answer_that_the_ledger_hears_of_later(
    place: Scene, asking: tuple[Stage, RunHandle], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer on its way when the ledger goes is taken, and recorded once that is back."""
    stage, handle = asking
    postgres = place.engine.postgres
    assert postgres is not None
    killed = asyncio.Event()

    async def find_and_kill(*which: Any) -> Run:
        run = await find_run(*which)
        await crash(postgres)
        killed.set()
        return run

    monkeypatch.setattr("flowkeep.clients.questions.find_run", find_and_kill)
    answering = asyncio.create_task(_answer(stage, handle))
    await killed.wait()
    monkeypatch.undo()
    workflow = (await place.temporal()).get_workflow_handle(handle.workflow_id)

    async def went_on() -> None:
        events = [event async for event in workflow.fetch_history_events()]
        scheduled = [event.activity_task_scheduled_event_attributes for event in events]
        assert "after" in {one.activity_id for one in scheduled}

    await eventually(went_on, timeout=PATIENCE, interval=0.2)
    await postgres.restart()
    await answering
    await _answered_once(stage, handle)


async def _answered_once(stage: Stage, handle: RunHandle) -> None:
    """The run ends with the answer, of which row and events tell once; another comes too late."""
    assert await _persist(handle.result) == {"answer": faulted.ANSWER, "after": 2}

    async def recorded() -> None:
        row = await stage.row(handle, "ask")
        assert (row.status, row.output["answer"], row.output["by"]) == (
            TaskStatus.SUCCEEDED,
            faulted.ANSWER,
            "ada",
        )
        assert (await stage.kinds(handle)).count("question_answered") == 1
        assert (await stage.recorded(handle)).status is RunStatus.SUCCEEDED

    await eventually(recorded, timeout=PATIENCE, interval=0.2)
    with pytest.raises(AlreadyTerminal):
        await stage.client.questions.answer(
            stage.tenant, handle.run_id, "ask", {"go": False}, by="ada"
        )


@pytest.mark.timeout(900)
async def test_kills_change_nothing_but_attempts(
    place: Scene, client: WorkflowClient, request: pytest.FixtureRequest
) -> None:
    """Whatever is killed and when: runs end as they must, and the ledger is true to the letter."""
    points = request.config.getoption("--fault-points")
    stage, chance = Stage(client), random.Random(points)
    handles = await _start(stage, RUNS_PER_POINT * points)
    kills = KILLS * points
    chance.shuffle(kills)
    total = len(handles) * faulted.CALLS_BEFORE_THE_ANSWER
    for number, kill in enumerate(kills):
        await _calls(place, int(total * (number + chance.random()) / (len(kills) + 1)))
        await _inject(place, kill)
    for handle in handles:
        await _asks(stage, handle)
    await asyncio.gather(_inject(place, "kill-postgres"), _inject(place, "kill-temporal"))
    for handle in handles:
        await _answer(stage, handle)
    for handle in handles:
        assert await _persist(handle.result) == faulted.RESULT
    await _true(place, await place.temporal(), time.monotonic())
    lines: dict[Any, list[witness.Line]] = defaultdict(list)
    for line in witness.read(place.truth):
        lines[line.key].append(line)
    for handle in handles:
        await check_run(stage, handle.run_id, lines)
    assert [text for program in place.programs.values() if (text := program.died)] == []


async def _start(stage: Stage, count: int) -> list[RunHandle]:
    for spec in (faulted.CHILD, faulted.PARENT):
        new = NewDefinition(name=str(spec["ref"]), ref=str(spec["ref"]), spec=spec)
        await stage.client.store.definitions.create(stage.tenant, new)
    return [await stage.execute("parent") for _ in range(count)]


async def _inject(place: Scene, name: str) -> None:
    await injections.inject(place, injections.Planned(0, name, AWAY_SECONDS, seed=1))


async def _calls(place: Scene, wanted: int) -> None:
    """Wait until actions have begun this often."""

    def enough() -> None:
        assert len(witness.read(place.truth, only=b'"begin"')) >= wanted

    await eventually(enough, timeout=PATIENCE)


async def _asks(stage: Stage, handle: RunHandle) -> None:
    """Wait until a run has nothing left but its question; the lists of its tasks say so."""

    async def asks() -> None:
        run = await _persist(lambda: stage.recorded(handle))
        if run.status.terminal:
            rows = [f"{one.ref} {one.status} {one.error}" for one in await stage.rows(handle)]
            raise RuntimeError(f"the run has ended: {run}; {rows}")
        assert (run.status, run.wait) == (RunStatus.WAITING, {"human": ["ask"]})
        found = await stage.client.store.tasks.names_by_state(stage.tenant, handle.run_id)
        lists, expected = faulted.as_sets(found), faulted.BEFORE_THE_ANSWER
        # What a killed worker had not reported yet is rebuilt once the execution has ended, or
        # when the reconciler next looks at the open run: until then such tasks stand as they were.
        assert expected["current"] <= lists.pop("current") <= set().union(*expected.values())
        for name, found_there in lists.items():
            assert found_there <= expected[name], name

    await eventually(asks, timeout=PATIENCE, interval=0.2)


async def _answer(stage: Stage, handle: RunHandle) -> None:
    """Answer until a reply comes; one to an earlier try may have been lost."""

    async def answer() -> None:
        questions = stage.client.questions
        await questions.answer(stage.tenant, handle.run_id, "ask", faulted.ANSWER, by="ada")

    with contextlib.suppress(AlreadyTerminal):
        await _persist(answer)


async def _persist(action: Callable[[], Awaitable[Any]]) -> Any:
    """Do it again until no server is away."""

    async def persist() -> Any:
        try:
            return await action()
        except AWAY as error:
            raise AssertionError(f"a server is away: {error}") from error

    return await eventually(persist, timeout=PATIENCE, interval=0.2)


async def _true(place: Scene, plain: Client, ended: float) -> None:
    """The ledger equals histories and witnesses, and flowkeep says so itself, soon enough."""
    executions = await histories.list_executions(plain)
    read = await histories.read_histories(plain, list(executions))
    truth = Truth.of(read, [], place.troubles, witness.read(place.truth))

    async def true() -> None:
        found = compare(truth, await read_ledger(place.engine.database_url))
        assert (found or await verify(place)) == []

    await eventually(true, timeout=TRUTH_SECONDS, interval=0.5)
    print(f"true {time.monotonic() - ended:.1f} s after the last end")
