"""Reports of workflow code that arrive late do not change what has come to be since."""

from datetime import timedelta

import pytest

from flowkeep.contracts import PauseRequest, Run, RunRef, RunStatus
from flowkeep.contracts.named_tasks import TaskNotes
from flowkeep.errors import LedgerUnavailable
from flowkeep.statestore.repositories.system import System
from tests.definitions.runs import actions
from tests.definitions.runs.support import Stage
from tests.definitions.runs.test_truth_of_rows import TWICE, answer, reset, rows, start
from tests.support import eventually

Reports = list[tuple[RunRef, TaskNotes]]


@pytest.fixture
def reports(monkeypatch: pytest.MonkeyPatch) -> Reports:
    """What workflow code has reported."""
    found: Reports = []
    notes = System.note_tasks

    async def note(self: System, run: RunRef, told: TaskNotes) -> None:
        found.append((run, told))
        await notes(self, run, told)

    monkeypatch.setattr(System, "note_tasks", note)
    return found


async def test_over_a_pause(stage: Stage, reports: Reports) -> None:
    """A report that a run waits for a person changes nothing of a run that was paused since."""
    name = stage.unique("n")
    handle = await stage.start(
        f"""
ref: paused
tasks:
  - {{name: left, action: test.echo, when: "{{{{ false }}}}"}}
  - {{name: hold, action: test.hold, input: {{name: {name}}}}}
"""
    )
    await stage.begun(name)
    await stage.until(handle, "left", "skipped")
    await handle.pause("look first")
    before = await stage.until_status(handle, RunStatus.WAITING)
    run, _ = reports[0]
    for earlier in (None, before.created_at):
        told = TaskNotes(waits_for={"human": ["ask"]}, unpaused_at=earlier)
        await stage.client.store.system.note_tasks(run, told)
    after = await stage.recorded(handle)
    assert (after.status, after.wait) == (RunStatus.WAITING, None)
    assert (after.pause_reason, after.revision) == ("look first", before.revision)
    await handle.resume()
    actions.release(name)
    await stage.result(handle)


async def test_after_a_pause_whose_end_was_lost(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that went on while the ledger was away is not shown as paused when it waits again."""
    paused = System.set_paused

    async def lost(self: System, run: RunRef, request: PauseRequest) -> Run:
        if not request.paused:
            raise LedgerUnavailable("away for a test")
        return await paused(self, run, request)

    monkeypatch.setattr(System, "set_paused", lost)
    monkeypatch.setattr("flowkeep.recording.activities._PATIENCE_SECONDS", 0.2)
    name = stage.unique("n")
    handle = await stage.start(
        f"""
ref: lost
tasks:
  - {{name: hold, action: test.hold, input: {{name: {name}}}}}
  - {{name: ask, human: {{assignee: ada, title: ok}}}}
"""
    )
    await stage.begun(name)
    await handle.pause("look first")
    assert (await stage.until_status(handle, RunStatus.WAITING)).pause_reason == "look first"
    await handle.resume()
    actions.release(name)
    await answer(stage, handle, "ask")
    await stage.result(handle)
    kinds = await stage.kinds(handle)
    assert (kinds.count("waiting"), kinds.count("resumed")) == (2, 2)


async def test_after_a_pause_that_ended_with_its_execution(stage: Stage) -> None:
    """A paused execution that runs out of time leaves no pause to the one that follows."""
    handle = await start(
        stage,
        "{ref: out, tasks: [{name: ask, human: {assignee: ada, title: ok}}]}",
        retry_policy=TWICE,
        run_timeout=timedelta(seconds=4),
    )
    await stage.until(handle, "ask", "waiting")
    await handle.pause("look first")

    async def is_paused() -> None:
        assert (await stage.recorded(handle)).pause_reason == "look first"

    await eventually(is_paused)

    async def asks_again() -> None:
        assert len(await stage.rows(handle)) == 2

    await eventually(asks_again)
    await answer(stage, handle, "ask")
    await stage.result(handle)
    stage.repairs = True  # the end of the first execution is Temporal's alone to tell


async def test_of_an_execution_that_a_reset_ended(stage: Stage, reports: Reports) -> None:
    """What an execution reports after a reset has ended it changes neither rows nor the run."""
    handle = await start(
        stage,
        """
ref: back
tasks:
  - {name: first, human: {assignee: ada, title: ok}}
  - {name: second, human: {assignee: ada, title: ok}}
""",
    )
    await answer(stage, handle, "first")
    await stage.until(handle, "second", "waiting")
    late = [one for one in reports if one[1].waits_for == {"human": ["second"]}]
    assert late
    await reset(stage, handle)

    async def begun_again() -> None:
        names = [one.activity_id for one in await stage.rows(handle)]
        assert names.count("first") == 2

    await eventually(begun_again)
    run = await stage.until_status(handle, RunStatus.WAITING)
    before = await rows(stage, handle)
    assert ("second", 0, "cancelled", True) in before
    for reporter, told in late:
        await stage.client.store.system.note_tasks(reporter, told)
    assert await rows(stage, handle) == before
    found = await stage.recorded(handle)
    assert (found.wait, found.revision) == ({"human": ["first"]}, run.revision)
    await answer(stage, handle, "first")
    await answer(stage, handle, "second")
    await stage.result(handle)
