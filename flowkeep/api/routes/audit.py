"""`/audit`."""

from typing import Annotated

from fastapi import APIRouter, Query

from flowkeep.api.context import Client, Cursor, Limit
from flowkeep.api.problems import documented
from flowkeep.contracts.api.audit import AuditEntry, AuditOutcome
from flowkeep.contracts.api.listing import Listing
from flowkeep.contracts.api.texts import Time

router = APIRouter(prefix="/audit", tags=["audit"], responses=documented())

Text = Annotated[str | None, Query(max_length=300, pattern=r"^[^\x00]*$")]


@router.get("")
async def list_audit(
    client: Client,
    subject: Annotated[Text, Query(description="Only what this one did.")] = None,
    action: Annotated[Text, Query(description="Only this action, like `run.cancel`.")] = None,
    object_kind: Annotated[Text, Query(description="Only objects of this kind.")] = None,
    object_id: Annotated[Text, Query(description="Only this object; with its kind.")] = None,
    outcome: Annotated[AuditOutcome | None, Query(description="Only what ended so.")] = None,
    since: Annotated[Time | None, Query(description="Only from this time on.")] = None,
    until: Annotated[Time | None, Query(description="Only before this time.")] = None,
    all_tenants: Annotated[bool, Query(description="Of every tenant; for system admins.")] = False,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> Listing[AuditEntry]:
    """Read the audit log, newest first; for admins of the tenant."""
    return await client.audit.list(
        subject=subject,
        action=action,
        object_kind=object_kind,
        object_id=object_id,
        outcome=outcome,
        since=since,
        until=until,
        all_tenants=all_tenants,
        limit=limit,
        cursor=cursor,
    )
