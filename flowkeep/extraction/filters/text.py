"""Rules as people write them on one line."""

import json
from typing import Any, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from flowkeep.errors import InvalidInput
from flowkeep.extraction.filters.rule import Action, Case, Level, Match, Rule

_FORM = (
    "write ACTION LEVEL [database=NAME] [schema=NAME] [insensitive] MATCH VALUE, for example "
    "'exclude table schema=sales regex tmp_.*', or a JSON object"
)


def parse_rule(text: str) -> Rule:
    """Read a rule like `include schema glob sales_*`.

    Args:
        text: Action and level; then, if wanted, `database=NAME` and `schema=NAME`, exact names
            without spaces that restrict the rule, and the word `insensitive`; then match and
            value. The value is the rest of the line, spaces inside it included. A text that
            begins with a brace is a JSON object with the fields of `Rule`, for whatever such a
            line cannot say.

    Raises:
        InvalidInput: If it cannot be read; quotes it and says what is expected.
    """
    try:
        return Rule.model_validate(_fields(text))
    except ValidationError as error:
        problems = "; ".join(map(problem, error.errors(include_url=False)))
        raise InvalidInput(f"the rule {text!r}: {problems}", hint=_FORM) from None
    except ValueError as error:
        raise InvalidInput(f"the rule {text!r}: {error}", hint=_FORM) from None


def problem(item: ErrorDetails) -> str:
    """Return one of pydantic's errors as a sentence that names the field."""
    where = ".".join(str(step) for step in item["loc"])
    message = item["msg"].removeprefix("Value error, ")
    return f"{where}: {message}" if where else message


def _fields(text: str) -> object:
    if text.lstrip().startswith("{"):
        return json.loads(text)
    fields: dict[str, str] = {}
    action, rest = _word(text)
    fields["action"] = _known(action, Action)
    level, rest = _word(rest)
    fields["level"] = _known(level, Level)
    while "match" not in fields:
        word, rest = _word(rest)
        name, assigned, value = word.partition("=")
        if assigned and name in ("database", "schema"):
            fields[name] = value
        elif word in get_args(Case):
            fields["case"] = word
        else:
            fields["match"] = _known(word, Match)
    if not rest:
        raise ValueError("the value is missing")
    if _word(rest)[0] in get_args(Case) and _word(rest)[1]:
        raise ValueError(f"{_word(rest)[0]!r} belongs before {fields['match']!r}")
    return {**fields, "value": rest}


def _word(text: str) -> tuple[str, str]:
    word, rest = [*text.split(None, 1), "", ""][:2]
    return word, rest.rstrip()


def _known(word: str, known: Any) -> str:
    words = get_args(known)
    if word not in words:
        what = f"{word!r} stands" if word else "nothing stands"
        raise ValueError(f"{what} where one of {', '.join(words)} is expected")
    return word
