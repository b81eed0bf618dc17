"""`/retention`."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import TypeAdapter

from flowkeep.api.answers import as_json, as_page
from flowkeep.api.context import Client, Expected, Limit, etag
from flowkeep.api.problems import documented
from flowkeep.api.routes.archive import undamaged
from flowkeep.contracts.api.listing import Listing
from flowkeep.contracts.api.retention import (
    MOST_SECONDS,
    SLICE_SECONDS,
    HoldRequest,
    PolicyContent,
    RetentionSlice,
    RunHold,
)
from flowkeep.contracts.api.texts import Text
from flowkeep.contracts.retention import RetentionPolicy, RetentionReport

router = APIRouter(prefix="/retention", tags=["retention"], responses=documented())

App = Annotated[Text | None, Query(description="The policy of this app, not the tenant's.")]
DefinitionId = Annotated[
    UUID | None, Query(description="The policy of this definition, not the tenant's.")
]
PolicyCursor = Annotated[UUID | None, Query(description="`next` of the page before.")]
Seconds = Annotated[float, Query(gt=0, le=MOST_SECONDS, description="When to stop.")]

_POLICY = TypeAdapter(RetentionPolicy)
_POLICIES = TypeAdapter(Listing[RetentionPolicy])


@router.get("/policies", response_model=Listing[RetentionPolicy])
async def list_policies(
    request: Request, client: Client, limit: Limit = 20, cursor: PolicyCursor = None
) -> Response:
    """List policies, the tenant's own first; admins of apps see those of their apps."""
    page = await client.retention.list(limit=limit, cursor=cursor)
    return as_page(request, _POLICIES, page)


@router.get("/policy", response_model=RetentionPolicy)
async def get_policy(
    client: Client, app_id: App = None, definition_id: DefinitionId = None
) -> Response:
    """Return the policy of an app, a definition, or else of the tenant."""
    return _tagged(await client.retention.get(app_id=app_id, definition_id=definition_id))


@router.put("/policy", response_model=RetentionPolicy, responses=documented(412))
async def set_policy(
    client: Client,
    body: PolicyContent,
    expected: Expected,
    app_id: App = None,
    definition_id: DefinitionId = None,
) -> Response:
    """Set the policy of an app, a definition, or else of the tenant, as a whole."""
    made = await client.retention.set(
        body, app_id=app_id, definition_id=definition_id, expected_revision=expected
    )
    return _tagged(made)


@router.delete("/policy", status_code=204, response_class=Response, responses=documented(412))
async def remove_policy(
    client: Client, expected: Expected, app_id: App = None, definition_id: DefinitionId = None
) -> None:
    """Remove the policy of an app, a definition, or else of the tenant."""
    await client.retention.remove(
        app_id=app_id, definition_id=definition_id, expected_revision=expected
    )


@router.get("/plan")
async def plan_retention(client: Client, max_seconds: Seconds = SLICE_SECONDS) -> RetentionReport:
    """Count what the policies would remove now; changes nothing.

    A step that is not `done` was counted until the time was up; those behind it are left out.
    """
    return await client.retention.plan(max_seconds=max_seconds)


@router.post("/apply", responses=documented(409))
async def apply_retention(client: Client, body: RetentionSlice | None = None) -> RetentionReport:
    """Remove what the policies say, for some seconds.

    Where `resume` is not null there is more: send it back to go on.
    """
    with undamaged():
        return await client.retention.apply(body or RetentionSlice())


@router.put("/holds/{run_id}", responses=documented(409))
async def hold_run(client: Client, run_id: UUID, body: HoldRequest | None = None) -> RunHold:
    """Hold a run against every removal, until a time or until it is released."""
    return await client.retention.hold(run_id, None if body is None else body.until)


@router.delete("/holds/{run_id}", responses=documented(409))
async def release_run(client: Client, run_id: UUID) -> RunHold:
    """Release the hold of a run."""
    return await client.retention.release(run_id)


def _tagged(policy: RetentionPolicy) -> Response:
    return as_json(_POLICY, policy, headers={"ETag": etag(policy.revision)})
