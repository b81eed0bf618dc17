"""Actions: functions that tasks of definitions call by name."""

import inspect
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import jsonschema
import pytest
from pydantic import BaseModel, Field

from flowkeep.definitions.actions import (
    Action,
    ActionContext,
    ActionError,
    ActionRegistry,
    Retry,
    action,
)
from flowkeep.definitions.spec import Backoff
from flowkeep.errors import ConfigurationError, InvalidInput


class Place(BaseModel):
    bucket: str
    key: str = "all"


@dataclass
class Copied:
    size: int
    at: datetime


@action("files.copy", idempotent=True, timeout="10m")
def copy(
    source: Place,
    target: Annotated[str, Field(min_length=1)],
    context: ActionContext,
    json: bool = False,
    tags: list[str] | None = None,
) -> Copied:
    """Copy a file
    from one place to another.

    The rest is for those who read the code.
    """
    return Copied(1, datetime(2026, 1, 2, tzinfo=UTC))


@action("files.count")
async def count(**names: int) -> int:
    return len(names)


def only(function: Any) -> Action:
    """The action of a marked function."""
    (found,) = ActionRegistry([function]).values()
    return found


def test_a_marked_function_stays_a_function() -> None:
    """The decorator returns the very function: it can be called as before."""
    context = ActionContext()
    assert inspect.isfunction(copy)
    assert copy(Place(bucket="b"), "t", context).size == 1


def test_what_an_action_declares() -> None:
    """Description, timeout and default retry are those of the decorator, docstring and rules."""
    one, other = only(copy), only(count)
    assert one.description == "Copy a file from one place to another."
    assert one.timeout == 600
    assert one.retry == Retry(count=3, delay=1, backoff=Backoff.EXPONENTIAL, max_delay=60)
    assert (one.is_async, other.is_async) == (False, True)
    assert (other.idempotent, other.retry.count, other.timeout) == (False, 0, None)
    chosen = action("files.move", retry=Retry(count=7))(lambda: None)
    assert only(chosen).retry.count == 7


def test_schemas_describe_input_and_result() -> None:
    """Validators of JSON Schema agree with the types; the context is no part of the schema."""
    schema = only(copy).param_schema
    jsonschema.Draft202012Validator.check_schema(schema)
    assert set(schema["properties"]) == {"source", "target", "json", "tags"}
    assert schema["required"] == ["source", "target"]
    accepts = jsonschema.Draft202012Validator(schema).is_valid
    assert accepts({"source": {"bucket": "b"}, "target": "t", "json": True})
    assert not accepts({"source": {"bucket": "b"}, "target": "t", "more": 1})
    assert not accepts({"source": {"bucket": "b"}, "target": ""})
    result = jsonschema.Draft202012Validator(only(copy).out_schema)
    assert result.is_valid(only(copy).dump_result(copy(Place(bucket="b"), "t", ActionContext())))
    assert only(count).param_schema["additionalProperties"] == {"type": "integer"}


def test_input_is_bound_and_typed() -> None:
    """Models are made, defaults filled in, and named arguments of any name accepted."""
    bound = only(copy).validate_input({"source": {"bucket": "b"}, "target": "t", "json": True})
    assert bound == {
        "source": Place(bucket="b", key="all"), "target": "t", "json": True, "tags": None
    }  # fmt: skip
    assert only(count).validate_input({"a": 1, "self": 2}) == {"a": 1, "self": 2}


def test_wrong_input_is_told_without_its_values() -> None:
    """Each wrong field is named in plain words, a slip of the pen answered with the right name."""
    wrong = {"source": {"bucket": ["canary-4711"]}, "targt": "canary-4711"}
    with pytest.raises(InvalidInput) as error:
        only(copy).validate_input(wrong)
    text = str(error.value)
    assert "source.bucket should be a valid string" in text
    assert "target is missing" in text
    assert "targt is not known, did you mean target?" in text
    assert "canary" not in text


def test_values_in_the_words_of_validators_are_left_out() -> None:
    """A length of time that is none is named, though its validator quotes it."""
    sleep = ActionRegistry(ActionRegistry.built_in())["core.sleep"]
    with pytest.raises(InvalidInput, match="seconds is not valid") as error:
        sleep.validate_input({"seconds": "canary"})
    assert "canary" not in str(error.value)


