"""Actions as activities, on real servers."""

import json
import logging
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from flowkeep.activities.definition_actions import (
    MOST_RESULT_BYTES,
    DefinitionActions,
    activities_of,
    activity_of,
)
from flowkeep.clients.handle import RunHandle
from flowkeep.clients.workflow import WorkflowClient
from flowkeep.contracts.secret_names import secret_id
from flowkeep.definitions.actions import ActionRegistry
from flowkeep.errors import ConfigurationError, RunFailed
from flowkeep.settings import Settings
from flowkeep.worker import Worker
from tests.definitions.action_flows import CANARY, Calls, Trace
from tests.served import client
from tests.support import eventually, flushed

__all__ = ["client"]

TENANT = "default"


@pytest.fixture
def trace() -> Trace:
    """The actions that the worker serves."""
    return Trace()


@pytest.fixture
async def serving(client: WorkflowClient, trace: Trace) -> AsyncIterator[WorkflowClient]:
    """The client of a worker with these actions, and a secret by name and by id."""
    own: list[Any] = [trace.note, trace.plain, trace.fails, trace.give, trace.size, trace.wait]
    registry = ActionRegistry([*ActionRegistry.built_in(), *own])
    await client.store.secrets.put(TENANT, CANARY, secret_id=secret_id(TENANT, "mine"))
    async with Worker(
        client, workflow_classes=[Calls], workflow_activities=activities_of(registry.values())
    ):
        yield client


async def start(client: WorkflowClient, *calls: tuple[str, dict[str, Any]]) -> RunHandle:
    """Start a run that calls actions one after the other."""
    arguments = {"calls": [{"ref": ref, "call": call} for ref, call in calls]}
    return await client.start_workflow(arguments, Calls)


async def run(client: WorkflowClient, ref: str, **call: Any) -> Any:
    """Call one action; its result, or how it failed."""
    handle = await start(client, (ref, call))
    return (await handle.result())[0]


async def everything_told(client: WorkflowClient, handle: RunHandle) -> str:
    """All that Temporal and the ledger know of a run, as one text."""
    await flushed(client)
    history = await client.temporal.get_workflow_handle(handle.workflow_id).fetch_history()
    events = "\n".join(
        event.SerializeToString().decode("utf-8", "replace") for event in history.events
    )
    attempts = await client.store.tasks.list_attempts(TENANT, handle.run_id, limit=100)
    row = await handle.run()
    return "\n".join([events, *(one.model_dump_json() for one in attempts), row.model_dump_json()])


async def test_a_call(serving: WorkflowClient, trace: Trace) -> None:
    """The function gets typed input and its context; the result comes back as JSON."""
    result = await run(serving, "trace.note", input={"note": {"text": "hello"}}, task="t[3]")
    (call,) = trace.calls
    assert result == {"text": "hel", "key": call["key"], "attempt": 1}
    assert (call["task"], call["tenant"]) == ("t[3]", TENANT)
    assert call["thread"] == "MainThread"
    assert await run(serving, "trace.plain", input={"text": "a"}) == "A"
    assert trace.calls[1]["thread"].startswith("flowkeep")


async def test_the_key_is_the_same_for_every_attempt(serving: WorkflowClient, trace: Trace) -> None:
    """Attempts of one call share its key; two calls of one run have two."""
    call = {"input": {"note": {"text": "x"}, "again": 2}, "retry": {"count": 3}}
    handle = await start(serving, ("trace.note", call), ("trace.note", call))
    results = await handle.result()
    assert [one["attempt"] for one in results] == [3, 1]
    keys = [one["key"] for one in trace.calls]
    assert keys[0] == keys[1] == keys[2] != keys[3]
    assert keys[0].startswith(str(handle.run_id))


async def test_input_that_does_not_fit(serving: WorkflowClient, trace: Trace) -> None:
    """It is refused once, by the names of its fields, before the function is called."""
    failed = await run(serving, "trace.note", input={"note": {}, "x": 1}, retry={"count": 5})
    assert failed["type"] == "InvalidInput"
    assert "note.text is missing; x is not known" in failed["message"]
    assert failed["details"][0]["code"] == "INVALID_INPUT"
    assert trace.calls == []


async def test_big_values_go_by_reference(serving: WorkflowClient, settings: Settings) -> None:
    """A big result is stored once under its run and put in where it is referred to."""
    small = await run(serving, "trace.gives", input={"what": "big", "size": 1_010})
    assert len(small["rows"]) == 10
    handle = await start(
        serving,
        ("trace.gives", {"input": {"what": "big", "size": 1_010_000}}),
        ("trace.gives", {"input": {"what": "big", "size": 1_010}, "inline_bytes": 100}),
    )
    big, forced = await handle.result()
    assert set(big) == {"$stored", "bytes"}
    assert str(handle.run_id) in big["$stored"]
    assert "/results/" in forced["$stored"]
    folder = Path(settings.storage.url.removeprefix("file://"))
    assert (folder / big["$stored"]).stat().st_size == big["bytes"] == 10_000 * 101 + 10
    assert await run(serving, "trace.size", input={"value": big}) == 10_000


