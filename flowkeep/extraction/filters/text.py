"""Rules as people write them on one line."""

import json
from typing import get_args

from pydantic import ValidationError

from flowkeep.errors import InvalidInput
from flowkeep.extraction.filters.rule import Action, Level, Match, Rule

_FORM = (
    "write ACTION LEVEL MATCH VALUE, for example 'exclude table regex tmp_.*', with the word "
    "insensitive before VALUE where case does not count, or a JSON object"
)


def parse_rule(text: str) -> Rule:
    """Read a rule like `include schema glob sales_*`.

    Args:
        text: Action, level and match, then the value: the rest of the line, spaces inside it
            included. The word `insensitive` before the value makes case not count. A text that
            begins with a brace is a JSON object with the fields of `Rule`.

    Raises:
        InvalidInput: If it cannot be read; quotes it and says what is expected.
    """
    try:
        return Rule.model_validate(_fields(text))
    except ValidationError as error:
        problems = "; ".join(_problem(item) for item in error.errors(include_url=False))
        raise InvalidInput(f"the rule {text!r}: {problems}", hint=_FORM) from None
    except ValueError as error:
        raise InvalidInput(f"the rule {text!r}: {error}", hint=_FORM) from None


def _fields(text: str) -> object:
    if text.lstrip().startswith("{"):
        return json.loads(text)
    words = text.strip().split(None, 3)
    for word, known in zip(words, (Action, Level, Match), strict=False):
        if word not in get_args(known):
            raise ValueError(f"{word!r} is none of {', '.join(get_args(known))}")
    if len(words) < 4:
        raise ValueError(f"{4 - len(words)} of its four parts are missing")
    action, level, match, value = words
    case = "sensitive"
    first, _, rest = value.partition(" ")
    if first in ("sensitive", "insensitive") and rest:
        case, value = first, rest
    return {"action": action, "level": level, "match": match, "value": value, "case": case}


def _problem(item: object) -> str:
    assert isinstance(item, dict), "pydantic lists errors as dictionaries"
    where = ".".join(str(step) for step in item["loc"])
    message = str(item["msg"]).removeprefix("Value error, ")
    return f"{where}: {message}" if where else message
