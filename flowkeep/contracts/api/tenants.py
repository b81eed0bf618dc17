"""Tenants as wholes: what it takes to erase one, and what is told of it."""

from collections import Counter
from typing import Annotated, Self

from pydantic import ConfigDict, Field, StringConstraints

from flowkeep.contracts.api.retention import MOST_SECONDS, SLICE_SECONDS
from flowkeep.contracts.erasure import Erased
from flowkeep.contracts.record import Record

TenantName = Annotated[str, StringConstraints(min_length=1, max_length=800, pattern=r"^[^\x00]*$")]
"""A tenant's id."""


class TenantErasure(Record):
    """How a tenant is erased.

    Attributes:
        confirm: The tenant's name once more; needed unless `dry_run`.
        dry_run: Only count what would go.
        force: Terminate and take open runs instead of refusing.
        despite_hold: Take runs under a legal hold too.
        keep_files: Leave alone what runs stored as files.
        max_seconds: When to stop; the next call does the rest.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [{"confirm": "acme"}]})

    confirm: TenantName | None = None
    dry_run: bool = False
    force: bool = False
    despite_hold: bool = False
    keep_files: bool = False
    max_seconds: float = Field(SLICE_SECONDS, gt=0, le=MOST_SECONDS)


class ErasedTenant(Erased):
    """What went with a tenant in one call.

    Attributes:
        dry_run: Whether this only tells what would go.
        done: Whether nothing is left; false where time ran out: ask again.
    """

    dry_run: bool = False
    done: bool = True

    def with_more(self, further: Self) -> Self:
        """Return what went in this call and in a further one."""
        rows = Counter(self.rows) + Counter(further.rows)
        return further.model_copy(
            update={
                "rows": dict(sorted(rows.items())),
                "objects": self.objects + further.objects,
                "files": self.files + further.files,
            }
        )
