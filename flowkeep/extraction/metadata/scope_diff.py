"""What may be said about the difference between two runs, and what may not.

Added, changed and unchanged objects are counted whenever both runs made entities of a scope by one
schema. Removals are a claim about what is *not* there, so they need more: both scopes complete,
seen with the same role and visibility, read by the same statement. Otherwise they are unknown,
never zero. On top, a guard holds removals back when so large a share of a scope is gone at once
that a fault of the source is more likely.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flowkeep.contracts.extraction import DiffCounts, ScopeDiff
from flowkeep.extraction.metadata.baseline import BaseScope
from flowkeep.extraction.metadata.comparison import Comparison
from flowkeep.storage import Storage

_NOT_OF_TABLES = frozenset({"databases", "schemas", "procedures", "sequences", "types"})
"""Kinds of which it does not matter whether a table is empty."""


@dataclass(frozen=True, slots=True)
class Side:
    """One scope of one of the two runs.

    Attributes:
        run_id: The run.
        taken_at: When the snapshot began, by the server's clock.
        status: Of the scope.
        reason: Why the scope is not complete.
        role: Role of the session.
        visibility: What the role could see.
        statement: Hash of the SQL where it is not the source's own.
        rows: Objects in the scope.
        entity_schema: Version of the entities' content.
        assets: Keys of the Parquet files with entities; None when none were made.
        elastic: Whether row estimates decide what belongs to the scope, so that an object may
            leave it without being dropped.
    """

    run_id: str
    taken_at: datetime
    status: str
    reason: str | None
    role: str | None
    visibility: str
    statement: str | None
    rows: int
    entity_schema: int
    assets: tuple[str, ...] | None
    elastic: bool = False

    @classmethod
    def of(cls, manifest: Mapping[str, Any], scope: Mapping[str, Any]) -> "Side":
        """Read a scope of a manifest; older ones lack what later ones say."""
        assets = scope["assets"]
        keys = [part["key"] for part in assets["parts"]] if assets else []
        return cls(
            run_id=manifest["run_id"],
            taken_at=_time(scope["taken_at"]),
            status=scope["status"],
            reason=scope["reason"],
            role=scope.get("role", (manifest["source"] or {}).get("role")),
            visibility=scope.get("visibility", "all"),
            statement=scope.get("statement"),
            rows=scope["written"],
            entity_schema=manifest.get("entity_schema", 1),
            assets=tuple(key for key in keys if key.endswith(".parquet")) if assets else None,
            elastic=manifest["filters"].get("exclude_empty_tables", False)
            and scope["kind"] not in _NOT_OF_TABLES,
        )

    @classmethod
    def of_base(cls, base: BaseScope) -> "Side":
        """Take over what the baseline says of a complete scope."""
        return cls(
            run_id=base.run_id,
            taken_at=base.taken_at,
            status="complete",
            reason=None,
            role=base.role,
            visibility=base.visibility,
            statement=base.statement,
            rows=base.rows,
            entity_schema=base.entity_schema,
            assets=base.assets,
        )


@dataclass(frozen=True, slots=True)
class Guard:
    """When removals are too many to be believed.

    Attributes:
        threshold: Share of the base's objects, 0 to 1; 1 believes everything.
        minimum: As many are believed in any case.
    """

    threshold: float
    minimum: int

    def holds_back(self, removed: int, rows: int) -> bool:
        """Return whether so many removals, of so many objects, are held back."""
        return removed > self.minimum and removed > self.threshold * rows


BELIEVE_ALL = Guard(threshold=1.0, minimum=0)


def compare_scopes(
    storage: Storage, base: Side, current: Side, guard: Guard = BELIEVE_ALL, seed: int = 0
) -> tuple[ScopeDiff, Comparison | None]:
    """Compare a scope of two runs.

    Args:
        storage: Where both lie.
        base: The scope before.
        current: The scope now.
        guard: Holds removals back.
        seed: Of the hashes, to begin with.

    Returns:
        The counts, and what names the objects; None when the scopes cannot be compared.

    Raises:
        NotFound: If a file of either run is gone.
        Incomplete: If a run names an object twice.
    """
    obstacle = _obstacle(base, current)
    if obstacle is not None:
        return ScopeDiff(reason=obstacle), None
    found = Comparison.of(storage, base.assets or (), current.assets or (), seed)
    doubt = _doubt(base, current)
    withheld = doubt is None and guard.holds_back(found.removed, base.rows)
    if withheld:
        doubt = (
            f"{found.removed} of {base.rows} objects seem to be gone, more than "
            f"{guard.threshold:.0%}: removals are withheld"
        )
    diff = ScopeDiff(
        base_run_id=base.run_id,
        base_taken_at=base.taken_at,
        added=found.added,
        changed=found.changed,
        unchanged=found.unchanged,
        removed=None if doubt else found.removed,
        withheld=found.removed if withheld else 0,
        reason=doubt,
    )
    return diff, found


def removed_as(diff: ScopeDiff) -> str | None:
    """Return the word for objects that are not there any more; None when nobody knows."""
    if diff.withheld:
        return "withheld"
    return None if diff.removed is None else "removed"


def total(diffs: Sequence[ScopeDiff]) -> DiffCounts | None:
    """Add up the scopes; None when none could be compared."""
    compared = [one for one in diffs if one.base_run_id is not None]
    if not compared:
        return None
    bases = {one.base_run_id for one in compared}
    return DiffCounts(
        base_run_id=bases.pop() if len(bases) == 1 else None,
        added=sum(one.added or 0 for one in compared),
        changed=sum(one.changed or 0 for one in compared),
        removed=sum(one.removed or 0 for one in compared),
        unchanged=sum(one.unchanged or 0 for one in compared),
        withheld=sum(one.withheld for one in compared),
        unknown=sum(1 for one in diffs if one.removed is None),
    )


def _time(value: str | datetime) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(value)


def _obstacle(base: Side, current: Side) -> str | None:
    """Return why two scopes cannot be compared at all."""
    for when, side in (("this run's", current), ("the base run's", base)):
        if side.status in ("denied", "failed"):
            return f"{when} scope is {side.status}: {side.reason}"
        if side.assets is None:
            return f"{when} objects were fetched, but no entities made of them"
    if base.entity_schema != current.entity_schema:
        return (
            f"the entities have different schemas: version {base.entity_schema} and "
            f"{current.entity_schema}"
        )
    return None


def _doubt(base: Side, current: Side) -> str | None:
    """Return why nobody knows what was removed."""
    for when, side in (("this run's", current), ("the base run's", base)):
        if side.status != "complete":
            return f"{when} scope is {side.status}: {side.reason}"
    if base.role != current.role:
        return f"the base was read by another role: {base.role} and now {current.role}"
    if base.visibility != current.visibility:
        return f"the role {current.role} sees other objects than it did in the base run"
    if current.elastic:
        return "a table that was emptied is left out like one that was dropped"
    if base.statement != current.statement:
        return "the SQL of this kind is another one than in the base run"
    return None
