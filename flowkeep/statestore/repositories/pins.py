"""Runs of definitions: a run pins the version it starts with."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flowkeep.contracts.sight import Sight
from flowkeep.errors import InvalidInput, NotFound
from flowkeep.statestore.session import Session

# KEY SHARE: whoever deletes the definition waits until the run is there to be seen, whoever changes
# it or starts another run does not.
_DEFINITION = """
SELECT d.tenant_id, d.ref, d.enabled, d.draft, d.visibility, d.owner, d.app_id, v.revision,
    v.draft AS version_is_draft
FROM {schema}.definition AS d
LEFT JOIN {schema}.definition_version AS v ON v.definition_id = d.id
     AND v.revision = COALESCE(CAST(:revision AS bigint), d.version_revision)
WHERE d.id = :id AND d.deleted_at IS NULL
  AND (d.tenant_id = :tenant_id OR d.visibility = 'shared')
FOR KEY SHARE OF d
"""


@dataclass(frozen=True, slots=True)
class Pin:
    """What a run of a definition is bound to.

    Attributes:
        definition_id: The definition.
        tenant_id: Whose definition it is.
        revision: The version.
    """

    definition_id: UUID
    tenant_id: str
    revision: int


Pinning = Callable[[Session, str, UUID, int | None], Awaitable[Pin]]
"""How a run finds the version that it pins."""


async def pin(
    session: Session,
    tenant_id: str,
    definition_id: UUID,
    revision: int | None,
    sight: Sight | None = None,
) -> Pin:
    """Return the version that a new run is to pin: the named one, else the newest.

    Args:
        session: The transaction that creates the run.
        tenant_id: Whose run.
        definition_id: The tenant's own definition, or a shared one.
        revision: The version; None for the newest.
        sight: What somebody sees of the tenant whose run it is to be; None for all of it.

    Raises:
        NotFound: If the tenant, or who is to own the run, sees no such definition, or it has no
            such version.
        InvalidInput: If the definition is disabled, or it or the version is a draft.
    """
    row = await _visible(session, tenant_id, definition_id, revision)
    if sight is not None and row["tenant_id"] == tenant_id:
        _require_seen(row, sight)
    if not row["enabled"]:
        raise InvalidInput(f"definition {row['ref']!r} is disabled", hint="enable it first")
    if row["draft"] or row["version_is_draft"]:
        raise InvalidInput(
            f"definition {row['ref']!r} is a draft",
            hint="correct its errors and save it with draft=False",
        )
    return Pin(definition_id, row["tenant_id"], row["revision"])


async def pin_recorded(
    session: Session, tenant_id: str, definition_id: UUID, revision: int | None
) -> Pin:
    """Return the version of a run that is recorded as it was; it may be disabled since.

    Raises:
        NotFound: If the tenant sees no such definition, or it has no such version.
    """
    row = await _visible(session, tenant_id, definition_id, revision)
    return Pin(definition_id, row["tenant_id"], row["revision"])


def _require_seen(row: dict[str, Any], sight: Sight) -> None:
    if not sight.may_see(row["visibility"], row["owner"], row["app_id"]):
        raise NotFound(
            f"definition {row['ref']!r} does not exist for {sight.subject!r}, whom the run is to"
            " belong to",
            hint=f"it is visible as {row['visibility']!r} only: ask its owner to let others see it",
        )


async def _visible(
    session: Session, tenant_id: str, definition_id: UUID, revision: int | None
) -> dict[str, Any]:
    values = {"id": definition_id, "tenant_id": tenant_id, "revision": revision}
    row = (await session.execute(_DEFINITION, values)).mappings().one_or_none()
    if row is None:
        raise NotFound(
            f"definition {definition_id} does not exist",
            hint="look it up with `definition list`",
        )
    if row["revision"] is None:
        raise NotFound(
            f"definition {row['ref']!r} has no version {revision}",
            hint="look them up with `definition versions`",
        )
    return dict(row)
