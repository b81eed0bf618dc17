"""Starting, watching and steering runs, with a worker started by the command line.

One worker and one ledger serve all tests; those of the worker itself start their own.
"""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

import pytest

from flowkeep.cli.app import CALL_FAILED, INTERRUPTED, RUN_FAILED, USAGE
from flowkeep.local_engine import LocalEngine
from tests.cli.calling import Ask, Call
from tests.conftest import drop_database
from tests.support import eventually

pytestmark = pytest.mark.slow

FLOWS = Path(__file__).parent
HERE = "served_flows"


async def start(
    environment: dict[str, str], *words: str, output: int | IO[bytes] = PIPE
) -> Process:
    """Start a command line as a process of its own, in the folder of the workflows."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "flowkeep", *words),
        cwd=FLOWS,
        stdout=output,
        stderr=STDOUT,
        env={**os.environ, **environment, "FLOWKEEP_LOG_FORMAT": "json"},
    )


async def stop(process: Process) -> str:
    """End a process as a supervisor would, and return what it printed."""
    process.send_signal(signal.SIGTERM)
    text, _ = await process.communicate()
    return text.decode()


@pytest.fixture(scope="module")
async def environment(
    engine: LocalEngine, ledger_template: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[dict[str, str]]:
    """The environment of every process of this file."""
    folder = tmp_path_factory.mktemp("run-live")
    settings, name = engine.settings(), f"ledger_{uuid4().hex}"
    assert settings.database.secret_key is not None
    yield {
        "FLOWKEEP_DATABASE_URL": await engine.create_database(name, template=ledger_template),
        "FLOWKEEP_SECRET_KEY": settings.database.secret_key.get_secret_value(),
        "FLOWKEEP_STORAGE_URL": (folder / "storage").as_uri(),
        "TEMPORAL_ADDRESS": engine.temporal_address,
        "TEMPORAL_NAMESPACE": engine.namespace,
        "FLOWKEEP_CONFIG": str(folder / "config.toml"),
    }
    await drop_database(engine, name)


@dataclass(frozen=True)
class Serving:
    """A worker that serves the module.

    Attributes:
        process: It.
        queue: Its task queue.
        log: What it prints.
    """

    process: Process
    queue: str
    log: Path


@pytest.fixture(scope="module")
async def worker(
    environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Serving]:
    """The worker of all tests that only need one."""
    queue, log = f"live-{uuid4().hex}", tmp_path_factory.mktemp("worker") / "log"
    with log.open("wb") as output:
        words = ("worker", "start", HERE, "--task-queue", queue)
        process = await start(environment, *words, output=output)
    yield Serving(process, queue, log)
    process.terminate()
    assert await process.wait() == 0


@pytest.fixture
def flow(worker: Serving) -> list[str]:
    """The words that start a run for the worker."""
    return ["run", "start", "CliFlow", "--task-queue", worker.queue]


async def test_start_and_wait(flow: list[str], ask: Ask) -> None:
    """A run that is waited for prints the whole run, with the arguments that were given."""
    run = await ask(*flow, "--arg", "word=hello", "--label", "k=v", "--owner", "ann", "--wait")
    assert run["status"] == "succeeded"
    assert run["outputs"]["cli_second"] == "hello"
    assert (run["labels"], run["owner"], run["triggered_from"]) == ({"k": "v"}, "ann", "cli")
    arguments = await ask("state", "get", run["id"], "--kind", "workflows")
    assert arguments["value"]["word"] == "hello"


async def test_start_by_class(worker: Serving, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """WORKFLOW may name a class of a module in the working directory."""
    monkeypatch.chdir(FLOWS)
    run = await ask("run", "start", f"{HERE}:CliFlow", "--task-queue", worker.queue, "--wait")
    assert (run["workflow_type"], run["status"]) == ("CliFlow", "succeeded")


async def test_a_failed_run_exits_with_1(flow: list[str], call: Call) -> None:
    """A run that fails is told apart from a failed call by exit code 1, and says why."""
    done = await call(*flow, "--arg", "fail=true", "--wait", "-o", "json")
    assert done.exit_code == RUN_FAILED
    run = json.loads(done.stdout)
    assert run["status"] == "failed"
    assert "told to fail" in done.stderr
    watched = await call("run", "watch", run["id"])
    assert watched.exit_code == RUN_FAILED
    assert "told to fail" in watched.stderr


async def test_the_same_workflow_id_is_one_run(
    flow: list[str], ask: Ask, call: Call, tmp_path: Path
) -> None:
    """A repeated start answers with the open run; other arguments, or reject, are a conflict."""
    gate = tmp_path / "gate"
    words = [*flow, "--workflow-id", "one", "--arg", f"gate={gate}"]
    first = await ask(*words)
    again = await ask(*words)
    assert (first["created"], again["created"]) == (True, False)
    assert again["run_id"] == first["run_id"]
    assert (await call(*words, "--on-conflict", "reject")).exit_code == CALL_FAILED
    assert (await call(*words, "--arg", "word=other")).exit_code == CALL_FAILED
    gate.touch()
    assert (await call("run", "watch", "one")).exit_code == 0


async def test_watch_shows_progress_to_the_end(
    flow: list[str], ask: Ask, environment: dict[str, str], tmp_path: Path
) -> None:
    """A watch yields lines while the run goes on, counts rows and bytes, and ends with it."""
    gate = tmp_path / "gate"
    started = await ask(*flow, "--arg", f"gate={gate}")
    watch = await start(
        environment, "run", "watch", started["run_id"], "--interval", "0.05", "-o", "json"
    )
    assert watch.stdout is not None
    seen: list[dict[str, Any]] = []
    async for line in watch.stdout:
        seen.append(json.loads(line))
        if seen[-1]["current"] == ["cli_second"] and not gate.exists():
            gate.touch()
    assert await watch.wait() == 0
    last = seen[-1]
    assert last["status"] == "succeeded"
    assert last["run"]["outputs"]["cli_second"] == "done"
    assert (last["tasks_running"], last["tasks_failed"]) == (0, 0)
    assert last["tasks_done"] == last["tasks_total"]
    assert (last["rows"], last["bytes"]) == (7, 70)
    assert any(one["tasks_running"] for one in seen)


@pytest.mark.long
async def test_watch_as_lines_for_people(flow: list[str], call: Call) -> None:
    """Without a terminal the progress is plain lines, then the run."""
    done = await call(*flow, "--watch")
    assert done.exit_code == 0, done.stderr
    assert "7 rows" in done.stdout
    assert "succeeded" in done.stdout
    assert "\x1b" not in done.stdout


async def test_ctrl_c_ends_the_watching_not_the_run(
    flow: list[str], ask: Ask, call: Call, environment: dict[str, str], tmp_path: Path
) -> None:
    """Ctrl-C while watching exits with 130, and the run ends by itself later."""
    gate = tmp_path / "gate"
    started = await ask(*flow, "--arg", f"gate={gate}")
    watch = await start(environment, "run", "watch", started["run_id"])
    assert watch.stdout is not None
    await watch.stdout.readline()
    watch.send_signal(signal.SIGINT)
    rest, _ = await watch.communicate()
    assert watch.returncode == INTERRUPTED
    assert f"flowkeep run watch {started['run_id']}" in rest.decode()
    assert "Traceback" not in rest.decode()
    gate.touch()
    assert (await call("run", "watch", started["run_id"])).exit_code == 0


async def test_pause_resume_cancel(flow: list[str], ask: Ask, call: Call, tmp_path: Path) -> None:
    """A run can be paused with a reason, resumed with a patch, and cancelled with a reason."""
    gate = tmp_path / "gate"
    run_id = (await ask(*flow, "--arg", f"gate={gate}"))["run_id"]

    async def status(expected: str) -> dict[str, Any]:
        run: dict[str, Any] = await ask("run", "get", run_id)
        assert run["status"] == expected
        return run

    await eventually(lambda: status("running"), timeout=60)
    await ask("run", "pause", run_id, "--reason", "lunch")
    paused = await eventually(lambda: status("waiting"), timeout=60)
    assert paused["pause_reason"] == "lunch"
    await ask("run", "resume", run_id, "--patch", "size=3")
    resumed = await eventually(lambda: status("running"), timeout=60)
    assert resumed["state"]["size"] == 3
    asked = await ask("run", "cancel", run_id, "--reason", "enough")
    assert asked["cancel_requested"]
    watched = await call("run", "watch", run_id)
    assert watched.exit_code == RUN_FAILED
    assert (await status("cancelled"))["cancel_requested"]
    for verb in ("pause", "resume", "cancel"):
        done = await call("run", verb, run_id, "-o", "json")
        assert done.exit_code == CALL_FAILED
        assert json.loads(done.stderr)["error"]["code"] == "ALREADY_TERMINAL"


async def test_start_without_arguments_for_a_key(flow: list[str], call: Call) -> None:
    """A workflow id without arguments, given or stored, is an error before anything starts."""
    done = await call(*flow, "--workflow-id", "never-stored")
    assert done.exit_code == USAGE
    assert "never-stored" in done.stderr


async def test_temporal_away(call: Call) -> None:
    """A Temporal server that is away exits with 3 and names the address and the way out."""
    words = ("run", "start", "CliFlow", "--temporal-address", "127.0.0.1:1", "-o", "json")
    done = await call(*words)
    assert (done.exit_code, done.stdout) == (CALL_FAILED, "")
    error = json.loads(done.stderr)["error"]
    assert error["code"] == "TEMPORAL_UNAVAILABLE"
    assert "127.0.0.1:1" in error["message"]
    assert "flowkeep dev" in error["hint"]


@pytest.mark.parametrize("target", ["served_flows:both", "served_flows:as_dict"])
async def test_worker_targets(
    target: str, environment: dict[str, str], task_queue: str, ask: Ask
) -> None:
    """A list of classes and a function that returns keywords are served alike."""
    process = await start(environment, "worker", "start", target, "--task-queue", task_queue)
    run = await ask("run", "start", "CliFlow", "--task-queue", task_queue, "--wait")
    assert run["status"] == "succeeded"
    text = await stop(process)
    assert process.returncode == 0, text
    assert "Traceback" not in text


async def test_worker_from_a_function(environment: dict[str, str], ask: Ask) -> None:
    """A function may return a whole Worker, with a task queue of its own."""
    process = await start(environment, "worker", "start", "served_flows:as_worker")
    run = await ask("run", "start", "CliFlow", "--task-queue", "made-by-function", "--wait")
    assert run["status"] == "succeeded"
    await stop(process)
    assert process.returncode == 0


async def test_worker_logs_are_records_alone(worker: Serving, ask: Ask) -> None:
    """Each line of a worker's JSON log is a record, also what the native part of the SDK says."""
    started = await ask("run", "start", "CliBug", "--task-queue", worker.queue)

    def told() -> list[dict[str, Any]]:
        whole, end, _ = worker.log.read_text().rpartition("\n")
        lines = [json.loads(line) for line in (whole + end).splitlines()]
        assert any(line["logger"] == "temporalio.core" for line in lines)
        return lines

    lines = await eventually(told)
    assert {line["process"] for line in lines} <= {"worker", "reconciler"}
    assert all({"event", "level", "logger", "timestamp"} <= line.keys() for line in lines)
    native = [line for line in lines if line["logger"] == "temporalio.core"]
    assert {line["temporal_run_id"] for line in native} == {started["temporal_run_id"]}
    bug = next(line for line in lines if "a bug" in line.get("exception", ""))
    assert bug["workflow_type"] == "CliBug"
    assert bug["temporal_run_id"] == started["temporal_run_id"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["no_such_module"], "no_such_module"),
        (["served_flows:Nothing"], "Nothing"),
        (["served_flows:number"], "served_flows:number is an object of type int"),
        (["served_flows:CliActivities"], "CliActivities, not a workflow class"),
        (["served_flows:as_number"], "served_flows:as_number returned an object of type int"),
        (["served_flows:as_worker", "served_flows"], "nothing can be added"),
        (["served_flows:Undecorated"], "Undecorated"),
        (["json"], "json defines no subclass"),
    ],
)
async def test_worker_refuses_what_it_cannot_serve(
    words: list[str], message: str, environment: dict[str, str]
) -> None:
    """What cannot be served ends the start with 3 and is named in one line, the last."""
    process = await start(environment, "worker", "start", *words)
    text, _ = await process.communicate()
    assert process.returncode == CALL_FAILED
    *before, told = text.decode().splitlines()
    assert message in told
    # The process beside the workers may have been started before the worker was built.
    assert all("flowkeep-reconciler" in line for line in before)


@pytest.mark.long
async def test_worker_in_several_processes(
    environment: dict[str, str], task_queue: str, ask: Ask
) -> None:
    """Several processes serve one queue, and all of them end with the parent's SIGTERM."""
    process = await start(
        environment, "worker", "start", HERE, "--task-queue", task_queue, "--processes", "2"
    )
    run = await ask("run", "start", "CliFlow", "--task-queue", task_queue, "--wait")
    assert run["status"] == "succeeded"
    text = await stop(process)
    assert process.returncode == 0, text
    assert "Traceback" not in text


@pytest.mark.long
async def test_processes_that_cannot_work_end_the_parent(environment: dict[str, str]) -> None:
    """Children that fail at their start say why, and the parent gives up with 3."""
    process = await start(
        environment, "worker", "start", "served_flows:as_number", "--processes", "2"
    )
    text, _ = await process.communicate()
    assert process.returncode == CALL_FAILED
    lines = text.decode().splitlines()
    assert lines[-1].startswith("Error: worker process")
    records = [json.loads(line) for line in lines[:-1]]
    told = [one for one in records if "returned an object of type int" in one["event"]]
    assert {one["process"] for one in told} == {"worker-0", "worker-1"}
