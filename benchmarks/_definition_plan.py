"""The planner alone: definitions of several shapes whose tasks end as soon as they begin."""

import time
from collections import deque
from collections.abc import Callable
from typing import Any

from benchmarks._definition_shapes import document, parameters
from flowkeep.contracts import TaskStatus
from flowkeep.definitions.plan import Plan
from flowkeep.definitions.plan_commands import CallAction
from flowkeep.definitions.spec import DefinitionSpec

SHAPES = {
    "sequence of 10": ("sequence", 10),
    "sequence of 1,000": ("sequence", 1_000),
    "graph of 1,000": ("graph", 1_000),
    "200 items": ("items", 200),
    "10,000 items": ("items", 10_000),
}
_CONCURRENCY = 200
_LEAST_TASKS = 2_000


def measure(name: str, *, templates: bool) -> dict[str, float]:
    """Return processor time: µs of each task end, ms of making, dumping and loading the plan.

    Args:
        name: Of the shape.
        templates: Whether inputs are templates; otherwise they are plain values.
    """
    shape, count = SHAPES[name]
    made = document(shape, count, _CONCURRENCY)
    if not templates:
        for task in made["tasks"]:
            task["input"] = {"number": 1}
    checking = _seconds(lambda: DefinitionSpec.model_validate(made))
    spec = DefinitionSpec.model_validate(made)
    given = parameters(shape, count)
    times = max(1, _LEAST_TASKS // count)
    _drive(Plan(spec, parameters=given), count)  # its templates are read once
    driving = _seconds(lambda: _drive(Plan(spec, parameters=given), count), times)
    half = Plan(spec, parameters=given)
    _drive(half, count, stop=count // 2)
    dump = half.dump()
    return {
        "us_per_task": driving * 1e6 / count,
        "spec_ms": checking * 1000,
        "plan_ms": _seconds(lambda: Plan(spec, parameters=given)) * 1000,
        "dump_ms": _seconds(half.dump) * 1000,
        "load_ms": _seconds(lambda: Plan.load(spec, dump)) * 1000,
    }


def _drive(plan: Plan, count: int, stop: int | None = None) -> None:
    """Let everything succeed that is asked for, oldest first."""
    begun = deque(it for it in plan.begin() if isinstance(it, CallAction))
    ended = 0
    while begun and ended != stop:
        ended += 1
        following = plan.ended(begun.popleft().ref, TaskStatus.SUCCEEDED, 1)
        begun.extend(it for it in following if isinstance(it, CallAction))
    if stop is None and (ended != count or plan.outcome is None):
        raise RuntimeError(f"{ended} of {count} tasks ended, and the plan with {plan.outcome}")


def _seconds(call: Callable[[], Any], times: int = 1) -> float:
    begin = time.process_time()
    for _ in range(times):
        call()
    return (time.process_time() - begin) / times
