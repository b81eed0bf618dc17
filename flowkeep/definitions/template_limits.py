"""How much a template may ask for, and the account of one rendering.

Templates are rendered inside workflows, where a time limit would give another outcome on another
machine. So everything is counted: the same template with the same values always gets equally far.
"""

from dataclasses import dataclass
from typing import Any

from flowkeep.errors import InvalidInput

MOST_CHARACTERS = 16 * 1024
"""Longest text with a template in it: longer ones are data, which belongs into parameters."""

MOST_NODES = 500
"""Most parts (names, values, operators, calls) of one text: reading it stays below 10 ms."""

DEEPEST_BRACKETS = 24
"""Deepest nesting of brackets and signs: Jinja's parser takes some 15 Python frames per level and
has to get along with what a workflow has left of Python's 1,000."""

LONGEST_CHAIN = 100
"""Deepest tree of parts, for example `a + b + c + …`: each level is a Python frame."""

MOST_OPERATIONS = 200_000
"""Most operations of one rendering: every part of a template, every entry that is gone through and
every 32 characters that are looked at count as one, what is slower as more. The slowest mix of
them takes some 100 ms, usual ones far less."""

CHARACTERS_PER_OPERATION = 32

OPERATIONS_TO_BEGIN = 15
"""What beginning to sort, to group, to map, or to read or write JSON counts, even of one entry."""

OPERATIONS_PER_CALL = 2
"""What calling a filter, a test or a key for an entry counts, beside what it does."""

MOST_TEXT = 1024 * 1024
"""Longest text that may arise, in characters: Temporal takes 2 MiB per payload."""

MOST_ENTRIES = 100_000
"""Most entries of a list or an object."""

MOST_BITS = 4_096
"""Biggest whole number: exact work with ids and hashes is possible, and Python writes any such
number as text (it refuses beyond 4,300 digits)."""

MOST_DIGITS = 1_234
"""Decimal digits that surely fit into `MOST_BITS`."""

DEEPEST_DATA = 64
"""Deepest nesting of lists and objects; also ends ones that hold themselves."""

MOST_CACHED = 2_048
"""Texts that are kept ready."""


class TemplateError(InvalidInput):
    """A template cannot be read or rendered; the message never tells values."""

    code = "TEMPLATE_ERROR"


class Missing(TemplateError):
    """A name, key or entry is not there; `default` and `is defined` ask for this."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How the task ended whose transitions are decided.

    Attributes:
        status: Its status, for example `succeeded`, `failed`, `timed_out`.
        result: What it gave; None unless it succeeded.
        error: `code`, `type` and `message` of why it did not.
    """

    status: str
    result: Any = None
    error: Any = None


class Account:
    """What one rendering works with, and how many operations it has left.

    Args:
        variables: Values by top-level name.
        ended: The task whose transitions are decided, if one is.
    """

    __slots__ = ("ended", "left", "variables")

    def __init__(self, variables: Any, ended: Ended | None) -> None:
        self.variables = variables
        self.ended = ended
        self.left = MOST_OPERATIONS

    def spend(self, operations: int) -> None:
        """Count operations that are about to be done.

        Raises:
            TemplateError: If that makes more than `MOST_OPERATIONS`.
        """
        self.left -= operations
        if self.left < 0:
            raise TemplateError(
                f"takes more than {MOST_OPERATIONS:,} operations",
                hint="work on fewer entries, or let an action do the work",
            )

    def touch(self, text: str) -> None:
        """Count looking at all of a text."""
        self.spend(1 + len(text) // CHARACTERS_PER_OPERATION)

    def grow_text(self, characters: int) -> None:
        """Count a text that is about to arise.

        Raises:
            TemplateError: If it is longer than `MOST_TEXT`.
        """
        if characters > MOST_TEXT:
            raise TemplateError(
                f"would make a text of more than {MOST_TEXT:,} characters",
                hint="let an action write it, and pass on where it is",
            )
        self.spend(1 + characters // CHARACTERS_PER_OPERATION)

    def grow_list(self, entries: int) -> None:
        """Count a list or object that is about to arise.

        Raises:
            TemplateError: If it has more than `MOST_ENTRIES`.
        """
        if entries > MOST_ENTRIES:
            raise TemplateError(
                f"would make a list of more than {MOST_ENTRIES:,} entries",
                hint="work on parts of it, for example with batch_size",
            )
        self.spend(1 + entries)


def bounded(number: int) -> int:
    """Return a whole number that is small enough.

    Raises:
        TemplateError: If it has more than `MOST_BITS`.
    """
    if number.bit_length() > MOST_BITS:
        raise TemplateError(f"makes a whole number of more than {MOST_BITS:,} bits")
    return number