def test_results_become_json() -> None:
    """Models, times and bytes have one form in JSON; what has none is an error that says so."""
    one = only(copy)
    assert one.dump_result(Copied(2, datetime(2026, 1, 2, tzinfo=UTC))) == {
        "size": 2, "at": "2026-01-02T00:00:00Z"
    }  # fmt: skip
    assert one.dump_result([b"\xff", float("nan"), 2**80, (1,)]) == ["_w==", None, 2**80, [1]]
    circle: list[Any] = []
    circle.append(circle)
    deep: Any = 1
    for _ in range(5_000):
        deep = [deep]
    for bad in (object(), circle, deep, "\ud800"):
        with pytest.raises(ActionError, match=r"files\.copy cannot be told as JSON") as error:
            one.dump_result(bad)
        assert (error.value.code, error.value.retryable) == ("RESULT_NOT_JSON", False)


def _args(*items: int) -> None: ...
def _positional(item: int, /) -> None: ...
def _strange(other: "Missing") -> None: ...  # type: ignore[name-defined]  # noqa: F821
def _class(item: ActionRegistry) -> None: ...
def _generator() -> Any:
    yield 1


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (_args, "items.*cannot be given by name"),
        (_positional, "item.*cannot be given by name"),
        (_strange, "cannot be read"),
        (_class, "ActionRegistry"),
        (_generator, "is a generator"),
        (Place, "is no function"),
    ],
)
def test_functions_that_cannot_be_actions(function: Any, words: str) -> None:
    """What cannot be called with named JSON values is refused by name when it is registered."""
    with pytest.raises(ConfigurationError, match=words) as error:
        ActionRegistry([action("bad.one")(function)])
    assert function.__name__ in str(error.value)


@pytest.mark.parametrize(
    "ref",
    ["copy", "core.copy", "flowkeep.copy", "", ".", "files.", "fi les.copy", "x." + "y" * 300],
)
def test_names_that_cannot_be_used(ref: str) -> None:
    """A ref needs a dot and must be nobody else's; the function is named."""
    with pytest.raises(ConfigurationError, match=r"test_actions\.copy"):
        action(ref)(copy)


@pytest.mark.parametrize("timeout", ["soon", 0, -1, "0s", float("nan")])
def test_timeouts_that_are_none(timeout: Any) -> None:
    """A timeout that is no length of time is refused when the function is marked."""
    with pytest.raises(ConfigurationError, match="the timeout of"):
        action("files.slow", timeout=timeout)(lambda: None)


def test_two_actions_of_one_ref_are_both_named() -> None:
    """A ref stands for one function only."""

    @action("files.count")
    def other() -> int:
        return 0

    with pytest.raises(ConfigurationError, match=r"\.count and .*other are both") as error:
        ActionRegistry([count, other])
    assert "files.count" in str(error.value)


def test_what_is_not_marked_is_refused() -> None:
    """A plain function is no action."""
    with pytest.raises(ConfigurationError, match=r"test_actions\.only is no action"):
        ActionRegistry([only])


def test_methods_are_actions_of_their_instance() -> None:
    """A bound method keeps its instance; `self` is no input."""

    class Files:
        root = "/data"

        @action("files.root")
        def get_root(self, below: str = "") -> str:
            return self.root + below

    found = only(Files().get_root)
    assert set(found.param_schema["properties"]) == {"below"}
    assert found.function(**found.validate_input({"below": "/a"})) == "/data/a"


def test_a_registry_tells_the_ledger() -> None:
    """Every action is told with its name, description and schemas."""
    registry = ActionRegistry([*ActionRegistry.built_in(), copy])
    told = {one.ref: one for one in registry.new_actions()}
    assert set(told) == set(registry)
    assert told["files.copy"].param_schema == registry["files.copy"].param_schema
    assert told["files.copy"].description == "Copy a file from one place to another."
    for one in told.values():
        jsonschema.Draft202012Validator.check_schema(one.param_schema)
        jsonschema.Draft202012Validator.check_schema(one.out_schema)
        json.dumps(one.param_schema)


def test_built_in_actions() -> None:
    """The shell is there only where it was allowed, and two are the workflow's own."""
    without = ActionRegistry(ActionRegistry.built_in())
    shell = set(ActionRegistry(ActionRegistry.built_in(allow_shell=True))) - set(without)
    assert shell == {"core.shell"}
    assert {ref for ref, one in without.items() if one.by_workflow} == {
        "core.sleep", "core.workflow"
    }  # fmt: skip
    assert (without["core.sleep"].timer, without["core.workflow"].child) == (True, True)
    assert without["core.sleep"].validate_input({"seconds": "1m30s"}) == {"seconds": 90.0}
