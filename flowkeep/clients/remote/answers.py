"""What an answer of the service means, and what it means that there is none."""

from functools import cache
from typing import Any, TypeVar

import httpx2
from pydantic import TypeAdapter, ValidationError

from flowkeep import errors
from flowkeep.clients.remote.headers import REQUEST_ID
from flowkeep.clients.remote.patience import is_untrusted
from flowkeep.contracts.api.problem import ProblemDetails

T = TypeVar("T")


def read(answer: httpx2.Response, kind: TypeAdapter[T]) -> T:
    """Return the content of an answer; fields that a newer service adds are passed over.

    Args:
        answer: A complete answer.
        kind: What it is to be.

    Raises:
        FlowkeepError: The class that the problem's code names.
        ConfigurationError: If it is no answer of the service.
    """
    if not answer.is_success:
        raise error_of(answer)
    if answer.content and not _is_json(answer):
        raise _foreign(answer)
    try:
        return kind.validate_json(answer.content or b"null")
    except ValidationError:
        try:
            return kind.validate_json(answer.content or b"null", extra="ignore")
        except ValidationError:
            raise _foreign(answer) from None


def error_of(answer: httpx2.Response) -> errors.FlowkeepError:
    """Return the error that an answer tells of, with `problems` and `request_id`.

    Args:
        answer: A complete answer.
    """
    try:
        problem = _PROBLEM.validate_json(answer.content, extra="ignore")
    except ValidationError:
        return _foreign(answer)
    return error_in(problem)


def error_in(problem: ProblemDetails) -> errors.FlowkeepError:
    """Return the error that a problem tells of, with `problems` and `request_id`."""
    kind = _by_code().get(problem.code) or _BY_STATUS.get(problem.status, errors.FlowkeepError)
    # The class's own arguments, if it has any, did not travel: their attributes are null or absent.
    error = errors.FlowkeepError.__new__(kind)
    errors.FlowkeepError.__init__(error, problem.detail, hint=problem.hint or "", code=problem.code)
    error.request_id = problem.request_id
    error.__dict__["problems"] = problem.errors
    return error


def lost(error: httpx2.RequestError, request: httpx2.Request) -> errors.FlowkeepError:
    """Return what it means that a request had no whole answer."""
    place, name = place_of(request.url), type(error).__name__
    told: errors.FlowkeepError
    if is_untrusted(error):
        told = errors.ConfigurationError(
            f"the certificate of {place} is not trusted",
            hint="give the authority that signed it as ca_file",
        )
    elif isinstance(error, httpx2.DecodingError):
        told = errors.ConfigurationError(
            f"{place} answered what cannot be decoded",
            hint="check that the URL names the service, and what stands before it",
        )
    elif isinstance(error, httpx2.ReadTimeout | httpx2.WriteTimeout):
        told = errors.ServiceUnavailable(f"the service at {place} did not answer in time: {name}")
    else:
        told = errors.ServiceUnavailable(f"the service at {place} cannot be reached: {name}")
    told.request_id = request.headers.get(REQUEST_ID)
    return told


def redirected(answer: httpx2.Response) -> httpx2.Request | None:
    """Return the request that an answer leads to, if it is one of the same service.

    Raises:
        ConfigurationError: If it leads elsewhere. It is not followed: whoever is there is not to
            get the key.
    """
    following = answer.next_request
    if following is None:
        return None
    asked = answer.request
    if following.method == asked.method and place_of(following.url) == place_of(asked.url):
        return following
    raise errors.ConfigurationError(
        f"{place_of(asked.url)} sends {asked.method} requests on to {place_of(following.url)}",
        hint="give that as the URL of the service, if you trust it",
    )


def place_of(url: httpx2.URL) -> str:
    """Return scheme, host and port of a URL."""
    return f"{url.scheme}://{url.netloc.decode()}"


def _is_json(answer: httpx2.Response) -> bool:
    media = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return media == "application/json" or media.endswith("+json")


def _foreign(answer: httpx2.Response) -> errors.FlowkeepError:
    place, media = place_of(answer.request.url), answer.headers.get("Content-Type", "nothing")
    text = f"{place} answered {answer.status_code} with {media}, which is no answer of ours"
    hint = "check that the URL names the service, and what stands before it"
    kind = errors.ServiceUnavailable if answer.status_code in _AWAY else errors.ConfigurationError
    error = kind(text, hint=hint)
    error.request_id = answer.request.headers.get(REQUEST_ID)
    return error


@cache
def _by_code() -> dict[str, type[errors.FlowkeepError]]:
    kinds: list[Any] = [one for one in vars(errors).values() if isinstance(one, type)]
    return {one.code: one for one in kinds if issubclass(one, errors.FlowkeepError)}


_PROBLEM = TypeAdapter(ProblemDetails)
_AWAY = (502, 503, 504)
_BY_STATUS: dict[int, type[errors.FlowkeepError]] = {
    400: errors.InvalidInput,
    401: errors.Unauthenticated,
    403: errors.Forbidden,
    404: errors.NotFound,
    409: errors.Conflict,
    412: errors.RevisionMismatch,
    413: errors.InvalidInput,
    415: errors.InvalidInput,
    422: errors.InvalidInput,
    429: errors.TooManyRequests,
    503: errors.ServiceUnavailable,
}
