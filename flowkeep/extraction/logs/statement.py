"""What a source hands on: statements as they were logged, and what could not be read of a log."""

from dataclasses import dataclass, field
from typing import NamedTuple


class LoggedStatement(NamedTuple):
    """One line of a log that names a statement, or a counter that stands for many executions.

    Attributes:
        text: The statement as it was logged, literals included: it never leaves the process.
        at: When, in microseconds since 1970 UTC.
        user: Who ran it; empty when the log does not say.
        database: Where it ran; empty when the log does not say.
        duration: How long it took, in microseconds, all calls together; None when not logged.
        rows: Rows returned or changed; None when not logged.
        query_id: The identifier the server gives statements that differ in literals only, or 0.
        calls: How many executions it stands for; 0 for a failed one, which `errors` counts.
        errors: How many executions failed.
        place: Where in the source it was found, for example `postgresql.json:1048576`.
    """

    text: str
    at: int
    user: str = ""
    database: str = ""
    duration: int | None = None
    rows: int | None = None
    query_id: int = 0
    calls: int = 1
    errors: int = 0
    place: str = ""


class Rejected(NamedTuple):
    """A row or line that is no statement, although it should be one.

    Attributes:
        reason: A short code, for example `not_json`; holds nothing of the line.
        at: When, in microseconds since 1970 UTC; None when that cannot be read either.
        place: Where in the source.
        user: Who ran it, if that could be read.
        database: Where it ran, if that could be read.
        length: Characters of the text, as far as there is one.
    """

    reason: str
    at: int | None = None
    place: str = ""
    user: str = ""
    database: str = ""
    length: int = 0


@dataclass(slots=True)
class Chunk:
    """Some rows of a window, in the order of the source.

    Attributes:
        statements: The statements among them.
        rejected: The rows that could not be read.
        read: Rows or log records read, whatever they were; sums up to what the window holds.
        bytes: Bytes of the source read.
        repeated: Rows that an earlier run has counted.
        other: Records that are no statements, by what they are, for example `connection`.
        notes: What the report is to say, by a short code, with how often, for example
            `clock_went_back` or `not_utf8`.
    """

    statements: list[LoggedStatement] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    read: int = 0
    bytes: int = 0
    repeated: int = 0
    other: dict[str, int] = field(default_factory=dict)
    notes: dict[str, int] = field(default_factory=dict)
