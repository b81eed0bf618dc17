"""Temporal's sandbox with our modules passed through, and a check of what workflows drag in."""

import sys
from collections import Counter
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import Any

from temporalio import workflow
from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.converter import (
    DataConverter,
    SerializationContext,
    StorageDriverStoreContext,
    WithSerializationContext,
)
from temporalio.worker import WorkflowInstance, WorkflowInstanceDetails, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from flowkeep.errors import ConfigurationError
from flowkeep.recording.large_payloads.targets import Targets

PASSTHROUGH_MODULES = (
    # Ours: immutable and free of I/O at import; re-importing them would only cost time per run.
    "flowkeep.contracts",
    "flowkeep.errors",
    "flowkeep.redaction",
    "flowkeep.recording",
    "flowkeep.workflows",
    "flowkeep.activities",
    # Reached from workflow files only through activity classes; they load SQLAlchemy and more.
    "flowkeep.clients",
    "flowkeep.definitions",
    "flowkeep.extraction",
    "flowkeep.settings",
    "flowkeep.statestore",
    "flowkeep.storage",
    # Reached from one-file programs, whose workflow classes stand beside the worker's start.
    "flowkeep.registration",
    "flowkeep.router",
    "flowkeep.served_actions",
    "flowkeep.unregistered",
    "flowkeep.worker",
    # Heavy libraries: 50 to 170 ms per run each when the sandbox imports them again.
    "alembic",
    "cryptography",
    "jinja2",
    "jsonschema_rs",
    "markupsafe",
    "obstore",
    "opentelemetry",
    "orjson",
    "polars",
    "psycopg",
    "psycopg_pool",
    "pyarrow",
    "sqlalchemy",
    "structlog",
    "uuid_utils",
)
"""Modules the sandbox shares between runs instead of importing them anew for each."""

MOST_MODULES = 20
"""Most modules of one installed package that a workflow may make the sandbox import per run."""


@dataclass(frozen=True)
class CheckedSandboxRunner(SandboxedWorkflowRunner):
    """Refuses, when the worker is built, a workflow whose every run would import a library anew.

    Attributes:
        plain_payloads: Whether no codec reads the contexts of payloads; see `without_contexts`.
    """

    plain_payloads: bool = False
    _prepared: list[Any] = field(default_factory=list, init=False, compare=False)

    def prepare_workflow(self, defn: workflow._Definition) -> None:
        """Load a workflow as the SDK does, then look at what came with it.

        Raises:
            ConfigurationError: If it drags in an installed package that is not passed through.
        """
        self._prepared.clear()
        super().prepare_workflow(defn)
        for instance in self._prepared:
            _check_imports(defn.cls, instance.importer.new_modules)
        self._prepared.clear()

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """Create an instance, for a run or for the check."""
        instance = super().create_instance(det)
        if det.randomness_seed == _CHECK_SEED:
            self._prepared.append(instance)
            return instance
        return _KnownContexts(instance, det.info, plain=self.plain_payloads)


class _KnownContexts(WorkflowInstance):
    """A sandboxed instance that is not asked for the contexts of payloads.

    The worker asks for one several times per payload, to hand it to codec and external storage;
    the sandbox compiles and executes a piece of source for each answer, which is a quarter of the
    work of a short activity. What storage is told can be known outside; and where there is no
    codec, nobody reads what codecs are told. Converters are not concerned: they work inside the
    sandbox and get their contexts there.

    Args:
        sandboxed: The instance.
        info: What it was made with.
        plain: Whether there is no codec.
    """

    def __init__(self, sandboxed: WorkflowInstance, info: workflow.Info, *, plain: bool) -> None:
        self._sandboxed = sandboxed
        self._targets = Targets(info, sandboxed)
        self._plain = plain

    def activate(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        self._targets.begin(replaying=act.is_replaying)
        return self._sandboxed.activate(act)

    def get_info(self) -> workflow.Info:
        return self._sandboxed.get_info()

    def get_thread_id(self) -> int | None:
        return self._sandboxed.get_thread_id()

    def get_serialization_context(self, command_info: Any) -> SerializationContext | None:
        if self._plain:
            return None
        return self._sandboxed.get_serialization_context(command_info)

    def get_external_store_context(self, command_info: Any) -> StorageDriverStoreContext:
        return self._targets.of(command_info)


_CHECK_SEED = -1
"""What the SDK passes when it only loads a workflow to see whether it can."""


def checked_runner(existing: WorkflowRunner | None) -> WorkflowRunner:
    """Return the runner with our modules passed through; a runner of the user's own is kept."""
    if existing is None:
        existing = SandboxedWorkflowRunner()
    if type(existing) is not SandboxedWorkflowRunner:
        return existing
    return CheckedSandboxRunner(
        restrictions=existing.restrictions.with_passthrough_modules(*PASSTHROUGH_MODULES),
        runner_class=existing.runner_class,
    )


def without_contexts(runner: WorkflowRunner, converter: DataConverter) -> WorkflowRunner:
    """Spare our runner the contexts of payloads where nothing outside the sandbox reads them.

    Args:
        runner: The worker's runner; one of the user's own is returned as it is.
        converter: The client's converter. A codec gets its contexts, and so does an external
            storage that asks for those of codecs.
    """
    storage = converter.external_storage
    plain = converter.payload_codec is None and not isinstance(storage, WithSerializationContext)
    if plain and type(runner) is CheckedSandboxRunner:
        return replace(runner, plain_payloads=True)
    return runner


def _check_imports(workflow_class: type, modules: dict[str, ModuleType]) -> None:
    imported = Counter(
        name.partition(".")[0]
        for name, module in modules.items()
        if module is not sys.modules.get(name) and _is_installed(module)
    )
    unwanted = sorted(name for name, count in imported.items() if count > MOST_MODULES)
    if unwanted:
        raise ConfigurationError(
            f"workflow class {workflow_class.__qualname__} makes every run import "
            f"{', '.join(unwanted)} anew",
            hint="import it, or the module that imports it, inside "
            "`with workflow.unsafe.imports_passed_through():`",
        )


def _is_installed(module: ModuleType) -> bool:
    return "site-packages" in (getattr(module, "__file__", None) or "")
