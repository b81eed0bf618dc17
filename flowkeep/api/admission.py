"""Who may come in: found out, counted, and told to the audit log when refused."""

from dataclasses import dataclass

from fastapi import Request

from flowkeep.api.authentication import Shown, authenticate, shows, within
from flowkeep.api.rates import Rates
from flowkeep.clients.direct.journal import Journal
from flowkeep.contracts.api.access import Caller, Principal
from flowkeep.contracts.api.audit import SYSTEM_TENANT
from flowkeep.errors import FlowkeepError, Forbidden, NotFound, Unauthenticated
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
        TooManyRequests: If they call too often, or they show a wrong key and their address
            showed too many.
        NotFound: If it names a tenant that is not theirs.
    """
    rates: Rates = request.app.state.rates
    try:
        own = await authenticate(request)
    except (Unauthenticated, Forbidden) as error:
        shown: Shown | None = getattr(request.state, "shown", None)
        known = _NOBODY if shown is None else shown.principal
        _deny(error, _caller(known, request, request_id), store)
        wrong = isinstance(error, Unauthenticated)
        if wrong and shows(request):
            rates.failed(_address(request))
        raise
    request.state.answer_headers = rates.spend(own)
    try:
        principal = within(own, request)
    except NotFound as error:
        _deny(error, _caller(own, request, request_id), store)
        raise
    return Admitted(own, _caller(principal, request, request_id))


_NOBODY = Principal(subject="-", tenant_id=SYSTEM_TENANT, via="none")


def _deny(error: FlowkeepError, caller: Caller, store: Store) -> None:
    Journal(caller, store).denied(error, "request", caller.target)


def _address(request: Request) -> str | None:
    return None if request.client is None else request.client.host


def _caller(principal: Principal, request: Request, name: str) -> Caller:
    path = getattr(request.scope.get("route"), "path", None)
    return Caller(
        principal=principal,
        request_id=name,
        address=_address(request),
        operation=None if path is None else f"{request.method} {path}",
        target=request.scope["path"][:_MOST_TARGET],
    )
