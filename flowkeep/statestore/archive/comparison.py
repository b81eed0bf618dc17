"""A bundle's runs against the ledger's rows of now."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from flowkeep.statestore.archive.choice import ENDED, HELD
from flowkeep.statestore.archive.seals import SEAL
from flowkeep.statestore.session import Session

if TYPE_CHECKING:
    import pyarrow as pa

# A run that is not there has neither seal nor blocker; one that must stay keeps its family.
_COMPARE = """
SELECT coalesce(array_agg(id ORDER BY id) FILTER (WHERE NOT gone AND NOT blocked), '{}') AS same,
    count(*) FILTER (WHERE NOT gone AND blocked) AS kept,
    coalesce(array_agg(id ORDER BY id) FILTER (WHERE gone), '{}') AS gone
FROM (
    SELECT id, gone, bool_or(NOT gone AND NOT movable) OVER (PARTITION BY family) AS blocked
    FROM (
        SELECT b.id, b.family, r.id IS NULL AS gone,
            coalesce(r.tenant_id = :tenant AND {same}, false) AND {free} AS movable
        FROM unnest(CAST(:ids AS uuid[]), CAST(:families AS uuid[]), CAST(:revisions AS bigint[]),
            CAST(:seals AS bigint[])) AS b(id, family, revision, seal)
        LEFT JOIN {schema}.run AS r ON r.id = b.id
    ) AS compared
) AS judged
"""
_SAME_REVISION = "b.revision = r.revision"
_SAME_ROWS = f"b.seal = {SEAL.replace('$run', 'r')}"
# A chunk that appeared after publishing is not in the bundle, so its run stays with it.
_FREE = f"""({ENDED} AND NOT {HELD} AND NOT EXISTS (
    SELECT FROM {{schema}}.run AS c WHERE c.parent_run_id = r.id AND c.kind = 'chunk'
        AND c.id <> ALL (CAST(:ids AS uuid[]))
))"""
_LOCK = """
SELECT id FROM {schema}.run WHERE id = ANY(CAST(:ids AS uuid[])) ORDER BY id FOR UPDATE
"""


@dataclass(frozen=True)
class Batch:
    """Some runs of a bundle: whole families, a run and the chunks of its maps.

    Attributes:
        ids: The runs.
        families: For each run the run it goes with: itself, or a chunk's parent.
        revisions: For each run its revision when it was published.
        seals: For each run its seal then.
    """

    ids: Sequence[str]
    families: Sequence[str]
    revisions: Sequence[int]
    seals: Sequence[int]

    @property
    def bound(self) -> dict[str, Any]:
        """Parameters of the statements: array literals, because adapting lists costs more."""
        return {
            "ids": f"{{{','.join(self.ids)}}}",
            "families": f"{{{','.join(self.families)}}}",
            "revisions": f"{{{','.join(map(str, self.revisions))}}}",
            "seals": f"{{{','.join(map(str, self.seals))}}}",
        }


@dataclass(frozen=True)
class Compared:
    """What became of a batch since it was published.

    Attributes:
        same: Runs that can move: unchanged, ended and free, with their whole family.
        kept: Runs that are there and must stay.
        gone: Runs that are not there.
    """

    same: list[UUID]
    kept: int
    gone: list[UUID]


def batches(members: "pa.Table", size: int) -> Iterator[Batch]:
    """Yield the runs of a bundle, about `size` at a time, families whole.

    Args:
        members: Columns id, family, revision and seal.
        size: Runs per batch; more only where one family has more.
    """
    ordered = members.sort_by([("family", "ascending"), ("id", "ascending")])
    families = ordered.column("family").to_pylist()
    start = 0
    while start < len(families):
        end = min(start + size, len(families))
        while end < len(families) and families[end] == families[end - 1]:
            end += 1
        rows = ordered.slice(start, end - start)
        yield Batch(
            rows.column("id").to_pylist(),
            families[start:end],
            rows.column("revision").to_pylist(),
            rows.column("seal").to_pylist(),
        )
        start = end


async def compare(session: Session, tenant_id: str, batch: Batch, *, lock: bool) -> Compared:
    """Compare a batch with the ledger.

    Args:
        session: Where to read; a transaction if they are locked.
        tenant_id: Whose runs they must be.
        batch: The runs.
        lock: Lock their rows first, compare all rows by their seal instead of the revision
            alone, and ask as well whether anything holds them.
    """
    bound = batch.bound
    if lock:
        # A statement of its own: the next one sees what writers did who held the locks before.
        await session.execute(_LOCK, {"ids": bound["ids"]})
    same, free = (_SAME_ROWS, _FREE) if lock else (_SAME_REVISION, "true")
    statement = _COMPARE.replace("{same}", same).replace("{free}", free)
    found = (await session.execute(statement, {**bound, "tenant": tenant_id})).one()
    return Compared(found.same, found.kept, found.gone)