async def test_results_that_are_too_big(serving: WorkflowClient) -> None:
    """A result of 20 MB fails once and names the action and the size."""
    size = 20_000_000
    failed = await run(
        serving, "trace.gives", input={"what": "big", "size": size}, retry={"count": 5}
    )
    assert failed["details"][0]["code"] == "RESULT_TOO_LARGE"
    assert "trace.gives" in failed["message"]
    assert f"{size // 101 * 101 + 10:,} bytes; {MOST_RESULT_BYTES:,}" in failed["message"]


@pytest.mark.parametrize(
    ("what", "code"), [("object", "RESULT_NOT_JSON"), ("reference", "RESERVED_KEY")]
)
async def test_results_that_cannot_be(serving: WorkflowClient, what: str, code: str) -> None:
    """What is no JSON, or would name a secret when passed on, is no result."""
    failed = await run(serving, "trace.gives", input={"what": what}, retry={"count": 5})
    assert failed["details"][0]["code"] == code
    assert "trace.gives" in failed["message"]


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ({"$stored": "other/a/results/x.json", "bytes": 1}, "outside of the tenant"),
        ({"$stored": "default/../other/x.json", "bytes": 1}, "outside of the tenant"),
        ({"$stored": "default/missing.json", "bytes": 1}, "missing.json"),
        ({"$secret": "nobody's"}, 'the secret "nobody\'s" does not exist'),
        ({"$secret": "mine", "more": 1}, "reserved key"),
    ],
)
async def test_references_that_lead_nowhere(
    serving: WorkflowClient, trace: Trace, reference: dict[str, Any], words: str
) -> None:
    """What lies elsewhere or nowhere is told at once, and never retried."""
    failed = await run(serving, "trace.plain", input={"text": reference}, retry={"count": 5})
    assert words in failed["message"]
    assert trace.calls == []


async def test_secrets_of_others_are_none(serving: WorkflowClient, trace: Trace) -> None:
    """A secret of another tenant does not exist, neither by its name nor by its id."""
    theirs = secret_id("other", "theirs")
    await serving.store.secrets.put("other", CANARY, secret_id=theirs)
    for name in ("theirs", str(theirs)):
        failed = await run(serving, "trace.plain", input={"text": {"$secret": name}})
        assert failed["details"][0]["code"] == "SECRET_NOT_FOUND"
    assert trace.calls == []


async def test_secrets_stay_inside_of_the_call(
    serving: WorkflowClient, trace: Trace, caplog: pytest.LogCaptureFixture
) -> None:
    """The function gets the secret; errors, causes, details, logs and history never show it."""
    secret = {"$secret": "mine"}
    with caplog.at_level(logging.DEBUG):
        handle = await start(
            serving,
            ("trace.note", {"input": {"note": {"text": secret}}}),
            ("trace.note", {"input": {"note": {"text": secret}, "again": 9}}),
            ("trace.fails", {"input": {"how": "chain", "secret": secret}}),
            ("trace.fails", {"input": {"how": "final", "secret": secret}}),
            ("trace.gives", {"input": {"what": "secret", "secret": secret}}),
            ("trace.note", {"input": {"note": secret}}),
            ("core.log", {"input": {"message": secret}}),
            ("core.return", {"input": {"value": secret}}),
        )
        results = await handle.result()
        told = await everything_told(serving, handle)
    assert [call["text"] for call in trace.calls] == [CANARY] * 4
    assert results[1]["message"] == "not yet: ***"
    assert results[2]["message"] == "RuntimeError: outer ***"
    assert results[3] == {
        "type": "ApplicationError", "message": "no ***", "details": [{"code": "OWN", "s": "***"}]
    }  # fmt: skip
    assert results[4]["details"][0]["code"] == "SECRET_IN_RESULT"
    assert results[6] is None
    assert results[7]["details"][0]["code"] == "SECRET_IN_RESULT"
    assert "it shows ***" in caplog.text
    assert "inner ***" in told
    assert "tests/definitions/action_flows.py" in told  # the traceback is there
    for text in (told, caplog.text, json.dumps(results)):
        assert "canary-4711" not in text


async def test_secrets_of_the_arguments(serving: WorkflowClient) -> None:
    """A secret that was taken out of the arguments of a run is put back in for the action."""
    handle = await serving.start_workflow(
        {"calls": [{"ref": "core.return", "call": {"input": {"credentials": {"pin": CANARY}}}}]},
        Calls,
    )
    (failed,) = await handle.result()
    assert failed["details"][0]["code"] == "SECRET_IN_RESULT"
    assert "canary-4711" not in await everything_told(serving, handle)


