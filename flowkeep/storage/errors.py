"""Which of a store's errors a retry can help, and what to do about the others."""

import re

from flowkeep.errors import ConfigurationError, FlowkeepError, NotFound, SourceUnavailable

_HINTS = {
    "file": "name a folder this user may write to in FLOWKEEP_STORAGE_URL",
    "": "check the bucket in FLOWKEEP_STORAGE_URL and the cloud credentials of this process",
}
_PERMANENT_OS_ERRORS = frozenset({1, 2, 13, 17, 20, 21, 30, 36, 40})
"""EPERM ENOENT EACCES EEXIST ENOTDIR EISDIR EROFS ENAMETOOLONG ELOOP: somebody must act."""
_PERMANENT_ANSWER = re.compile(
    r"NoSuchBucket|AccessDenied|InvalidAccessKeyId|SignatureDoesNotMatch|ContainerNotFound"
    r"|\b(?:301|401|403|404) (?:Moved|Unauthorized|Forbidden|Not Found)"
    r"|Unable to recognise URL|must be specified|Missing \w+|Unable to parse",
)


def classify(error: Exception, action: str, scheme: str, writing: bool) -> FlowkeepError:
    """Turn an error of `obstore` into one of ours.

    Args:
        error: What it raised: an OSError, a ValueError or one of its own.
        action: What was tried and where, without credentials, for the message.
        scheme: Scheme of the storage URL.
        writing: Whether something was to be written: then what is missing is the place.
    """
    import obstore.exceptions as library

    text = str(error).split("\n\n", 1)[0]  # the rest is a debug dump
    what = f"cannot {action}: {text}"
    if isinstance(error, FileNotFoundError) and not writing:
        return NotFound(what, code="OBJECT_NOT_FOUND")
    number = re.search(r"\(os error (\d+)\)", text)
    permanent = (
        isinstance(
            error,
            FileNotFoundError
            | PermissionError
            | ValueError
            | TypeError
            | library.PermissionDeniedError
            | library.UnauthenticatedError
            | library.InvalidPathError
            | library.UnknownConfigurationKeyError,
        )
        or (number is not None and int(number[1]) in _PERMANENT_OS_ERRORS)
        or _PERMANENT_ANSWER.search(str(error)) is not None
    )
    if permanent:
        hint = _HINTS.get(scheme, _HINTS[""])
        return ConfigurationError(what, hint=hint, code="STORAGE_CONFIGURATION")
    return SourceUnavailable(
        what, hint="check disk space and the way to the store", code="STORAGE_UNAVAILABLE"
    )
