"""The functions that templates can call."""

from collections.abc import Callable, Mapping
from typing import Any

from flowkeep.definitions.template_limits import Account, Ended, TemplateError, bounded
from flowkeep.definitions.template_values import SECRET, text

Function = Callable[..., Any]
"""Takes the account and what stands in brackets."""


def _ended(account: Account) -> Ended:
    if account.ended is None:
        raise TemplateError(
            "asks how a task ended where no task has ended",
            hint="use it in transitions; elsewhere say tasks.<name>.status",
        )
    return account.ended


def _succeeded(account: Account) -> bool:
    return _ended(account).status == "succeeded"


def _failed(account: Account) -> bool:
    return _ended(account).status in ("failed", "timed_out")


def _timed_out(account: Account) -> bool:
    return _ended(account).status == "timed_out"


def _result(account: Account) -> Any:
    return _ended(account).result


def _error(account: Account) -> Any:
    return _ended(account).error


def _secret(_account: Account, name: Any) -> dict[str, str]:
    return {SECRET: text(name)}


def _range(account: Account, *bounds: Any) -> list[int]:
    for bound in bounds:
        if type(bound) is not int:
            raise TemplateError("range needs whole numbers")
    if len(bounds) == 3 and bounds[2] == 0:
        raise TemplateError("range has 0 as its step")
    numbers = range(*bounds)
    try:
        account.grow_list(len(numbers))
    except OverflowError:
        account.grow_list(bounded(2**64))
    return list(numbers)


FUNCTIONS: Mapping[str, Function] = {
    "error": _error,
    "failed": _failed,
    "range": _range,
    "result": _result,
    "secret": _secret,
    "succeeded": _succeeded,
    "timed_out": _timed_out,
}
"""Functions by name."""