@pytest.mark.parametrize(
    ("on_error", "calls"),
    [(None, 3), (["LATER"], 3), (["ActionError"], 3), (["OTHER"], 1), ([], 1)],
)
async def test_only_named_errors_are_tried_again(
    serving: WorkflowClient, trace: Trace, on_error: list[str] | None, calls: int
) -> None:
    """Another attempt follows on codes and types that the task names; on all where it is silent."""
    await run(
        serving,
        "trace.fails",
        input={"how": "later"},
        on_error=on_error,
        retry={"count": 2, "max_delay": 0.01},
    )
    assert len(trace.calls) == calls


async def test_errors_that_are_final(serving: WorkflowClient, trace: Trace) -> None:
    """What says that it is final is final, also where the task names it."""
    failed = await run(
        serving, "trace.fails", input={"how": "final"}, on_error=["OWN"], retry={"count": 3}
    )
    assert failed["details"][0]["code"] == "OWN"
    assert len(trace.calls) == 1


@pytest.mark.parametrize(
    ("how", "retry", "gaps"),
    [
        ("chain", {"backoff": "linear", "delay": 0.2}, [0.2, 0.4]),
        ("chain", {"backoff": "linear", "delay": 0.2, "max_delay": 0.25}, [0.2, 0.25]),
        ("later", {"backoff": "exponential", "delay": 0.01}, [0.3, 0.3]),
        ("later", {"backoff": "linear", "delay": 0.01, "max_delay": 0.1}, [0.1, 0.1]),
    ],
)
async def test_delays(
    serving: WorkflowClient, trace: Trace, how: str, retry: dict[str, Any], gaps: list[float]
) -> None:
    """A linear backoff grows by the delay, and who asks for time gets it, up to the longest."""
    await run(serving, "trace.fails", input={"how": how}, retry={"count": 2, **retry})
    at = [call["at"] for call in trace.calls]
    for (before, after), gap in zip(pairwise(at), gaps, strict=True):
        assert gap * 0.9 <= after - before < gap + 3


@pytest.mark.parametrize(("how", "code"), [("exit", "SYSTEMEXIT"), ("stop", "STOPITERATION")])
async def test_functions_cannot_end_the_worker(
    serving: WorkflowClient, how: str, code: str
) -> None:
    """`sys.exit` and what no future can hold are errors of the action; the worker goes on."""
    failed = await run(serving, "trace.fails", input={"how": how})
    assert failed["details"][0]["code"] == code
    assert await run(serving, "core.return", input={"a": [1, None]}) == {"a": [1, None]}


async def test_core_fail(serving: WorkflowClient) -> None:
    """It fails with the code and the message that it was given."""
    failed = await run(serving, "core.fail", input={"code": "TOO_LATE", "message": "five to"})
    assert failed["details"][0]["code"] == "TOO_LATE"
    assert failed["message"].startswith("five to")


async def test_cancelling_stops_a_thread(serving: WorkflowClient, trace: Trace) -> None:
    """A plain function hears that its attempt was cancelled, and the run waits for its end."""
    handle = await start(serving, ("trace.waits", {}))

    def begun() -> None:
        assert trace.calls

    await eventually(begun)
    await handle.cancel()

    with pytest.raises(RunFailed):
        await handle.result()
    assert trace.stopped.is_set()


async def test_the_ledger_has_every_attempt(serving: WorkflowClient) -> None:
    """Attempts are recorded under the action's ref, with their error's code."""
    call = {"input": {"note": {"text": "x"}, "again": 1}, "retry": {"count": 1}}
    handle = await start(serving, ("trace.note", call))
    await handle.result()
    await flushed(serving)
    page = await serving.store.tasks.list_attempts(TENANT, handle.run_id, limit=100)
    rows = [one for one in page if one.task_name == "trace.note"]
    assert [(one.attempt, one.status.value) for one in rows] == [(1, "failed"), (2, "succeeded")]
    tasks = await serving.store.tasks.list_tasks(TENANT, handle.run_id)
    assert {one.task_name for one in tasks.data} >= {"trace.note"}


def test_what_the_workflow_carries_out_is_no_activity() -> None:
    """Timers and children have no activity, so nobody can call one by mistake."""
    registry = ActionRegistry(ActionRegistry.built_in())
    with pytest.raises(ConfigurationError, match=r"core\.sleep is carried out by the workflow"):
        activity_of(registry["core.sleep"])
    host = DefinitionActions()
    made = activities_of(registry.values(), host)
    assert len(made) == len(registry) - 2
    assert {getattr(one, "__self__", None) for one in made} == {host}
