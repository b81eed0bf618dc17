"""What a report says, in words."""

from collections.abc import Iterable, Mapping

_NOTES = {
    "clock_went_back": "{count} records are earlier than the one before them: the clock was set"
    " back, nothing of them is lost",
    "not_utf8": "{count} records are not UTF-8; what could not be read is shown as �",
    "shrunk": "{count} rows were deleted between planning and reading",
    "late": "{count} rows came late: they belong to a time that was read before, and are counted"
    " now",
    "reset": "counters were reset since the last run: {count} counts are lower bounds",
    "evicted": "{count} entries were evicted since the last run: counts are lower bounds",
}


def note(code: str, count: int) -> str:
    """Return the sentence for something that a source noticed.

    Args:
        code: Its code; one that is not known is shown as it is.
        count: How often.
    """
    sentence = _NOTES.get(code)
    return sentence.format(count=count) if sentence else f"{code.replace('_', ' ')}: {count}"


def by_reason(what: str, counts: Mapping[str, int]) -> Iterable[str]:
    """Yield one sentence per reason, the most frequent first.

    Args:
        what: What was not read, for example `rows`.
        counts: Reason to how many.
    """
    for reason, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        yield f"{count} {what}: {reason.replace('_', ' ')}"
