"""Who may come in: found out, counted, and told to the audit log when refused."""

from dataclasses import dataclass

from fastapi import Request

from flowkeep.api.authentication import authenticate, within
from flowkeep.api.rates import Rates
from flowkeep.clients.direct.journal import Journal
from flowkeep.contracts.api.access import Caller, Principal
from flowkeep.contracts.api.audit import SYSTEM_TENANT
from flowkeep.errors import Forbidden, NotFound, Unauthenticated
from flowkeep.statestore.store import Store

_MOST_TARGET = 300


@dataclass(frozen=True, slots=True)
class Admitted:
    """Who came in.

    Attributes:
        own: Who they are, in the tenant they belong to.
        caller: Who they are here, in the tenant they act in.
    """

    own: Principal
    caller: Caller

    @property
    def entered(self) -> bool:
        """Whether they act in a tenant that is not theirs."""
        here = self.caller.principal.tenant_id
        return self.own.via != "local" and here != self.own.tenant_id


async def admit(request: Request, request_id: str, store: Store) -> Admitted:
    """Return who makes a request.

    Args:
        request: What was asked.
        request_id: Its name.
        store: The ledger.

    Raises:
        Unauthenticated: If it does not show who makes it.
        TooManyRequests: If they call too often, or their address showed too many wrong keys.
        NotFound: If it names a tenant that is not theirs.
    """
    rates: Rates = request.app.state.rates
    address = None if request.client is None else request.client.host
    stranger = _caller(_NOBODY, request, request_id, address)
    rates.refuse_guesser(address)
    try:
        own = await authenticate(request)
    except (Unauthenticated, Forbidden) as error:
        if "Authorization" in request.headers:
            rates.failed(address)
        Journal(stranger, store).denied(error, "request", stranger.target)
        raise
    request.state.answer_headers = rates.spend(own)
    caller = stranger.model_copy(update={"principal": own})
    try:
        principal = within(own, request)
    except NotFound as error:
        Journal(caller, store).denied(error, "request", stranger.target)
        raise
    return Admitted(own, caller.model_copy(update={"principal": principal}))


_NOBODY = Principal(subject="-", tenant_id=SYSTEM_TENANT, via="none")


def _caller(principal: Principal, request: Request, name: str, address: str | None) -> Caller:
    path = getattr(request.scope.get("route"), "path", None)
    return Caller(
        principal=principal,
        request_id=name,
        address=address,
        operation=None if path is None else f"{request.method} {path}",
        target=request.url.path[:_MOST_TARGET],
    )
