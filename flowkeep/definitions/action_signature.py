"""The signature of an action's function as JSON Schemas, and its input checked against it."""

import difflib
import inspect
from collections.abc import Callable, Mapping
from typing import Any, get_args, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, PydanticUserError, TypeAdapter, ValidationError
from pydantic import create_model as new_model
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticUndefinedAnnotation
from pydantic.json_schema import GenerateJsonSchema

from flowkeep.definitions.action_context import ActionContext
from flowkeep.errors import ConfigurationError, InvalidInput

_MOST_PROBLEMS = 8
_MAY_SHOW_VALUE = {"value_error", "assertion_error"}
_NAMELESS = {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.VAR_POSITIONAL}


class _Schemas(GenerateJsonSchema):
    """A default that JSON cannot tell is left out of a schema without a warning."""

    ignored_warning_kinds = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012


class Signature:
    """What a function takes and gives.

    Args:
        ref: The action, for messages.
        function: Its parameters are named and typed; one annotated as `ActionContext` is no input.

    Raises:
        ConfigurationError: If a parameter cannot be given by name, or a type is none that JSON can
            tell; names the function and the parameter.
    """

    def __init__(self, ref: str, function: Callable[..., Any]) -> None:
        self._ref = ref
        self._function = function
        self.context: str | None = None
        """Name of the parameter that gets the context."""
        self._fields: dict[str, str] = {}
        self._open = False
        hints = self._hints()
        self._model = self._made(hints)
        self.param_schema = self._schema(self._model, "validation", "a parameter")
        """JSON Schema of the input, an object."""
        self.param_schema["title"] = ref
        result = hints.get("return", Any)
        adapter = self._adapter(type(None) if result is None else result)
        self.out_schema = self._schema(adapter, "serialization", "the result")
        """JSON Schema of the result."""

    @property
    def where(self) -> str:
        """The function, for messages."""
        return place_of(self._function)

    def bind(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the named arguments that an input stands for, defaults filled in.

        Args:
            values: The input.

        Raises:
            InvalidInput: If it does not fit; names each field in plain words, never a value.
        """
        try:
            checked = self._model.model_validate(dict(values))
        except ValidationError as error:
            raise self._refused(error) from None
        bound = {name: getattr(checked, field) for field, name in self._fields.items()}
        return {**bound, **(checked.__pydantic_extra__ or {})}

    def _hints(self) -> dict[str, Any]:
        try:
            return get_type_hints(self._function, include_extras=True)
        except (NameError, TypeError) as error:
            raise self._wrong("a type of", f"cannot be read: {error}") from error

    def _made(self, hints: dict[str, Any]) -> type[BaseModel]:
        """Make the model of the input; the fields have plain names, for a parameter may be `json`.

        Raises:
            ConfigurationError: See the class.
        """
        fields: dict[str, Any] = {}
        extra: Any = None
        for number, (name, parameter) in enumerate(
            inspect.signature(self._function).parameters.items()
        ):
            hint = hints.get(name, Any)
            if _is_context(hint):
                self.context = name
                continue
            if parameter.kind in _NAMELESS:
                raise self._wrong(f"the parameter {name!r} of", "cannot be given by name")
            if parameter.kind is inspect.Parameter.VAR_KEYWORD:
                self._open, extra = True, hint
                continue
            required = parameter.default is inspect.Parameter.empty
            given = {} if required else {"default": parameter.default}
            fields[f"p{number}"] = (hint, Field(alias=name, **given))
            self._fields[f"p{number}"] = name
        base = _open_model(extra) if self._open else _Closed
        try:
            model: type[BaseModel] = new_model(self._ref, __base__=base, **fields)
            return model
        except (PydanticUserError, PydanticUndefinedAnnotation) as error:
            raise self._wrong("a parameter of", _first_line(error)) from error

    def _adapter(self, hint: Any) -> TypeAdapter[Any]:
        try:
            return TypeAdapter(hint)
        except (PydanticUserError, PydanticUndefinedAnnotation) as error:
            raise self._wrong("the result of", _first_line(error)) from error

    def _schema(
        self, source: type[BaseModel] | TypeAdapter[Any], mode: Any, what: str
    ) -> dict[str, Any]:
        try:
            if isinstance(source, TypeAdapter):
                return source.json_schema(mode=mode, schema_generator=_Schemas)
            return source.model_json_schema(mode=mode, schema_generator=_Schemas)
        except (PydanticUserError, PydanticInvalidForJsonSchema) as error:
            raise self._wrong(f"{what} of", _first_line(error)) from error

    def _wrong(self, what: str, why: str) -> ConfigurationError:
        return ConfigurationError(
            f"{what} {self.where}, the action {self._ref!r}: {why}",
            hint="use plain types, dataclasses, TypedDicts and pydantic models",
        )

    def _refused(self, error: ValidationError) -> InvalidInput:
        names = list(self._fields.values())
        problems: dict[str, None] = {}
        for item in error.errors(include_url=False, include_context=False):
            problems[_words(item, names)] = None
        told = list(problems)[:_MOST_PROBLEMS]
        if len(problems) > len(told):
            told.append(f"and {len(problems) - len(told)} more")
        takes = ", ".join(names) or "no input"
        return InvalidInput(
            f"the input of {self._ref} does not fit: {'; '.join(told)}", hint=f"it takes {takes}"
        )


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", protected_namespaces=())


def _open_model(extra: Any) -> type[BaseModel]:
    namespace = {
        "__module__": __name__,
        "__annotations__": {"__pydantic_extra__": dict[str, extra]},
        "model_config": ConfigDict(extra="allow", protected_namespaces=()),
    }
    return type("_Open", (BaseModel,), namespace)


def place_of(function: Callable[..., Any]) -> str:
    """Return module and name of a function, for messages."""
    module = getattr(function, "__module__", "?")
    return f"{module}.{getattr(function, '__qualname__', repr(function))}"


def _is_context(hint: Any) -> bool:
    return hint is ActionContext or ActionContext in get_args(hint)


def _words(item: Any, names: list[str]) -> str:
    """Tell one problem without the value that causes it."""
    place = "".join(
        f"[{step}]" if isinstance(step, int) else f".{step}" for step in item["loc"]
    ).lstrip(".")
    if item["type"] == "missing":
        return f"{place} is missing"
    if item["type"] == "extra_forbidden":
        near = difflib.get_close_matches(place, names, 1)
        return f"{place} is not known" + (f", did you mean {near[0]}?" if near else "")
    message = str(item["msg"])
    if item["type"] in _MAY_SHOW_VALUE and str(item["input"])[:16] in message:
        return f"{place} is not valid"
    if item["type"] == "union_tag_invalid":
        return f"{place} is none of the kinds there are"
    text = message.removeprefix("Value error, ").removeprefix("Input ")
    return f"{place}: {text}" if text[:6] != "should" else f"{place} {text}"


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
