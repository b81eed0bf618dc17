"""`/health` and `/ready`: for probes, without a key."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response

from flowkeep.api.problems import RETRY_SECONDS, answer, documented
from flowkeep.clients.readiness import PARTS, Readiness
from flowkeep.contracts.api.health import Health, ReadyState
from flowkeep.contracts.api.problem import FieldProblem

_EVERY = documented()

router = APIRouter(tags=["health"], responses={status: _EVERY[status] for status in (422, 503)})

Only = Annotated[
    Literal["ledger", "temporal"] | None,
    Query(description="Look at this server alone. Reads need no more than the ledger."),
]


@router.get("/health")
async def get_health() -> Health:
    """Tell that the process lives, whatever else is away."""
    return Health()


@router.get("/ready", response_model=ReadyState)
async def get_readiness(request: Request, only: Only = None) -> Response:
    """Tell whether ledger (at the right migration) and Temporal answer; 503 names what is missing.

    Looked at once a second at most.
    """
    readiness: Readiness = request.app.state.readiness
    parts = PARTS if only is None else (only,)
    lacks = await readiness.lacks(parts)
    if not lacks:
        return Response(ReadyState(checked=parts).model_dump_json(), media_type="application/json")
    return answer(
        request,
        503,
        "NOT_READY",
        "; ".join(f"the {_NAMES[one.part]} {one.message}" for one in lacks),
        hint="the log of the service says more",
        fields=tuple(
            FieldProblem(path=one.part, message=f"{one.code}: {one.message}") for one in lacks
        ),
        headers={"Retry-After": str(RETRY_SECONDS)},
    )


_NAMES = {"ledger": "ledger", "temporal": "Temporal server"}
