"""What a route needs of a request, found out once instead of at every request.

FastAPI reads requests in general: each time it asks anew what a parameter is. A plan knows, and
reads what is plainly right. Whatever is not (a value that does not fit, a name nobody knows, no
JSON) goes to FastAPI, which then says what is wrong: a plan refuses nothing itself.
"""

from typing import Any

from fastapi._compat import ModelField
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import get_dependant
from fastapi.params import Body
from fastapi.routing import RouteContext
from pydantic_core import from_json
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flowkeep.api.parameters import Call, Odd, Unplanned, checked, default

_JSON = ("application/json", "application/json; charset=utf-8", "application/json;charset=utf-8")


class Plan:
    """Answers the requests of one route.

    Args:
        route: The route.
        careful: FastAPI's own app of it.

    Raises:
        Unplanned: If it needs something that plans do not know.
    """

    def __init__(self, route: RouteContext, careful: ASGIApp) -> None:
        told: Dependant = route.dependant
        needed = told.dependencies
        if any(one.dependencies or one.body_params or one.response_param_name for one in needed):
            raise Unplanned
        self._careful = careful
        self._needed = tuple(Call.of(one) for one in needed)
        self._path = told.path or ""
        provider = route.dependency_overrides_provider
        self._replaced: dict[Any, Any] = provider.dependency_overrides
        self._replacements: dict[Any, Call] = {}
        self._call = Call.of(told)
        self._response = told.response_param_name
        self._body = _body_of(route, told)
        self._answer = _Answering(route)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive, send)
        try:
            arguments = self._call.read(request)
            needed = [(one, one.read(request)) for one in self._calls()]
            if self._body is not None:
                arguments[self._body.name] = _read_body(self._body, request, await request.body())
        except Odd:
            await self._careful(scope, _Again(await request.body(), receive), send)
            return
        for one, values in needed:
            found = await one.call(**values)
            if one.name is not None:
                arguments[one.name] = found
        beside: Response | None = None
        if self._response is not None:
            beside = arguments[self._response] = Response()
            del beside.headers["content-length"]
            beside.status_code = None  # type: ignore[assignment]
        response = self._answer.made_of(await self._call.call(**arguments), beside)
        await response(scope, receive, send)

    def _calls(self) -> tuple[Call, ...]:
        """Return what the route depends on, or what the app was told to call instead."""
        if not self._replaced:
            return self._needed
        return tuple(self._instead_of(one) for one in self._needed)

    def _instead_of(self, needed: Call) -> Call:
        call = self._replaced.get(needed.call)
        if call is None:
            return needed
        if call not in self._replacements:
            told = get_dependant(path=self._path, call=call, name=needed.name)
            try:
                self._replacements[call] = Call.of(told)
            except Unplanned:
                raise Odd from None
        return self._replacements[call]


class _Answering:
    """How what a route returns becomes an answer."""

    def __init__(self, route: RouteContext) -> None:
        self._status: int | None = route.status_code
        self._field: ModelField | None = route.response_field
        kind = getattr(route.response_class, "value", route.response_class)
        plain = (
            route.response_model_include is None
            and route.response_model_exclude is None
            and route.response_model_by_alias
            and not route.response_model_exclude_unset
            and not route.response_model_exclude_defaults
            and not route.response_model_exclude_none
        )
        known = route.response_class is not kind or issubclass(kind, Response)
        if not (plain and known) or route.is_sse_stream or route.is_json_stream:
            raise Unplanned

    def made_of(self, returned: Any, beside: Response | None) -> Response:
        """Return the answer.

        Args:
            returned: What the route returned.
            beside: The headers and the status that it set, if it sets any.
        """
        if isinstance(returned, Response):
            return returned
        status = (beside.status_code if beside is not None else None) or self._status or 200
        if self._field is None:
            assert returned is None, "a route without a model returns a response, or nothing"
            return Response(status_code=status)
        checked, errors = self._field.validate(returned)
        assert not errors, errors
        made = Response(
            self._field.serialize_json(checked), status_code=status, media_type="application/json"
        )
        if beside is not None:
            made.headers.raw.extend(beside.headers.raw)
        return made


class _Again:
    """Gives a body once more that was read, then whatever comes behind it."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> Message:
        if self._body is None:
            return await self._receive()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}


def plan_of(route: RouteContext, careful: ASGIApp) -> Plan | None:
    """Return the plan of a route; None where only FastAPI knows how to answer.

    Args:
        route: The route.
        careful: FastAPI's own app of it.
    """
    try:
        return Plan(route, careful)
    except Unplanned:
        return None


def _body_of(route: RouteContext, told: Dependant) -> ModelField | None:
    if not told.body_params:
        return None
    whole = len(told.body_params) == 1 and route.body_field is told.body_params[0]
    if not whole or type(told.body_params[0].field_info) is not Body:  # parts of one, or a form
        raise Unplanned
    return told.body_params[0]


def _read_body(field: ModelField, request: Request, body: bytes) -> Any:
    if not body:
        return default(field)
    if request.headers.get("content-type", "").lower() not in _JSON:
        raise Odd
    try:
        return checked(field, from_json(body))
    except ValueError:
        raise Odd from None
