"""Rows of `archive_bundle`: their life from the first intent to their end."""

# ruff: noqa: S608 - only constants of ours are put into statements

from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, tuple_, update
from sqlalchemy import text as sql

from flowkeep.contracts import Page
from flowkeep.contracts.archive import Bundle, BundleStatus
from flowkeep.errors import Conflict, Forbidden, InvalidInput, NotFound
from flowkeep.statestore.archive import parts
from flowkeep.statestore.archive.manifest import Manifest, damaged, load, prefix_of
from flowkeep.statestore.session import Session
from flowkeep.statestore.tables import archive_bundle
from flowkeep.storage import Storage

BUNDLE = [archive_bundle.c[name] for name in Bundle.model_fields]


async def pass_catalogue(session: Session, tenant_id: str, *, alone: bool) -> None:
    """Wait until nobody restores a tenant's runs, or for restores until nobody reindexes.

    A reindex that looked before a restore would list runs again that came back meanwhile.

    Args:
        session: The transaction that restores or reindexes.
        tenant_id: Whose.
        alone: Whether it reindexes; restores go side by side.
    """
    kind = "" if alone else "_shared"
    await session.execute(
        f"SELECT pg_advisory_xact_lock{kind}("
        "hashtextextended('flowkeep catalogue ' || :tenant, 0))",
        {"tenant": tenant_id},
    )


async def announce(
    session: Session, bundle_id: UUID, tenant_id: str, month: date, storage: Storage
) -> Bundle:
    """Write the row of a bundle before its first object, so that leftovers can be found."""
    shard = await session.execute(
        "SELECT coalesce(max(shard) + 1, 0) FROM {schema}.archive_bundle"
        " WHERE tenant_id = :tenant AND month = :month",
        {"tenant": tenant_id, "month": month},
    )
    written = await session.execute(
        insert(archive_bundle)
        .values(
            id=bundle_id,
            tenant_id=tenant_id,
            month=month,
            shard=shard.scalar_one(),
            url=storage.url,
            prefix=prefix_of(tenant_id, month, bundle_id),
            status=BundleStatus.PUBLISHING.value,
            created_at=sql("now()"),
        )
        .returning(*BUNDLE)
    )
    return Bundle.model_validate(dict(written.mappings().one()))


async def get(
    session: Session, tenant_id: str, bundle_id: UUID, *, lock: bool = False, write: bool = False
) -> Bundle:
    """Return a bundle.

    Args:
        session: Where to read.
        tenant_id: Whose it must be.
        bundle_id: Which one.
        lock: Lock it until the transaction ends.
        write: Whether it is asked for to change something.

    Raises:
        NotFound: If there is none, or only another tenant's and nothing is to change.
        Forbidden: If it is another tenant's.
    """
    statement = select(*BUNDLE).where(archive_bundle.c.id == bundle_id)
    found = await session.execute(statement.with_for_update() if lock else statement)
    row = found.mappings().one_or_none()
    if row is not None and row["tenant_id"] == tenant_id:
        return Bundle.model_validate(dict(row))
    if row is not None and write:
        raise Forbidden(f"bundle {bundle_id} belongs to another tenant")
    raise NotFound(f"bundle {bundle_id} does not exist", hint="look it up with `archive list`")


async def page(
    session: Session,
    tenant_id: str,
    status: BundleStatus | None,
    limit: int,
    last_id: UUID | None,
) -> Page[Bundle]:
    """Return a page of a tenant's bundles, newest first."""
    order = (archive_bundle.c.created_at, archive_bundle.c.id)
    statement = select(*BUNDLE).where(archive_bundle.c.tenant_id == tenant_id)
    if last_id is not None:
        last = await session.execute(statement.where(archive_bundle.c.id == last_id))
        row = last.mappings().one_or_none()
        if row is None:
            raise InvalidInput(
                f"last_id {last_id} names no bundle of this list",
                hint="pass the id of the last bundle of the page before",
            )
        statement = statement.where(tuple_(*order) < (row["created_at"], row["id"]))
    if status is not None:
        statement = statement.where(archive_bundle.c.status == status.value)
    newest = statement.order_by(*(column.desc() for column in order)).limit(limit + 1)
    found = (await session.execute(newest)).mappings().all()
    data = [Bundle.model_validate(dict(row)) for row in found[:limit]]
    return Page(data=data, limit=limit, has_more=len(found) > limit)


async def move(
    session: Session, bundle: Bundle, status: BundleStatus, *times: str, **values: Any
) -> Bundle:
    """Set a bundle's status.

    Args:
        session: A transaction.
        bundle: The bundle as it was read.
        status: Where it goes.
        *times: Columns to set to now.
        **values: Columns to set.

    Raises:
        Conflict: If somebody else removed the bundle or moved it in the meantime.
    """
    changed = await session.execute(
        update(archive_bundle)
        .where(archive_bundle.c.id == bundle.id, archive_bundle.c.status == bundle.status.value)
        .values(status=status.value, **dict.fromkeys(times, sql("now()")), **values)
        .returning(*BUNDLE)
    )
    row = changed.mappings().one_or_none()
    if row is None:
        raise Conflict(
            f"bundle {bundle.id} changed while it was worked on", hint="look at it and try again"
        )
    return Bundle.model_validate(dict(row))


def require(bundle: Bundle, action: str, hint: str, *allowed: BundleStatus) -> None:
    """Raise Conflict unless a bundle stands where an action may begin.

    Args:
        bundle: The bundle.
        action: The action, as the message says it.
        hint: What to do instead.
        *allowed: Where it may stand.
    """
    if bundle.status not in allowed:
        raise Conflict(f"bundle {bundle.id} is {bundle.status}: it cannot be {action}", hint=hint)


def manifest_of(storage: Storage, bundle: Bundle) -> Manifest:
    """Read a bundle's manifest and check that it is the one that was published.

    Raises:
        Incomplete: If it is missing or altered.
    """
    import hashlib

    found, data = load(storage, bundle.prefix)
    if hashlib.sha256(data).hexdigest() != bundle.manifest_sha256:
        raise damaged(f"the manifest of bundle {bundle.id} was altered after it was published")
    return found


async def forget(session: Session, bundle_id: UUID) -> None:
    """Delete a bundle's row and the notes of its runs."""
    for table, column in (("archive_pending", "bundle_id"), ("archive_bundle", "id")):
        await session.execute(
            f"DELETE FROM {{schema}}.{table} WHERE {column} = :bundle", {"bundle": bundle_id}
        )


def remove_objects(storage: Storage, prefix: str) -> None:
    """Delete a bundle's objects, the manifest first, so that what is left is no bundle."""
    for key in parts.keys(prefix):
        storage.delete(key)
