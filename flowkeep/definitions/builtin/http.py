"""`core.http`: one request, its answer as JSON or text."""

import re
from base64 import b64encode
from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urlencode, urlsplit, urlunsplit
from uuid import NAMESPACE_URL, uuid5

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json

from flowkeep.definitions.action_context import ActionContext
from flowkeep.definitions.action_definition import IDEMPOTENT_RETRY, Action, make_action
from flowkeep.definitions.builtin.http_exchange import (
    HttpRequest,
    HttpResult,
    exchange,
    origin_of,
)
from flowkeep.definitions.builtin.http_hosts import HostRules
from flowkeep.definitions.durations import Seconds
from flowkeep.errors import InvalidInput

_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # a token of RFC 9110, section 5.6.2
_OUR_HEADERS = frozenset({"host", "content-length", "transfer-encoding", "connection", "upgrade"})
_REPEATABLE = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS"})
_RANGE = re.compile(r"([1-5]\d\d)(?:-([1-5]\d\d))?")

Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
Plain = str | int | float | bool


class Login(BaseModel):
    """A user and a password."""

    model_config = ConfigDict(extra="ignore")  # a secret may say more

    username: str
    password: str


class Token(BaseModel):
    """What proves who asks."""

    model_config = ConfigDict(extra="ignore")

    token: str


def http_action(rules: HostRules) -> Action:
    """Return the action `core.http`.

    Args:
        rules: Which hosts it may reach.
    """

    async def http(
        context: ActionContext,
        url: Annotated[str, Field(description="http:// or https://, without a password.")],
        method: Method = "GET",
        headers: dict[str, str] | None = None,
        params: Annotated[
            dict[str, Plain | list[Plain]] | None, Field(description="Added to the query.")
        ] = None,
        json: Annotated[Any, Field(description="Body as JSON.")] = None,
        body: Annotated[str | None, Field(description="Body as text.")] = None,
        timeout: Annotated[Seconds, Field(gt=0, le=3_600)] = 30.0,  # noqa: ASYNC109 - an input
        expect: Annotated[
            list[int | str] | int | str,
            Field(description="Status codes that are no error: 200, 200-299, or a list of those."),
        ] = "200-299",
        auth: Annotated[
            str | Login | Token | None,
            Field(description="A reference to a secret: a token, or username and password."),
        ] = None,
        max_bytes: Annotated[int, Field(gt=0, le=16 * 2**20)] = 8 * 2**20,
        redirects: Literal["same_host", "any", "none"] = "same_host",
        idempotency_key: Annotated[
            bool,
            Field(description="Send Idempotency-Key, so that any method may be tried again."),
        ] = False,
    ) -> HttpResult:
        """Send a request and return the answer: its status, headers and body."""
        repeatable = idempotency_key or method in _REPEATABLE
        if not repeatable:
            context.refuse_repetition(
                f"{method} {origin_of(url)}",
                "idempotency_key: true lets it be tried again, where the server knows such keys",
            )
        own: dict[str, str] = {}
        if idempotency_key:
            own["Idempotency-Key"] = str(uuid5(NAMESPACE_URL, context.key))
        if auth is not None:
            own["Authorization"] = _authorization(auth, context)
        content = _content(json, body, own)
        request = HttpRequest(
            method=method,
            url=_with_params(_checked_url(url), params or {}),
            headers=_checked_headers(headers or {}, own),
            content=content,
            timeout=timeout,
            expect=_ranges(expect),
            max_bytes=max_bytes,
            follow=redirects,
            repeatable=repeatable,
        )
        return await exchange(request, rules)

    return make_action("core.http", http, retry=IDEMPOTENT_RETRY, built_in=True)


def _checked_url(url: str) -> str:
    """Return a URL that may be asked; the errors do not show it, for it may hold secrets."""
    hint = "write https://host/path"
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        known = False
    if not known or any(ord(char) <= ord(" ") for char in url):
        raise InvalidInput("the url of core.http is no http:// or https:// URL", hint=hint)
    if "@" in parts.netloc:
        raise InvalidInput(
            "the url of core.http holds a user or a password",
            hint="give them as auth, by a reference to a secret",
        )
    return url


def _with_params(url: str, params: Mapping[str, Plain | list[Plain]]) -> str:
    """Add to the query of a URL; what it has is left as it is, for it may be signed."""
    pairs = [
        (name, str(value).lower() if isinstance(value, bool) else value)
        for name, values in params.items()
        for value in (values if isinstance(values, list) else [values])
    ]
    parts = urlsplit(url)
    query = "&".join(filter(None, [parts.query, urlencode(pairs)]))
    return urlunsplit((parts.scheme, parts.netloc, parts.path, query, ""))


def _checked_headers(given: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """Return all headers; what would end a line or change the framing is refused."""
    for name, value in {**given, **own}.items():
        if not _HEADER_NAME.fullmatch(name):
            raise InvalidInput("a name of a header of core.http holds what no name may hold")
        if any(char in value for char in "\r\n\x00"):
            raise InvalidInput(f"the header {name} of core.http holds the end of a line or NUL")
        if not value.isascii():
            raise InvalidInput(f"the header {name} of core.http is not ASCII")
        if name.lower() in _OUR_HEADERS:
            raise InvalidInput(
                f"the header {name} of core.http cannot be set", hint="it follows from the request"
            )
    names = {name.lower() for name in own}
    return {**{name: value for name, value in given.items() if name.lower() not in names}, **own}


def _authorization(auth: str | Login | Token, context: ActionContext) -> str:
    """Return the header (RFC 6750 and 7617); what it is made of stays secret in this form too."""
    if isinstance(auth, Login):
        pair = b64encode(f"{auth.username}:{auth.password}".encode()).decode()
        context.hide([auth.password, pair])
        return f"Basic {pair}"
    token = auth.token if isinstance(auth, Token) else auth
    context.hide(token)
    return f"Bearer {token}"


def _content(json: Any, body: str | None, headers: dict[str, str]) -> bytes | None:
    if json is not None and body is not None:
        raise InvalidInput("core.http got json and body", hint="give one of them")
    if json is not None:
        headers["Content-Type"] = "application/json"
        return to_json(json)
    return None if body is None else body.encode()


def _ranges(expect: list[int | str] | int | str) -> list[range]:
    """Read the status codes that are no error."""
    entries = expect if isinstance(expect, list) else [expect]
    ranges = []
    for entry in entries:
        found = _RANGE.fullmatch(str(entry).strip())
        if found is None:
            raise InvalidInput("expect of core.http is no status code", hint="write 200 or 200-299")
        first, last = int(found[1]), int(found[2] or found[1])
        ranges.append(range(first, last + 1))
    if not ranges:
        raise InvalidInput("expect of core.http is empty", hint="leave it out for 200-299")
    return ranges
