"""Contexts of payloads: spared where nobody reads them, delivered where a codec does."""

import dataclasses
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import CommandType
from temporalio.client import Client
from temporalio.converter import (
    ActivitySerializationContext,
    DataConverter,
    PayloadCodec,
    SerializationContext,
    StorageDriverStoreContext,
    StorageDriverWorkflowInfo,
    WithSerializationContext,
    WorkflowSerializationContext,
)
from temporalio.worker import (
    UnsandboxedWorkflowRunner,
    Worker,
    WorkflowInstance,
    WorkflowInstanceDetails,
    WorkflowRunner,
)
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from flowkeep.recording.plugin import Plugin
from flowkeep.recording.sandbox import CheckedSandboxRunner, checked_runner, without_contexts
from flowkeep.settings import Settings
from tests.recording import bulky, plain


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


@dataclasses.dataclass(frozen=True)
class Comparing(CheckedSandboxRunner):
    """Compares every target that is told outside with what the sandbox itself would say."""

    seen: list[tuple[int, bool]] = dataclasses.field(default_factory=list)

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        instance = super().create_instance(det)
        sandboxed = getattr(instance, "_sandboxed", None)
        if sandboxed is None:
            return instance
        told, asked = instance.get_external_store_context, sandboxed.get_external_store_context
        calls: list[object] = []

        def ask(command: Any) -> StorageDriverStoreContext:
            calls.append(command)
            return asked(command)

        def compare(command: Any) -> StorageDriverStoreContext:
            calls.clear()
            context = told(command)
            target, wanted = context.target, asked(command).target
            assert isinstance(target, StorageDriverWorkflowInfo)
            for field in dataclasses.fields(StorageDriverWorkflowInfo):
                assert getattr(target, field.name) == getattr(wanted, field.name), field.name
            self.seen.append((command.command_type if command else -1, bool(calls)))
            return context

        sandboxed.get_external_store_context = ask
        instance.get_external_store_context = compare  # type: ignore[method-assign]
        return instance


async def test_targets_are_those_of_the_sandbox(settings: Settings, task_queue: str) -> None:
    """Outside the sandbox storage is told the same targets; only children and signals ask it."""
    assert settings.temporal.address is not None
    runner = Comparing(restrictions=checked(SandboxedWorkflowRunner()).restrictions)
    plugin = Plugin(settings, auto_place="ledger")
    client = await Client.connect(settings.temporal.address, plugins=[plugin])
    async with Worker(
        client,
        task_queue=task_queue,
        workflows=bulky.WORKFLOWS,
        activities=bulky.ACTIVITIES,
        workflow_runner=runner,
    ):
        handle = await client.start_workflow(
            bulky.Bulky.run, args=["small", True], id=f"t-{task_queue}", task_queue=task_queue
        )
        await handle.signal(bulky.Bulky.take, "small")
        assert await handle.result() == "small"
    asked = {kind for kind, asks in runner.seen if asks}
    seen = {kind for kind, _ in runner.seen}
    assert asked == {CommandType.COMMAND_TYPE_START_CHILD_WORKFLOW_EXECUTION}
    assert {
        -1,
        CommandType.COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK,
        CommandType.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION,
    } < seen


def checked(runner: SandboxedWorkflowRunner) -> CheckedSandboxRunner:
    ours = checked_runner(runner)
    assert isinstance(ours, CheckedSandboxRunner)
    return ours


def test_copies_of_converters_are_whole() -> None:
    """A converter for another target is the same but for its target, as a full copy would be."""
    converter = Plugin(Settings(), auto_place="ledger")._converters.of(None)
    target = StorageDriverWorkflowInfo(namespace="n", id="w")
    copy = converter._with_store_context(StorageDriverStoreContext(target))
    slow = DataConverter._with_store_context(converter, StorageDriverStoreContext(target))
    for one in (copy, slow):
        assert type(one) is type(converter)
        assert one.external_storage is not None
        assert one.external_storage._store_context.target is target
        assert one.external_storage._select_context.target is target
        assert one.external_storage.drivers == converter.external_storage.drivers  # type: ignore[union-attr]
    assert vars(copy).keys() == vars(slow).keys()
    assert vars(copy.external_storage).keys() == vars(slow.external_storage).keys()
    assert copy.payload_converter is converter.payload_converter
    assert converter.external_storage is not None
    assert converter.external_storage._store_context.target is None
