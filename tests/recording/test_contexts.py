"""Contexts of payloads: spared where nobody reads them, delivered where a codec does."""

import dataclasses
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.client import Client
from temporalio.converter import (
    ActivitySerializationContext,
    DataConverter,
    PayloadCodec,
    SerializationContext,
    WithSerializationContext,
    WorkflowSerializationContext,
)
from temporalio.worker import UnsandboxedWorkflowRunner, Worker, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from flowkeep.recording.plugin import Plugin
from flowkeep.recording.sandbox import CheckedSandboxRunner, checked_runner, without_contexts
from flowkeep.settings import Settings
from tests.recording import plain


class Sealing(PayloadCodec, WithSerializationContext):
    """Seals payloads with the workflow or activity they belong to, and opens only its own."""

    def __init__(self, seal: bytes = b"none") -> None:
        self.seal = seal

    def with_context(self, context: SerializationContext) -> "Sealing":
        if isinstance(context, ActivitySerializationContext):
            return Sealing(f"activity {context.activity_type}".encode())
        assert isinstance(context, WorkflowSerializationContext)
        return Sealing(f"workflow {context.workflow_id}".encode())

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [
            Payload(metadata={"seal": self.seal}, data=payload.SerializeToString())
            for payload in payloads
        ]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        for payload in payloads:
            assert payload.metadata["seal"] == self.seal, payload.metadata["seal"]
        return [Payload.FromString(payload.data) for payload in payloads]


async def test_a_codec_gets_its_contexts(settings: Settings, task_queue: str) -> None:
    """A codec that reads contexts is told workflow and activity, in workflows with the plugin."""
    assert settings.temporal.address is not None
    plugin = Plugin(settings)
    client = await Client.connect(
        settings.temporal.address,
        plugins=[plugin],
        data_converter=dataclasses.replace(DataConverter.default, payload_codec=Sealing()),
    )
    async with Worker(
        client,
        task_queue=task_queue,
        workflows=[plain.Plain],
        activities=[plain.greet, plain.shout],
        activity_executor=ThreadPoolExecutor(2),
    ):
        result = await client.execute_workflow(
            plain.Plain.run, "Ada", id="contexts-1", task_queue=task_queue
        )
        handle = client.get_workflow_handle("contexts-1")
        history = await handle.fetch_history()
    assert result == "HELLO, ADA!"
    seals = {
        payload.metadata["seal"]
        for event in history.events
        for payload in event.activity_task_scheduled_event_attributes.input.payloads
    }
    assert seals == {b"activity greet", b"activity shout"}


@pytest.mark.parametrize(
    ("converter", "plain_payloads"),
    [
        (DataConverter.default, True),
        (dataclasses.replace(DataConverter.default, payload_codec=Sealing()), False),
    ],
)
def test_contexts_are_spared_only_without_a_codec(
    converter: DataConverter, plain_payloads: bool
) -> None:
    """Our runner spares contexts when nothing outside the sandbox would read them."""
    runner = without_contexts(checked_runner(None), converter)
    assert isinstance(runner, CheckedSandboxRunner)
    assert runner.plain_payloads is plain_payloads


@pytest.mark.parametrize("runner", [SandboxedWorkflowRunner(), UnsandboxedWorkflowRunner()])
def test_a_runner_of_the_users_own_is_kept(runner: WorkflowRunner) -> None:
    """A runner that is not ours is left as it is."""
    assert without_contexts(runner, DataConverter.default) is runner
