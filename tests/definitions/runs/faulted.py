"""What runs of definitions do while servers and workers are killed, and how they must end."""

import asyncio
from typing import Any

from flowkeep.contracts import TaskStatus, TaskType
from flowkeep.contracts.tasks import TaskLists
from flowkeep.definitions.actions import ActionContext, ActionError, action
from flowkeep.definitions.spec import Backoff, Retry
from tests.faults.witness import witnessed

RETRY = Retry(count=40, delay=0.2, backoff=Backoff.CONSTANT)
"""More attempts than there are kills."""

NAP_SECONDS, DEADLINE_SECONDS = 3.0, 2.0
"""A timer and a deadline that are under way while the first kills happen."""

ITEMS = 12


@action("faults.double", idempotent=True, retry=RETRY)
async def double(value: int) -> int:
    """Take a moment, and double a number."""
    with witnessed():
        await asyncio.sleep(0.05)
        return 2 * value


@action("faults.falter", idempotent=True, retry=RETRY)
async def falter(context: ActionContext, times: int) -> str:
    """Fail some times."""
    with witnessed():
        if context.attempt <= times:
            raise ActionError(f"attempt {context.attempt} falters", code="FALTERED")
        return "held out"


ACTIONS = [double, falter]

CHILD = {
    "ref": "child",
    "parameters": {"type": "object", "properties": {"n": {"type": "integer"}}},
    "tasks": [
        {
            "name": "halves",
            "action": "faults.double",
            "with_items": "{{ [parameters.n, parameters.n + 1] }}",
            "input": {"value": "{{ item }}"},
        },
        {"name": "rest", "action": "core.sleep", "input": {"seconds": "300ms"}},
        {"name": "falter", "action": "faults.falter", "input": {"times": 1}},
    ],
    "output_map": {"sum": "{{ tasks.halves.result | sum }}"},
}
_FIRST = ["each", "inner", "turn", "nap", "falter", "broken", "late", "ask", "never"]
PARENT = {
    "ref": "parent",
    "vars": {"n": 0},
    "tasks": [
        {
            "name": "begin",
            "action": "faults.double",
            "input": {"value": 0},
            "transitions": [{"do": _FIRST}],
        },
        {
            "name": "each",
            "action": "faults.double",
            "with_items": f"{{{{ range({ITEMS}) | list }}}}",
            "concurrency": 2,
            "input": {"value": "{{ item }}"},
            "transitions": [{"do": "last"}],
        },
        {
            "name": "inner",
            "workflow": "child",
            "with_items": [1, 2],
            "input": {"n": "{{ item }}"},
            "transitions": [{"do": "last"}],
        },
        {
            "name": "turn",
            "action": "faults.double",
            "input": {"value": "{{ vars.n }}"},
            "publish": {"n": "{{ vars.n + 1 }}"},
            "transitions": [{"when": "{{ vars.n < 3 }}", "do": "turn"}, {"do": "last"}],
        },
        {
            "name": "nap",
            "action": "core.sleep",
            "input": {"seconds": NAP_SECONDS},
            "transitions": [{"do": "last"}],
        },
        {
            "name": "falter",
            "action": "faults.falter",
            "input": {"times": 2},
            "transitions": [{"do": "last"}],
        },
        {
            "name": "broken",
            "action": "faults.falter",
            "input": {"times": 99},
            "retry": {"count": 1, "delay": "300ms"},
            "transitions": [{"when": "{{ not succeeded() }}", "do": "mended"}],
        },
        {
            "name": "mended",
            "action": "faults.double",
            "input": {"value": 7},
            "transitions": [{"do": "last"}],
        },
        {
            "name": "late",
            "human": {"assignee": "bob", "title": "now?", "deadline": DEADLINE_SECONDS},
            "transitions": [{"when": "{{ timed_out() }}", "do": "last"}],
        },
        {
            "name": "ask",
            "human": {"assignee": "ada", "title": "go on?"},
            "transitions": [{"do": "last"}],
        },
        {"name": "never", "action": "faults.double", "when": False, "input": {"value": 0}},
        {
            "name": "last",
            "join": "all",
            "tasks": [
                {"name": "left", "action": "faults.double", "input": {"value": 1}},
                {"name": "right", "action": "faults.double", "input": {"value": 2}},
            ],
        },
    ],
    "output_map": {
        "each": "{{ tasks.each.result }}",
        "inner": "{{ tasks.inner.result | map(attribute='sum') | list }}",
        "n": "{{ vars.n }}",
        "falter": "{{ tasks.falter.result }}",
        "mended": "{{ tasks.mended.result }}",
        "asked": "{{ tasks.ask.result.answer }}",
        "last": "{{ tasks.last.result }}",
    },
}
ANSWER = {"go": True}
RESULT: dict[str, Any] = {
    "each": [2 * n for n in range(ITEMS)],
    "inner": [6, 10],
    "n": 3,
    "falter": "held out",
    "mended": 14,
    "asked": ANSWER,
    "last": {"left": 2, "right": 4},
}
CALLS_BEFORE_THE_ANSWER = 1 + ITEMS + 2 * 4 + 3 + 3 + 2 + 1
"""Attempts of actions of one run and its children up to there, when nothing is killed."""

ENDS = {
    "begin": TaskStatus.SUCCEEDED,
    **{f"each[{n}]": TaskStatus.SUCCEEDED for n in range(ITEMS)},
    **{f"inner[{n}]": TaskStatus.SUCCEEDED for n in range(2)},
    **dict.fromkeys(("turn", "turn#1", "turn#2"), TaskStatus.SUCCEEDED),
    **dict.fromkeys(("nap", "falter", "mended", "ask"), TaskStatus.SUCCEEDED),
    "broken": TaskStatus.FAILED,
    "late": TaskStatus.TIMED_OUT,
    "never": TaskStatus.SKIPPED,
    "left": TaskStatus.SUCCEEDED,
    "right": TaskStatus.SUCCEEDED,
}
"""How each task of a run ends, by activity id."""

CHILD_ENDS = dict.fromkeys(["halves[0]", "halves[1]", "rest", "falter"], TaskStatus.SUCCEEDED)
"""The same of a child."""

TYPES = {
    **{f"inner[{n}]": TaskType.CHILD for n in range(2)},
    **dict.fromkeys(("nap", "rest"), TaskType.TIMER),
    **dict.fromkeys(("ask", "late"), TaskType.HUMAN),
}
"""What tasks are that no activity carries out, but for those that were left out."""

COMPLETED = {"begin", "each", "inner", "turn", "nap", "falter", "mended"}
BEFORE_THE_ANSWER = {
    "current": {"ask"},
    "completed": COMPLETED,
    "failed": {"broken", "late"},
    "skipped": {"never"},
}
AT_THE_END = {
    "current": set[str](),
    "completed": COMPLETED | {"ask", "left", "right"},
    "failed": {"broken", "late"},
    "skipped": {"never"},
}
EVENTS = {
    "question_opened": ["ask", "late"],
    "question_expired": ["late"],
    "question_answered": ["ask"],
}
"""Tasks that each kind of event of a run speaks of, each once."""


def as_sets(lists: TaskLists) -> dict[str, set[str]]:
    """Return lists of names without their order; a name twice is an error."""
    found = {name: list(getattr(lists, name)) for name in TaskLists.model_fields}
    assert all(len(names) == len(set(names)) for names in found.values()), found
    return {name: set(names) for name, names in found.items()}
