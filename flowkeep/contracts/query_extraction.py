"""What the activities of a query extraction hand to each other: references and counts."""

from typing import Any

from pydantic import Field

from flowkeep.contracts.extraction_reports import Message


class QueryBatches(Message):
    """What a run is going to read; the windows themselves lie in storage.

    Attributes:
        key: Key of the plan.
        digest: Hash of the plan: whoever works on it checks that it is still the same.
        windows: How many windows there are.
        buckets: How many buckets the shapes are divided into.
        planned: What the windows hold together.
        unit: What that counts, `rows` or `bytes`.
        concurrency: How many windows are read, and buckets are worked on, at a time.
        since: Where the plan begins.
        until: Where it ends.
        notes: What the report will say of the planning, one sentence each.
    """

    key: str
    digest: str
    windows: int
    buckets: int
    planned: int
    unit: str
    concurrency: int
    since: str = ""
    until: str = ""
    notes: list[str] = Field(default_factory=list)


class QueryBatch(Message):
    """One window, or one bucket, of a plan.

    Attributes:
        key: Key of the plan.
        digest: Hash of the plan.
        number: Which one, from 0.
    """

    key: str
    digest: str
    number: int


class FetchedQueries(Message):
    """What one window became.

    Attributes:
        read: Rows or log records read.
        statements: Executions among them.
        rejected: Rows that should have been statements.
        shapes: Different statements, literals apart.
    """

    read: int
    statements: int
    rejected: int
    shapes: int


class ReducedQueries(Message):
    """What one bucket of all windows became.

    Attributes:
        statements: Executions.
        shapes: Different statements, literals apart.
    """

    statements: int
    shapes: int


class ParsedQueries(Message):
    """How the shapes of one bucket were parsed.

    Attributes:
        parsed: Shapes whose tables and columns are known.
        utility: Shapes that neither read nor write tables.
        failed: Shapes that could not be parsed.
        cached: How many of these were known from an earlier run.
    """

    parsed: int
    utility: int
    failed: int
    cached: int


class QueryExtractionResult(Message):
    """What a query extraction returns.

    Attributes:
        key: Key of the manifest; null when the workflow's list reads nothing.
        url: Storage URL and key of the manifest, without credentials.
        sha256: Hash of the manifest, hexadecimal.
        counts: `queries`, `query_usage` and `lineage_edges` to their number of rows.
        parts: Number of files the manifest lists.
        total_bytes: Size of these files.
        statements: Executions that were counted.
        rejected: Rows of the log that should have been statements.
        failed: Executions of statements that could not be parsed.
        windows: Windows that were read.
        since: Where the log was read from.
        until: Up to where; the next run begins there.
        warnings: What is not complete, one sentence each; the manifest has all.
        results: Activities that are not the base's own, to what they returned.
    """

    key: str | None = None
    url: str | None = None
    sha256: str | None = None
    counts: dict[str, int] = Field(default_factory=dict)
    parts: int = 0
    total_bytes: int = 0
    statements: int = 0
    rejected: int = 0
    failed: int = 0
    windows: int = 0
    since: str = ""
    until: str = ""
    warnings: list[str] = Field(default_factory=list)
    results: dict[str, Any] = Field(default_factory=dict)
