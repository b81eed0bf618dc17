"""The largest definitions, and ones with very many problems."""

import time
from typing import Any

from flowkeep.definitions.spec import MOST_TASKS
from flowkeep.definitions.validate import MOST_PROBLEMS, validate


def test_too_many_tasks_are_counted() -> None:
    """Those inside parallel tasks too, before anything else is looked at."""
    inner = [{"name": f"t{n}", "action": "a.b"} for n in range(MOST_TASKS)]
    (found,) = validate({"ref": "x", "tasks": [{"name": "both", "tasks": inner}]}).problems
    assert str(found).startswith(f"tasks are {MOST_TASKS + 1}, and {MOST_TASKS} are the most")


def test_the_list_of_problems_ends() -> None:
    """Of very many the first are told, and that there are more."""
    wrong = [{"name": f"t{n}", "action": "a.b", "batch_size": 1} for n in range(1_500)]
    found = validate({"ref": "x", "tasks": wrong}).problems
    assert len(found) == MOST_PROBLEMS + 1
    assert "more than these" in found[-1].message


def test_hints_stay_cheap() -> None:
    """Thousands of mistyped names among thousands of names, all alike, take little time."""
    wrong = [
        {"name": f"load_table_{n}", "action": f"demo.lode_{n}", "transitions": [{"do": f"lod_{n}"}]}
        for n in range(MOST_TASKS)
    ]
    began = time.process_time()
    found = validate({"ref": "x", "tasks": wrong}, actions=[f"demo.load_{n}" for n in range(5_000)])
    assert len(found.problems) == MOST_PROBLEMS + 1
    assert time.process_time() - began < 5


def test_five_thousand_tasks_take_little_time() -> None:
    """The largest definition, all of whose tasks have templates and transitions."""
    tasks: list[dict[str, Any]] = [
        {
            "name": f"t{n}",
            "action": "demo.say",
            "input": {"text": "{{ parameters.name }}", "number": n},
            "when": "{{ parameters.count > 3 }}",
            "publish": {"last": "{{ result().value }}"},
            "transitions": [{"when": "{{ succeeded() }}", "do": f"t{n + 1}"}],
        }
        for n in range(MOST_TASKS)
    ]
    tasks[-1]["transitions"] = []
    data = {"ref": "big", "tasks": tasks}
    schema = {"type": "object", "properties": {"number": {"type": "integer"}}}
    began = time.process_time()
    found = validate(data, actions=["demo.say"], actions_schemas={"demo.say": schema})
    assert time.process_time() - began < 2
    assert found.problems == []
