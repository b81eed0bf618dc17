"""Why a tenant may not be erased."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select

from flowkeep.errors import Conflict
from flowkeep.statestore.session import Session
from flowkeep.statestore.tables import archive_bundle
from flowkeep.statestore.tables.base import OPEN
from flowkeep.storage import Storage

_NAMED = 10

_OPEN = f"""
SELECT id FROM {{schema}}.run
WHERE tenant_id = :tenant AND kind = 'run' AND {OPEN} LIMIT {_NAMED + 1}
"""  # noqa: S608 - only constants are put in
_HOLDS = """
SELECT id FROM {schema}.retention_policy WHERE tenant_id = :tenant AND legal_hold LIMIT 1
"""


def files_apart(tenant: str, files: Storage, folder: str, archive: Storage) -> None:
    """Refuse a tenant whose folder of files holds the archive of all tenants."""
    mine = f"{files.url_of(folder)}/"
    if f"{archive.url_of('').rstrip('/')}/".startswith(mine):
        raise Conflict(
            f"the files of tenant {tenant!r} lie in the folder {mine}, where the archive of every"
            " tenant lies",
            hint="keep the files, and delete by hand what is not the archive's",
        )


async def bundles_here(session: Session, tenant: str, archive: Storage) -> None:
    """Refuse a tenant whose bundles lie where this process would not delete them."""
    statement = (
        select(archive_bundle.c.url)
        .where(archive_bundle.c.tenant_id == tenant, archive_bundle.c.url != archive.url)
        .limit(1)
    )
    other = (await session.execute(statement)).scalar_one_or_none()
    if other is not None:
        raise Conflict(
            f"tenant {tenant!r} has archived runs at {other}, but the archive of this process is"
            f" {archive.url}; nothing was erased",
            hint="set FLOWKEEP_STORAGE_ARCHIVE_URL to where they lie",
        )


async def none_open(session: Session, tenant: str) -> None:
    """Refuse a tenant with open runs."""
    found = await session.execute(_OPEN, {"tenant": tenant})
    refuse_open(tenant, found.scalars().all())


async def no_policy_holds(session: Session, tenant: str) -> None:
    """Refuse a tenant with a retention policy that is a legal hold."""
    found = await session.execute(_HOLDS, {"tenant": tenant})
    if found.first() is not None:
        raise _held(tenant, "one of its retention policies")


def refuse_open(tenant: str, ids: Sequence[UUID]) -> None:
    """Refuse if there are any open runs."""
    if ids:
        raise Conflict(
            f"tenant {tenant!r} has open runs: {_named(ids)}",
            hint="wait for their end or cancel them, or erase by force",
        )


def refuse_held(tenant: str, page: Sequence[Mapping[str, Any]]) -> None:
    """Refuse if a run of a page is held."""
    held = [row["id"] for row in page if row["held"]]
    if held:
        raise _held(tenant, f"that of run {_named(held)}")


def _held(tenant: str, whose: str) -> Conflict:
    return Conflict(
        f"tenant {tenant!r} is under a legal hold: {whose}",
        hint="lift the hold, or say explicitly that it is to be ignored",
    )


def _named(ids: Sequence[UUID]) -> str:
    more = ", …" if len(ids) > _NAMED else ""
    return ", ".join(map(str, ids[:_NAMED])) + more
