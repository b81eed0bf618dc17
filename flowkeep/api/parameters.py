"""What requests bring to a route: parameters of path, query and headers."""

import copy
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from fastapi._compat import ModelField, field_annotation_is_sequence
from fastapi.dependencies.models import Dependant
from pydantic import BaseModel
from starlette._utils import is_async_callable
from starlette.requests import Request


class Odd(Exception):
    """The request is not plainly right."""


class Unplanned(Exception):
    """The route needs something that plans do not know."""


@dataclass(frozen=True, slots=True)
class _Value:
    """A parameter of path, query or headers.

    Attributes:
        field: What FastAPI knows of it.
        name: Under which name a request brings it.
        many: Whether it may be there several times.
    """

    field: ModelField
    name: str
    many: bool

    def read(self, given: Any) -> Any:
        value = given.getlist(self.name) if self.many else given.get(self.name)
        if value is None or (self.many and not value):
            return default(self.field)
        return checked(self.field, value)


@dataclass(frozen=True, slots=True)
class _Model:
    """A model whose fields are parameters of the query.

    Attributes:
        field: What FastAPI knows of it.
        names: Its fields, and whether each may be there several times.
    """

    field: ModelField
    names: dict[str, bool]

    def read(self, given: Any) -> Any:
        found = {}
        for name in given:
            many = self.names.get(name)
            if many is None:
                raise Odd
            found[name] = given.getlist(name) if many else given[name]
        return checked(self.field, found)


@dataclass(frozen=True, slots=True)
class Call:
    """A function that gets what requests bring: the route itself, or what it depends on.

    Attributes:
        call: The function.
        name: Of the argument that gets what it returns; None if nobody does.
        request: Name of its argument for the request.
        path: Its parameters, by place.
        query: See `path`.
        headers: See `path`.
    """

    call: Callable[..., Awaitable[Any]]
    name: str | None
    request: str | None
    path: tuple[_Value, ...]
    query: tuple[_Value | _Model, ...]
    headers: tuple[_Value, ...]

    @classmethod
    def of(cls, told: Dependant) -> "Call":
        """Return what a function gets.

        Raises:
            Unplanned: If it is something that plans do not know.
        """
        unknown = (
            *(told.cookie_params, told.security_scopes_param_name, told.own_oauth_scopes),
            *(told.websocket_param_name, told.http_connection_param_name, told.concurrency),
            *(told.background_tasks_param_name, told.parent_oauth_scopes),
        )
        if any(unknown) or told.call is None or not is_async_callable(told.call):
            raise Unplanned
        return cls(
            call=told.call,
            name=told.name,
            request=told.request_param_name,
            path=tuple(_value(field) for field in told.path_params),
            query=tuple(_parameter(field) for field in told.query_params),
            headers=tuple(_value(field) for field in told.header_params),
        )

    def read(self, request: Request) -> dict[str, Any]:
        """Return the arguments that requests bring.

        Raises:
            Odd: If FastAPI has to look.
        """
        found: dict[str, Any] = {}
        for value in self.path:
            found[value.field.name] = value.read(request.path_params)
        for one in self.query:
            found[one.field.name] = one.read(request.query_params)
        for value in self.headers:
            found[value.field.name] = value.read(request.headers)
        if self.request is not None:
            found[self.request] = request
        return found


def checked(field: ModelField, value: Any) -> Any:
    """Return a value as its parameter wants it.

    Raises:
        Odd: If it does not fit.
    """
    found, errors = field.validate(value)
    if errors:
        raise Odd
    return found


def default(field: ModelField) -> Any:
    """Return what stands for a parameter that is not there.

    Raises:
        Odd: If it has to be there.
    """
    if field.field_info.is_required():
        raise Odd
    return copy.deepcopy(field.get_default())


def _value(field: ModelField) -> _Value:
    alias = field.field_info.validation_alias
    if not (alias is None or isinstance(alias, str)) or field.field_info.validate_default:
        raise Unplanned
    many = field_annotation_is_sequence(field.field_info.annotation)
    return _Value(field, alias or field.alias, many)


def _parameter(field: ModelField) -> _Value | _Model:
    model = field.field_info.annotation
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        return _value(field)
    names = {}
    for name, one in model.model_fields.items():
        if one.alias or one.validation_alias:
            raise Unplanned
        names[name] = field_annotation_is_sequence(one.annotation)
    return _Model(field, names)
