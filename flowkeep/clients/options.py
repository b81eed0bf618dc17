"""Start options as they are kept with the run, so that a start can be driven again."""

from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from temporalio.common import (
    Priority,
    RetryPolicy,
    SearchAttributeKey,
    SearchAttributePair,
    TypedSearchAttributes,
)

from flowkeep.errors import InvalidInput

SearchValue = bool | int | float | datetime | str | list[str]


class StartOptions(BaseModel):
    """Temporal's options of a start.

    Attributes:
        execution_timeout: Longest the run may take, retries and continue-as-new included.
        run_timeout: Longest one execution of it may take.
        task_timeout: Longest a workflow task may take.
        start_delay: How long Temporal waits before the first workflow task.
        retry_policy: Retries of the whole run; none when left out.
        priority: Order among waiting tasks.
        cron_schedule: A legacy cron schedule; prefer Temporal's schedules.
        search_attributes: Name to value; the type follows from the value.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    execution_timeout: timedelta | None = None
    run_timeout: timedelta | None = None
    task_timeout: timedelta | None = None
    start_delay: timedelta | None = None
    retry_policy: RetryPolicy | None = None
    priority: Priority | None = None
    cron_schedule: str | None = None
    search_attributes: dict[str, SearchValue] | None = None

    @classmethod
    def of(cls, options: dict[str, Any]) -> "StartOptions":
        """Read keyword arguments of `start_workflow`.

        Raises:
            InvalidInput: If one is unknown or does not fit; names it.
        """
        try:
            return cls.model_validate(options)
        except ValidationError as error:
            problems = "; ".join(
                f"{'.'.join(str(step) for step in item['loc'])}: {item['msg']}"
                for item in error.errors(include_input=False)
            )
            raise InvalidInput(
                f"start options: {problems}", hint=f"known are {', '.join(cls.model_fields)}"
            ) from None

    def arguments(self) -> dict[str, Any]:
        """Return keyword arguments for the SDK's `start_workflow`."""
        given = {name: value for name, value in self if value is not None}
        attributes = given.pop("search_attributes", None)
        if attributes:
            given["search_attributes"] = TypedSearchAttributes(
                [_pair(name, value) for name, value in attributes.items()]
            )
        # The server refuses an eager start of a run that does not start at once, or repeats.
        given["request_eager_start"] = not {"start_delay", "cron_schedule"} & given.keys()
        return given

    def plain(self) -> dict[str, Any]:
        """Return the options as JSON, for the run's row."""
        return self.model_dump(mode="json", exclude_none=True)


def _pair(name: str, value: SearchValue) -> SearchAttributePair[Any]:
    key: SearchAttributeKey[Any]
    if isinstance(value, bool):
        key = SearchAttributeKey.for_bool(name)
    elif isinstance(value, int):
        key = SearchAttributeKey.for_int(name)
    elif isinstance(value, float):
        key = SearchAttributeKey.for_float(name)
    elif isinstance(value, datetime):
        key = SearchAttributeKey.for_datetime(name)
    elif isinstance(value, list):
        key = SearchAttributeKey.for_keyword_list(name)
    else:
        key = SearchAttributeKey.for_keyword(name)
    return SearchAttributePair(key, value)
