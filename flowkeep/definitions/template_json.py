"""How templates read JSON: strictly, and with its size known before it is read."""

import json
import re
from typing import Any, NoReturn

from flowkeep.definitions.template_limits import (
    DEEPEST_DATA,
    MOST_DIGITS,
    OPERATIONS_TO_BEGIN,
    Account,
    TemplateError,
)
from flowkeep.definitions.template_values import plain

_JSON_TEXTS = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_BRACKETS = re.compile(r"[\[\]{}]")


def from_json(account: Account, written: str) -> Any:
    """Return what a JSON text says.

    Raises:
        TemplateError: If it is no JSON, or says more than templates may hold.
    """
    account.spend(OPERATIONS_TO_BEGIN)
    account.grow_text(len(written))
    bare = _JSON_TEXTS.sub("", written)
    account.grow_list(sum(map(bare.count, ",[]{}")))
    depth = 0
    for bracket in _BRACKETS.finditer(bare):
        depth += 1 if bracket[0] in "[{" else -1
        if depth > DEEPEST_DATA:
            raise TemplateError(f"reads JSON nested deeper than {DEEPEST_DATA} levels")
    try:
        value = json.loads(written, parse_constant=_no_constant, parse_int=_small_int)
    except json.JSONDecodeError as error:
        raise TemplateError(
            f"reads a text that is no JSON (line {error.lineno}, column {error.colno})"
        ) from None
    return plain(account, value)


def _no_constant(_name: str) -> NoReturn:
    raise TemplateError("reads JSON with a number that is infinite or not a number")


def _small_int(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise TemplateError(f"reads a whole number of more than {MOST_DIGITS:,} digits")
    return int(digits)
