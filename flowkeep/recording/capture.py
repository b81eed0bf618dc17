"""What a record keeps of inputs, outputs and errors, without secrets."""

import re
import traceback
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal

import orjson
from pydantic import BaseModel
from pydantic_core import to_jsonable_python
from temporalio import exceptions
from temporalio.api.common.v1 import Payload
from temporalio.exceptions import ApplicationError, FailureError

from flowkeep.contracts.records import ErrorInfo
from flowkeep.errors import FlowkeepError
from flowkeep.recording.identity import digest
from flowkeep.redaction import MASK, names_secret, redact

Payloads = Literal["none", "digest", "full"]

_PERHAPS_SECRET = re.compile(r"^(credentials?|token|authorization|.*secret)$", re.IGNORECASE)
_MAY_HOLD_SECRET = re.compile(r"://|[=:]")

MESSAGE_BYTES = 4096
STACK_BYTES = 8192
VALUE_BYTES = 1024 * 1024


def capture(value: Any, payloads: Payloads, most_bytes: int = VALUE_BYTES) -> Any:
    """Return what the ledger keeps of a value.

    Args:
        value: Any input or output.
        payloads: `none` keeps nothing, `digest` keeps size, SHA-256 and type, `full` keeps the
            value with secrets masked.
        most_bytes: Most bytes of JSON that are kept in full; of more, size and SHA-256.
    """
    if payloads == "none" or value is None:
        return None
    try:
        plain = to_jsonable_python(value, fallback=_unknown)
        data = orjson.dumps(plain, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_SORT_KEYS)
    except Exception as error:  # noqa: BLE001 - code of the value's own class runs here
        return {"type": type(value).__name__, "not_recorded": clip(redact(text_of(error)), 512)}
    if payloads == "full" and len(data) <= most_bytes:
        return mask(plain)
    kept = {"size": len(data), "sha256": digest(data), "type": _type_name(value)}
    if payloads == "full":
        kept["not_recorded"] = f"larger than {most_bytes:,} bytes"
    return kept


def capture_arguments(
    args: Sequence[Any], payloads: Payloads, most_bytes: int = VALUE_BYTES
) -> Any:
    """Capture the arguments of a call; one argument stands for itself."""
    if not args:
        return None
    return capture(args[0] if len(args) == 1 else list(args), payloads, most_bytes)


def error_info(error: BaseException) -> ErrorInfo:
    """Describe an error in at most 4 KiB of message and 8 KiB of stack, secrets redacted."""
    retryable = True
    code = _upper_snake(type(error).__name__)
    name = type(error).__name__
    if isinstance(error, FlowkeepError):
        code, retryable = error.code, error.retryable
    elif isinstance(error, ApplicationError):
        name = error.type or name
        code, retryable = _application_code(error, name), not error.non_retryable
    elif isinstance(error, exceptions.TimeoutError):
        code = "TIMEOUT"
    stack = "".join(traceback.format_exception(error))
    return ErrorInfo(
        code=code,
        type=name,
        message=clip(redact(_message(error)), MESSAGE_BYTES),
        retryable=retryable,
        cause=[
            clip(redact(f"{type(cause).__name__}: {_message(cause)}"), 512)
            for cause in _causes(error)
            if _message(cause) not in _message(error)
        ],
        stack=clip(redact(stack), STACK_BYTES, tail=True),
    )


def clip(text: str, limit: int, *, tail: bool = False) -> str:
    """Cut text to a number of UTF-8 bytes, keeping its head or its tail."""
    data = text.encode("utf-8", "replace")
    if len(data) <= limit:
        return text
    kept = data[-(limit - 3) :] if tail else data[: limit - 3]
    cut = kept.decode("utf-8", "ignore")
    return f"…{cut}" if tail else f"{cut}…"


def mask(value: Any) -> Any:
    """Return plain JSON with secrets masked at any depth.

    Masked are whatever stands under `credentials` or a key named like a password, and passwords
    inside text.
    """
    if isinstance(value, dict):
        return {key: MASK if _hides(key, item) else mask(item) for key, item in value.items()}
    if isinstance(value, list):
        return [mask(item) for item in value]
    if isinstance(value, str) and _MAY_HOLD_SECRET.search(value):
        return redact(value)
    return value


def _unknown(value: Any) -> Any:
    """Return what stands for a value that JSON does not know."""
    if isinstance(value, Payload):  # of a dynamic activity: undecoded, so nothing can be masked
        return {"size": len(value.data), "sha256": digest(value.data), "type": "Payload"}
    return str(value)


def _hides(key: Any, item: Any) -> bool:
    """Tell whether a value stands under the name of a secret and is no mere reference to one."""
    if not item or not isinstance(key, str):
        return False
    if not names_secret(key) and not _PERHAPS_SECRET.match(key):
        return False
    return not (isinstance(item, dict) and "secret_ref" in item)


def _message(error: BaseException) -> str:
    if isinstance(error, FailureError):
        return error.message
    return text_of(error)


def text_of(error: BaseException) -> str:
    """Return an error's message, or its class where it has none or its text raises."""
    try:
        return str(error) or type(error).__name__
    except Exception:  # noqa: BLE001 - an error whose own text raises is still to be told
        return type(error).__name__


def _application_code(error: ApplicationError, name: str) -> str:
    for detail in error.details:
        if isinstance(detail, dict) and isinstance(detail.get("code"), str):
            return str(detail["code"])
    return _upper_snake(name)


def _causes(error: BaseException) -> list[BaseException]:
    causes: list[BaseException] = []
    current = error.__cause__ or error.__context__
    while current is not None and len(causes) < 5 and current not in causes:
        causes.append(current)
        current = current.__cause__ or current.__context__
    return causes


def _upper_snake(name: str) -> str:
    out = [name[0]] if name else []
    for before, char in pairwise(name):
        if char.isupper() and not before.isupper() and before != "_":
            out.append("_")
        out.append(char)
    return "".join(out).upper()


def _type_name(value: Any) -> str:
    cls = type(value)
    return f"{cls.__module__}.{cls.__qualname__}" if isinstance(value, BaseModel) else cls.__name__
