"""The workflow that extracts the metadata of a SQL database."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any, ClassVar, TypeVar, cast

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from pydantic import BaseModel, ValidationError

    from flowkeep.activities.base import ActivitiesInterface
    from flowkeep.activities.metadata_extraction.sql import BaseSQLMetadataExtractionActivities
    from flowkeep.contracts.extraction import (
        ExtractionResult,
        FetchResult,
        FinishResult,
        TransformResult,
    )
    from flowkeep.contracts.messages import ALWAYS_FIRST, RUN_STEPS
    from flowkeep.contracts.packed import pack
    from flowkeep.errors import InvalidInput
    from flowkeep.workflows.base import WorkflowInterface
    from flowkeep.workflows.declared import STEPS, flatten

Result = TypeVar("Result", bound=BaseModel)

FETCHES = {
    "fetch_databases": "databases",
    "fetch_schemas": "schemas",
    "fetch_tables": "tables",
    "fetch_columns": "columns",
    "fetch_procedures": "procedures",
    "fetch_constraints": "constraints",
    "fetch_indexes": "indexes",
    "fetch_sequences": "sequences",
    "fetch_triggers": "triggers",
    "fetch_types": "types",
    "fetch_view_dependencies": "view_dependencies",
}
"""Activities that fetch, and the kind each one fetches."""

_LARGEST_FIRST = ("columns", "indexes", "constraints", "tables", "procedures")
"""Kinds that are asked for before others: the largest has the longest way to go."""

_ORDERED = "flowkeep.largest-first"
"""Marks in history that this order holds: older runs have scheduled in the order of the list."""

TRANSFORM = "transform_data"
FINISH = "finish_extraction"

REFETCHES = 2
"""How often kinds are read again when they do not fit together."""


@workflow.defn
class BaseSQLMetadataExtractionWorkflow(WorkflowInterface):
    """Preflight, then the declared fetches together, each kind transformed after its fetch.

    `get_activities` decides what runs. What it leaves out is skipped. Fetches that follow each
    other in the list run at the same time; an activity that is none of ours runs at its place,
    alone, with the arguments of the run, after everything listed before it has ended. Each kind is
    transformed once `transform_data` has been reached. At the end the kinds are compared with each
    other, and the manifest is written.
    """

    activities_cls: type[ActivitiesInterface] = BaseSQLMetadataExtractionActivities
    fetches: ClassVar[dict[str, str]] = FETCHES
    """Activities that fetch; those of the activity class's `extra_kinds` are added."""
    patient_retry_policy: ClassVar[RetryPolicy] = RetryPolicy(
        initial_interval=timedelta(seconds=1),
        backoff_coefficient=2.0,
        maximum_interval=timedelta(seconds=60),
        maximum_attempts=8,
    )
    """How fetches, transforms and the end are tried again: for about two minutes, in which a
    source or a store comes back. Each attempt goes on where the one before it was."""

    def __init__(self) -> None:
        super().__init__()
        extra = getattr(self.activities_cls, "extra_kinds", ())
        self._fetches = {**self.fetches, **{f"fetch_{kind.name}": kind.name for kind in extra}}
        self._arguments: dict[str, Any] = {}
        self._fetched: dict[str, FetchResult] = {}
        self._transformed: dict[str, TransformResult] = {}
        self._transforms = False
        self._results: dict[str, Any] = {}

    @staticmethod
    def get_activities(activities: ActivitiesInterface) -> Sequence[Any]:
        """Return what an extraction does; see the class.

        Args:
            activities: An instance of `activities_cls` (in workflow code: the class itself).
        """
        sql = cast("BaseSQLMetadataExtractionActivities", activities)
        return [
            sql.preflight_check,
            sql.fetch_databases,
            sql.fetch_schemas,
            sql.fetch_tables,
            sql.fetch_columns,
            sql.fetch_procedures,
            sql.transform_data,
            sql.fetch_constraints,
            sql.fetch_indexes,
            sql.fetch_sequences,
            sql.fetch_triggers,
            sql.fetch_types,
            sql.fetch_view_dependencies,
        ]

    async def run(self, workflow_config: Any) -> ExtractionResult:
        """Extract.

        Args:
            workflow_config: `{"workflow_id": …}`.

        Returns:
            Where the manifest lies, and the counts it proves.

        Raises:
            PreflightFailed: If a check failed; names every reason.
        """
        arguments = await super().run(workflow_config)
        self._arguments = (
            arguments.model_dump(mode="json") if isinstance(arguments, BaseModel) else arguments
        )
        for stage in self._stages():
            if isinstance(stage, dict):
                self._results.update(await self.execute(RUN_STEPS, stage[STEPS], arguments))
            else:
                await self._run_stage(stage, arguments)
        return await self._finish()

    def _stages(self) -> list[list[str] | dict[str, Any]]:
        """Return what runs together, in order; an activity of the user's stands alone.

        A group that the user declared stays together, whatever is in it. Steps do as well.

        Raises:
            InvalidInput: If one of our own activities is declared as a step.
        """
        stages: list[list[str] | dict[str, Any]] = []
        together: list[str] = []
        for entry in self.declared_activities:
            if isinstance(entry, dict):
                self._check_steps(entry)
                stages += [together, entry]
                together = []
                continue
            names = [entry] if isinstance(entry, str) else flatten(entry)
            names = [name for name in names if name not in ALWAYS_FIRST]
            if all(self._is_own(name) for name in names):
                together += names
            else:
                stages += [together, names]
                together = []
        return [stage for stage in [*stages, together] if stage]

    def _check_steps(self, group: dict[str, Any]) -> None:
        own = [name for name in flatten(group[STEPS]) if self._is_own(name)]
        if own:
            raise InvalidInput(
                f"steps(…) of {type(self).__qualname__} lists {', '.join(own)}",
                hint="fetches and transforms run as activities of their own; leave them out of it",
            )

    def _is_own(self, name: str) -> bool:
        return name in self._fetches or name == TRANSFORM

    async def _run_stage(self, names: list[str], arguments: Any) -> None:
        work = []
        if TRANSFORM in names and not self._transforms:
            self._transforms = True
            work = [self._transform(kind) for kind in self._fetched]
        for name in self._ordered(dict.fromkeys(names)):
            if name in self._fetches:
                work.append(self._fetch(name))
            elif name != TRANSFORM:
                work.append(self._execute_other(name, arguments))
        await self.gather(*work)

    def _ordered(self, names: Iterable[str]) -> list[str]:
        """Return what a stage begins first; runs from before the largest did keep their order."""
        if not workflow.patched(_ORDERED):
            return list(names)
        return sorted(names, key=self._place)

    def _place(self, name: str) -> int:
        """Return where in a stage an activity begins; those of equal places keep their order."""
        kind = self._fetches.get(name, "")
        return _LARGEST_FIRST.index(kind) if kind in _LARGEST_FIRST else len(_LARGEST_FIRST)

    async def _fetch(self, name: str) -> None:
        kind = self._fetches[name]
        found = await self._execute(name, self._arguments)
        if found is None:
            workflow.logger.warning("%s returned nothing: %s are left out", name, kind)
            return
        self._fetched[kind] = _read(FetchResult, name, found)
        if self._transforms:
            await self._transform(kind)

    async def _transform(self, kind: str) -> None:
        if self._fetched[kind].not_applicable is not None:
            return
        fetched = self._fetched[kind].model_dump(mode="json")
        found = await self._execute(
            TRANSFORM, {**self._arguments, "kind": kind, "fetched": fetched}
        )
        if found is not None:
            self._transformed[kind] = _read(TransformResult, TRANSFORM, found)

    async def _execute(self, name: str, arguments: dict[str, Any]) -> Any:
        return await self.execute(name, arguments, retry_policy=self.patient_retry_policy)

    async def _execute_other(self, name: str, arguments: Any) -> None:
        self._results[name] = await self.execute(name, arguments)

    async def _finish(self) -> ExtractionResult:
        if not self._fetched:
            return ExtractionResult(results=self._results)
        for round_number in range(REFETCHES + 1):
            finished = await self._try_to_finish(last=round_number == REFETCHES)
            if finished.manifest is not None:
                manifest = finished.manifest.model_dump()
                return ExtractionResult(**manifest, results=self._results)
            again = [
                name for name, kind in self._fetches.items() if kind in finished.orphans.refetch
            ]
            workflow.logger.warning("read again: %s", "; ".join(finished.orphans.findings))
            await self.gather(*(self._fetch(name) for name in again))
        raise AssertionError("the last try either ends or raises")

    async def _try_to_finish(self, *, last: bool) -> FinishResult:
        kinds = [kind for kind in self._fetches.values() if kind in self._fetched]
        made = [kind for kind in kinds if kind in self._transformed]
        found = await self._execute(
            FINISH,
            {
                **self._arguments,
                "fetched": pack([self._fetched[kind] for kind in kinds]),
                "transformed": pack([self._transformed[kind] for kind in made]),
                "last_try": last,
            },
        )
        return _read(FinishResult, FINISH, found)


def _read(model: type[Result], name: str, value: Any) -> Result:
    """Check what an activity, perhaps an override, returned.

    Raises:
        InvalidInput: If it is not what the base goes on with.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        fields = ", ".join(str(item["loc"][0]) if item["loc"] else "all" for item in error.errors())
        raise InvalidInput(
            f"{name} returned no {model.__name__}: {fields} do not fit",
            hint="return what the inherited method returns, or None to leave the kind out",
        ) from None
