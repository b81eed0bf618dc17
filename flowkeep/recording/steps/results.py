"""Results of steps as JSON text: what is read back is what the first attempt went on with."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, get_type_hints

from pydantic import (
    ConfigDict,
    PydanticUndefinedAnnotation,
    PydanticUserError,
    TypeAdapter,
    ValidationError,
)
from pydantic_core import from_json, to_json

from flowkeep.errors import InvalidInput
from flowkeep.recording.capture import clip, mask, text_of
from flowkeep.redaction import redact

_PLAIN = (type(None), bool, int, str)


class ResultType:
    """Writes results of one type, and reads them.

    Args:
        adapter: What pydantic knows of the type; None where the function does not name one.
    """

    def __init__(self, adapter: TypeAdapter[Any] | None) -> None:
        self._adapter = adapter

    def encode(self, value: Any, step: str) -> str:
        """Return a result as JSON text.

        Raises:
            InvalidInput: If JSON cannot hold it, or it holds a secret.
        """
        problem = None
        try:
            text = self._encoded(value)
        except Exception as error:  # noqa: BLE001 - code of the value's own class runs here
            problem = _reason(error)
        if problem is not None:  # outside of `except`: what was raised there shows the value
            raise InvalidInput(
                f"the result of step {step!r} ({type(value).__name__}) cannot be encoded as JSON:"
                f" {problem}",
                hint="return text, numbers, lists, objects, pydantic models or dataclasses",
            )
        if type(value) not in _PLAIN or type(value) is str:
            _refuse_secrets(from_json(text), step)
        return text

    def decode(self, text: str, step: str) -> Any:
        """Return the result that a text stands for.

        Raises:
            InvalidInput: If it is none of the type that the function names.
        """
        if self._adapter is None:
            return from_json(text)
        try:
            return self._adapter.validate_json(text, by_alias=False, by_name=True)
        except ValueError as error:
            problem = _reason(error)
        raise InvalidInput(
            f"the result of step {step!r} is not of the type that its function names: {problem}",
            hint="a result must be readable from its own JSON; correct the annotation",
        )

    def _encoded(self, value: Any) -> str:
        if self._adapter is None:
            return to_json(value, inf_nan_mode="constants").decode()
        # By name: what is written by one alias need not be readable by another. What is computed
        # from other fields is left out, because it cannot be set.
        found = self._adapter.dump_json(value, by_alias=False, round_trip=True, warnings="error")
        return found.decode()


_UNTYPED = ResultType(None)
_FLOATS = ConfigDict(ser_json_inf_nan="constants")


def result_type(fn: Callable[..., Any]) -> ResultType:
    """Return how results of a function are written and read.

    Args:
        fn: A function whose return annotation counts; without one results are plain JSON.
    """
    try:
        return _result_type(fn)
    except TypeError:  # not hashable: an object that can be called
        return _result_type.__wrapped__(fn)


@lru_cache(maxsize=1024)
def _result_type(fn: Callable[..., Any]) -> ResultType:
    try:
        hint = get_type_hints(fn).get("return", Any)
    except Exception:  # noqa: BLE001 - an annotation that means nothing here
        return _UNTYPED
    if hint is Any or hint is object:
        return _UNTYPED
    try:
        return ResultType(_adapter(type(None) if hint is None else hint))
    except (PydanticUserError, PydanticUndefinedAnnotation):
        return _UNTYPED


def _adapter(hint: Any) -> TypeAdapter[Any]:
    try:
        return TypeAdapter(hint, config=_FLOATS)
    except PydanticUserError:  # models bring a configuration of their own
        return TypeAdapter(hint)


def _reason(error: Exception) -> str:
    """Return why, without the value: it may be a secret."""
    if isinstance(error, ValidationError):
        told = error.errors(include_input=False, include_url=False, include_context=False)
        places = (f"{'.'.join(map(str, one['loc'])) or 'the value'}: {one['type']}" for one in told)
        return clip(redact("; ".join(places)), 512)
    text = text_of(error)
    if "input_value" in text:
        return "it is not of the type that its function names"
    return clip(redact(text), 512)


def _refuse_secrets(value: Any, step: str) -> None:
    if to_json(mask(value)) != to_json(value):  # NaN differs from itself
        raise InvalidInput(
            f"the result of step {step!r} holds a secret, which is never stored",
            hint="return a reference to it (self.services.secrets), or what was done with it",
        )
