"""Checking cron expressions as Temporal's server reads them, with words that name the field.

Temporal takes five fields, six with a year behind them, seven with seconds before them; `@daily`
and its like; and `@every` with a duration. See Temporal's API, `ScheduleSpec.cron_string`.
"""

import re

_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
_SHORT = ("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")
_EVERY = re.compile(r"@every\s+((\d+(\.\d+)?(h|m|s|ms))+|\d+d)(/((\d+(\.\d+)?(h|m|s|ms))+|\d+d))?")
_PART = re.compile(r"(?P<first>\*|\w+)(-(?P<last>\w+))?(/(?P<step>\d+))?")

_FIELDS: tuple[tuple[str, int, int, list[str]], ...] = (
    ("second", 0, 59, []),
    ("minute", 0, 59, []),
    ("hour", 0, 23, []),
    ("day of month", 1, 31, []),
    ("month", 1, 12, _MONTHS),
    ("day of week", 0, 7, _DAYS),
    ("year", 2000, 2100, []),
)


def cron_problem(expression: str) -> str | None:
    """Return what is wrong with a cron expression, naming the field; None if nothing is.

    Args:
        expression: For example `30 2 * * mon-fri`; a comment may follow behind `#`.
    """
    text = expression.partition("#")[0].strip().lower()
    if not expression.isascii() or not expression.isprintable():
        return "it holds characters that no cron expression has"
    if text.startswith(("tz=", "cron_tz=")):
        return "a time zone stands in `time_zone`, not in the expression"
    if text.startswith("@"):
        known = text in _SHORT or _EVERY.fullmatch(text) is not None
        return None if known else f"use one of {', '.join(_SHORT)}, or `@every 15m`"
    given = text.split()
    if len(given) not in (5, 6, 7):
        return f"it has {len(given)} fields; use 5, 6 (with a year) or 7 (with seconds and a year)"
    fields = _FIELDS if len(given) == 7 else _FIELDS[1 : 1 + len(given)]
    for value, (name, least, most, words) in zip(given, fields, strict=True):
        for part in value.split(","):
            problem = _part_problem(part, least, most, words)
            if problem is not None:
                return f"{name} {part!r}: {problem}"
    return None


def _part_problem(part: str, least: int, most: int, words: list[str]) -> str | None:
    found = _PART.fullmatch(part)
    if found is None:
        return "it is no number, range or list"
    if found["step"] is not None and not 1 <= int(found["step"][:9]) <= most:
        return f"the step is not from 1 to {most}"
    if found["first"] == "*":
        return "a range begins with a number" if found["last"] is not None else None
    ends = [_number(found[end], least, words) for end in ("first", "last") if found[end]]
    if any(end is None or not least <= end <= most for end in ends):
        return f"it is outside {least} to {most}"
    if len(ends) == 2 and (ends[0] or 0) > (ends[1] or 0):
        return "the range ends before it begins"
    return None


def _number(text: str, least: int, words: list[str]) -> int | None:
    if text.isdigit():
        return int(text[:9])
    return words.index(text) + least if text in words else None
