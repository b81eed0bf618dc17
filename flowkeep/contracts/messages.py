"""Inputs and outputs that travel between clients, workflows and activities."""

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

ACTIVITY_NAMES_KEY = "_activities"
"""Key of the workflow config that carries the declared names, so that a deployment that changes
the list affects new runs only."""

EMPTY_PREFLIGHT_KEY = "_empty_preflight"
"""Key of loaded arguments that says, in history, that the preflight is the base's own."""

ALWAYS_FIRST = frozenset({"get_workflow_args", "preflight_check"})
"""Activities that the base `run` executes itself, exactly once, listed or not."""

RUN_STEPS = "flowkeep.run_steps"
"""The activity that executes a `steps(…)` group."""


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class CheckResult(_Message):
    """One check of a preflight.

    Attributes:
        name: What was checked, for example `connection`.
        ok: Whether it passed.
        message: What was found, and what to do when it failed.
        level: A failed `error` fails the run; a failed `warning` stays readable.
    """

    name: str
    ok: bool
    message: str = ""
    level: Literal["error", "warning"] = "error"


class PreflightResult(_Message):
    """All checks of a preflight.

    Attributes:
        checks: One entry per check, in order.
    """

    checks: list[CheckResult] = Field(default_factory=list)

    @property
    def failures(self) -> list[CheckResult]:
        """Checks that must fail the run."""
        return [check for check in self.checks if not check.ok and check.level == "error"]

    @property
    def warnings(self) -> list[CheckResult]:
        """Checks that did not pass but let the run go on."""
        return [check for check in self.checks if not check.ok and check.level == "warning"]


class MapResult(_Message):
    """What `map` returns.

    Attributes:
        results: One per item, in item order; null where the item failed.
        errors: Item index (as text, JSON has no other keys) to the reason, with
            `on_error="collect"`.
        count: Number of items.
        reference: Where the results lie when the items went through chunks.
    """

    results: Sequence[Any] = ()
    errors: dict[str, str] = Field(default_factory=dict)
    count: int = 0
    reference: str | None = None


class MapChunkInput(_Message):
    """One chunk of a `map`, executed by the workflow `MapChunk`.

    Attributes:
        activity: Name of the activity.
        items: The items of this chunk that are still to do.
        args: Further arguments, after the item.
        offset: Index of the first of them in the whole list.
        window: Most activities pending at a time.
        on_error: Whether the first failure ends the chunk.
        options: Activity options as plain JSON.
        reference: Where results are stored, relative to the tenant's folder for maps.
        errors: Reasons that earlier executions of this chunk collected, by item index.
        count: Items that earlier executions of this chunk finished.
    """

    activity: str
    items: list[Any]
    args: list[Any] = Field(default_factory=list)
    offset: int = 0
    window: int = 100
    on_error: Literal["raise", "collect"] = "raise"
    options: dict[str, Any] = Field(default_factory=dict)
    reference: str = ""
    errors: dict[str, str] = Field(default_factory=dict)
    count: int = 0


class PauseRequest(_Message):
    """The pause state that a workflow reports to the ledger.

    Attributes:
        paused: Whether the run is now paused.
        reason: Why, in the words of whoever paused it.
        patch: What a resume changed in the run's state.
        actor: Who asked for it.
    """

    paused: bool
    reason: str | None = None
    patch: dict[str, Any] | None = None
    actor: str | None = None


class Progress(_Message):
    """How far a run is, as its workflow code sees it.

    Attributes:
        workflow_type: The class.
        paused: Whether it waits at the pause gate.
        pause_reason: Why it is paused.
        scheduled: Tasks scheduled so far in this chain.
        finished: Tasks that ended.
        failed: Tasks that ended in failure.
        current: Names of the activities that are running now.
    """

    workflow_type: str
    paused: bool = False
    pause_reason: str | None = None
    scheduled: int = 0
    finished: int = 0
    failed: int = 0
    current: list[str] = Field(default_factory=list)
