"""Whether a request is sent once more, and when."""

import random
import ssl
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from time import monotonic

import httpx2

from flowkeep.clients.remote.headers import IDEMPOTENCY_KEY
from flowkeep.errors import Conflict, FlowkeepError, NotFound

_REPEATABLE = frozenset(("GET", "HEAD", "OPTIONS", "PUT", "DELETE"))
"""Methods that mean the same when they are sent twice (RFC 9110, section 9.2.2)."""
_PASSING = frozenset((502, 503, 504))
_NEVER_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)
_HOPELESS = (httpx2.UnsupportedProtocol, httpx2.LocalProtocolError)
_FIRST_WAIT_SECONDS = 0.1
_LONGEST_WAIT_SECONDS = 5.0


class Patience:
    """How often one request may still be sent.

    GET, HEAD, PUT and DELETE are sent once more after a lost connection and after 502, 503 and
    504; a POST too when it has an idempotency key. Any request is, whose connection was never
    made, or that was refused with 429: nothing was done.

    Args:
        request: The request.
        seconds: Longest time from its first sending to the beginning of its last.
    """

    def __init__(self, request: httpx2.Request, seconds: float) -> None:
        keyed = request.method == "POST" and IDEMPOTENCY_KEY in request.headers
        self._changes = request.method in ("PUT", "DELETE")
        self._repeatable = keyed or request.method in _REPEATABLE
        self._until = monotonic() + seconds
        self._failures = 0
        self._unsure = False

    def after_answer(self, answer: httpx2.Response) -> float | None:
        """Return the seconds to wait before the next try; None if the answer stands.

        Args:
            answer: Its status and headers are read, never its body.
        """
        wait = _retry_after(answer)
        if answer.status_code == 429:
            return self._wait(wait)
        if answer.status_code in _PASSING and self._repeatable:
            self._unsure = True
            return self._wait(wait)
        if answer.status_code == 409 and wait is not None and self._repeatable:
            return self._wait(wait)  # an earlier try is being carried out
        return None

    def after_loss(self, error: httpx2.RequestError) -> float | None:
        """Return the seconds to wait before the next try; None if the error stands."""
        if not isinstance(error, httpx2.TransportError) or isinstance(error, _HOPELESS):
            return None
        if is_untrusted(error):
            return None
        if not isinstance(error, _NEVER_SENT):
            if not self._repeatable:
                return None
            self._unsure = True
        return self._wait(None)

    def tell(self, error: FlowkeepError) -> FlowkeepError:
        """Return the error, with a word about an earlier try that may have done what was asked."""
        if self._unsure and self._changes and isinstance(error, NotFound | Conflict):
            more = "the request was sent more than once: an earlier one may have done it"
            error.hint = f"{error.hint}; {more}" if error.hint else more
        return error

    def _wait(self, asked: float | None) -> float | None:
        most = min(_FIRST_WAIT_SECONDS * 2**self._failures, _LONGEST_WAIT_SECONDS)
        self._failures += 1
        wait = most * random.uniform(0.5, 1.0)  # noqa: S311  # no secret
        if asked is not None:
            wait = max(wait, asked)
        return wait if monotonic() + wait <= self._until else None


def is_untrusted(error: BaseException) -> bool:
    """Return whether a connection was not made because the server's certificate is not trusted."""
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, ssl.SSLCertVerificationError):
            return True
        found = found.__cause__ or found.__context__
    return False


def _retry_after(answer: httpx2.Response) -> float | None:
    """Return the seconds that an answer asks to wait (RFC 9110, section 10.2.3)."""
    text = answer.headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
