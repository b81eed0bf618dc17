"""The archive: what requests and answers have beside `flowkeep.contracts.archive`."""

from uuid import UUID

from pydantic import ConfigDict, Field

from flowkeep.contracts.api.retention import MOST_SECONDS, SLICE_SECONDS
from flowkeep.contracts.api.texts import Text, Time
from flowkeep.contracts.archive import Bundle
from flowkeep.contracts.record import Record


class BundlePublishing(Record):
    """Which runs are written into bundles.

    Attributes:
        before: Only runs created before this time.
        app_id: Only this app's.
        definition_id: Only runs of this definition.
        limit: Most runs in all; null for no limit but the time.
        bundle_runs: Most runs per bundle.
        max_seconds: When to stop; a bundle that was begun is finished.
    """

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"before": "2026-01-01T00:00:00Z", "limit": 20_000}]}
    )

    before: Time
    app_id: Text | None = None
    definition_id: UUID | None = None
    limit: int | None = Field(None, ge=1, le=1_000_000_000)
    bundle_runs: int = Field(20_000, ge=1, le=1_000_000)
    max_seconds: float = Field(SLICE_SECONDS, gt=0, le=MOST_SECONDS)


class PublishedBundles(Record):
    """Bundles that were written now.

    Attributes:
        bundles: In the order in which they were written.
        more: Whether the time was up before all runs were published; ask again.
    """

    bundles: tuple[Bundle, ...]
    more: bool


class BundleRestoration(Record):
    """Which runs of a bundle come back.

    Attributes:
        run_ids: Only these; all when left out.
        hold_days: Days in which neither retention nor archive takes them again.
    """

    run_ids: list[UUID] | None = Field(None, min_length=1, max_length=1000)
    hold_days: int = Field(30, ge=0, le=36_500)
