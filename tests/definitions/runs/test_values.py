"""Values that are big, and values that are secret."""

import json
import logging
from pathlib import Path

import pytest

from flowkeep.contracts import RunStatus
from flowkeep.errors import InvalidInput, RunFailed
from flowkeep.redaction import MASK
from flowkeep.settings import Settings
from tests.definitions.runs.support import Stage
from tests.test_canary import everything_in, files_under


async def test_a_big_result_goes_by_reference(stage: Stage) -> None:
    """A result over 64 KiB reaches the next task whole, and stays out of the history."""
    handle = await stage.start(
        """
ref: big
tasks:
  - {name: make, action: test.big, input: {size: 300000}}
  - {name: pass_on, action: test.echo, input: {value: {inside: "{{ tasks.make.result }}"}}}
  - {name: measure, action: test.length, input: {text: "{{ tasks.make.result }}"}}
output_map: {length: "{{ tasks.measure.result }}"}
"""
    )
    assert await stage.result(handle) == {"length": 300_000}
    temporal = stage.client.temporal.get_workflow_handle(handle.workflow_id)
    history = await temporal.fetch_history()
    assert len(history.to_json()) < 100_000
    row = await stage.row(handle, "make")
    assert isinstance(row.output, dict)
    assert row.output["bytes"] == 300_002


async def test_looking_inside_a_reference(stage: Stage) -> None:
    """A template that looks inside of a stored value fails its task and says why."""
    handle = await stage.start(
        """
ref: inside
tasks:
  - {name: make, action: test.big, input: {size: 70000}}
  - {name: look, action: test.echo, input: {value: "{{ tasks.make.result | length }}"}}
"""
    )
    with pytest.raises(RunFailed, match="reference"):
        await stage.result(handle)


async def test_a_result_that_is_too_big(stage: Stage) -> None:
    """A result of 20 MB is refused at once, with a code."""
    handle = await stage.start(
        "{ref: huge, tasks: [{name: make, action: test.big, input: {size: 20000000}}]}"
    )
    run = await stage.ended(handle)
    assert run.status is RunStatus.FAILED
    assert run.error is not None
    assert run.error.code == "RESULT_TOO_LARGE"
    assert len(await stage.rows(handle)) == 1


CANARY = "k4n4ri3nv0g3l-of-this-test"


async def test_a_secret_shows_nowhere(
    stage: Stage, runs_settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """A secret reaches the action and is in no history, table, file or log."""
    caplog.set_level(logging.DEBUG)
    await stage.client.store.secrets.set(stage.tenant, "login", {"password": CANARY})
    handle = await stage.start(
        """
ref: secretive
tasks:
  - {name: use, action: test.keys, input: {value: "{{ secret('login') }}"}}
  - name: leak
    action: test.leak
    input: {value: "{{ secret('login') }}"}
    transitions: [{when: "{{ failed() }}", do: echo}]
  - name: echo
    action: test.echo
    input: {value: "{{ secret('login') }}"}
    transitions: [{when: "{{ failed() }}", publish: {code: "{{ error().code }}"}, do: last}]
  - {name: last, action: test.echo, input: {value: "{{ vars.code }}"}}
vars: {code: null}
output_map: {length: "{{ tasks.use.result }}", code: "{{ tasks.last.result }}"}
"""
    )
    assert await stage.result(handle) == {"length": len(CANARY), "code": "SECRET_IN_RESULT"}
    temporal = stage.client.temporal.get_workflow_handle(handle.workflow_id)
    history = json.dumps((await temporal.fetch_history()).to_json_dict())
    logged = "\n".join(record.getMessage() for record in caplog.records)
    files = files_under(Path(runs_settings.storage.url.removeprefix("file://")))
    tables = await everything_in(runs_settings.database_url())
    assert "secretive" in tables
    for place in (history, logged, files, tables):
        assert CANARY not in place
        assert "k4n4ri3" not in place


async def test_parameters_that_are_secrets_reach_actions(stage: Stage) -> None:
    """A password passes a schema that wants text, and only the action sees it."""
    text = """
ref: logs-in
parameters: {type: object, properties: {password: {type: string, minLength: 3}}}
tasks: [{name: use, action: test.length, input: {text: "{{ parameters.password }}"}}]
output_map: {length: "{{ tasks.use.result }}"}
"""
    handle = await stage.start(text, password=CANARY)
    assert await stage.result(handle) == {"length": len(CANARY)}
    with pytest.raises(InvalidInput, match=r"parameters\.password"):
        await stage.client.definitions.run("logs-in", {"password": "x"}, tenant_id=stage.tenant)


async def test_rows_without_activity_are_masked(stage: Stage) -> None:
    """What looks like a secret is masked in rows that the workflow itself tells of."""
    await stage.store(
        """
ref: child
tasks: [{name: only, action: test.echo, input: {value: 1}}]
output_map: {password: from-the-child}
"""
    )
    handle = await stage.start(
        "{ref: parent, tasks: [{name: inner, workflow: child, input: {password: hidden-one}}],"
        " output_map: {n: '{{ tasks.inner.result.password | length }}'}}"
    )
    assert await stage.result(handle) == {"n": len("from-the-child")}
    row = await stage.row(handle, "inner")
    assert row.input == {"password": MASK}
    assert row.output == {"password": MASK}
