"""Arguments and results of steps, without servers."""

import io
import math
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypedDict

import pytest
from pydantic import BaseModel, Field, SecretStr, computed_field

from flowkeep.errors import InvalidInput
from flowkeep.recording.steps.digest import digest_of
from flowkeep.recording.steps.results import result_type


class Aliased(BaseModel):
    one: int = Field(0, alias="One")
    two: int = Field(0, validation_alias="in", serialization_alias="out")

    @computed_field  # type: ignore[prop-decorator]
    @property
    def both(self) -> int:
        return self.one + self.two


class Typed(TypedDict):
    number: int


@dataclass
class Point:
    x: float
    tags: frozenset[str]


def returning(hint: Any) -> Any:
    """Return a function with a return annotation."""

    def fn() -> Any: ...

    fn.__annotations__["return"] = hint
    return fn


def there_and_back(value: Any, hint: Any) -> Any:
    """Write a result and read it again."""
    kind = result_type(returning(hint))
    return kind.decode(kind.encode(value, "s"), "s")


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (Aliased.model_validate({"One": 5, "in": 7}), Aliased),
        (math.inf, float),
        ([1.5, -math.inf], list[float]),
        ({"number": 1}, Typed),
        (Point(1.0, frozenset({"a", "b"})), Point),
        (datetime(2026, 1, 1, tzinfo=UTC), datetime),
        ({"a": [1, None, 2**80]}, Any),
        (None, None),
    ],
)
def test_results_come_back_alike(value: Any, hint: Any) -> None:
    """What is read back equals what was returned: aliases, infinities, dataclasses."""
    assert there_and_back(value, hint) == value


def test_what_is_no_number_is_no_secret() -> None:
    """NaN, which differs from itself, comes back, typed or not."""
    assert math.isnan(there_and_back(math.nan, float))
    assert math.isnan(there_and_back(math.nan, Any))


def test_an_object_that_is_called_has_a_result() -> None:
    """An object with `__call__` that cannot be hashed is a function as well."""

    @dataclass
    class Doubling:
        factor: int

        def __call__(self, value: int) -> int:
            return value * self.factor

    assert result_type(Doubling(2)).decode("4", "s") == 4


def test_arguments_count_by_content() -> None:
    """Other data is another digest; order of keys and of sets is not."""

    def of(*args: Any, **kwargs: Any) -> str:
        return digest_of(print, args, kwargs)

    assert of({"a": 1, "b": {2, 3}}) == of({"b": {3, 2}, "a": 1})
    values: list[Any] = [
        *(1, 1.5, "1", b"1", b"\xff", None, True, [1], {1}, {"a": 1}, {1: "a"}, 2**90, "\ud800"),
        *(datetime(2026, 1, 1, tzinfo=UTC), Point(1.0, frozenset()), Point(2.0, frozenset())),
        *(Aliased(One=1), Aliased(One=2), SecretStr("x"), print, len),
    ]
    assert len({of(one) for one in values}) == len(values)
    assert of(SecretStr("one")) == of(SecretStr("two"))
    assert of(1, a=2) != of(1, 2)


def test_arguments_are_not_used_up() -> None:
    """Iterators and files count by their type, and are left as they are."""
    numbers, file = (n for n in range(3)), io.BytesIO(b"data")
    digest_of(print, (numbers, file), {})
    assert (list(numbers), file.read()) == ([0, 1, 2], b"data")


def test_arguments_that_contain_themselves_are_named() -> None:
    """A list inside itself has no digest."""
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(InvalidInput, match="contain themselves"):
        digest_of(print, [endless], {})


def test_a_digest_is_the_same_in_every_process() -> None:
    """Sets are listed in another order by each process; the digest does not show it."""
    code = (
        "from flowkeep.recording.steps.digest import digest_of\n"
        "print(digest_of(print, [set('abcdefgh'), frozenset('xyz')], {}))"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(found) == 1
