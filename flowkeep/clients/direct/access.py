"""What a caller may see and do. What they may not see does not exist for them."""

from typing import TYPE_CHECKING, TypeVar

from flowkeep.contracts.api.access import Principal, Role
from flowkeep.errors import FlowkeepError, Forbidden, NotFound

if TYPE_CHECKING:
    from collections.abc import Callable

    from flowkeep.clients.direct.journal import Journal
    from flowkeep.contracts import Run

E = TypeVar("E", bound=FlowkeepError)

OWN = "flowkeep."
"""What the names of flowkeep's own workflow types begin with."""
OWN_KEYS = "flowkeep-"
"""What the keys of their arguments begin with."""


class Access:
    """The rules for one caller.

    Who is staff (admin) of a tenant or an app sees everything in it. Others see what is theirs, and
    definitions that are visible to them. What somebody may see but not do is `Forbidden`; what
    they may not see is `NotFound`, as if there were nothing.

    Args:
        principal: Who calls.
        journal: Where denied accesses are told; nowhere when left out.
    """

    def __init__(self, principal: Principal, journal: "Journal | None" = None) -> None:
        self.principal = principal
        self._journal = journal

    @property
    def tenant_id(self) -> str:
        """The tenant the caller acts in."""
        return self.principal.tenant_id

    def require(self, needed: Role, app_id: str | None = None) -> None:
        """Refuse who has no such role in an app (or, without one, in the whole tenant).

        Raises:
            Forbidden: If the role is not enough.
        """
        if self.principal.may(needed, app_id):
            return
        where = "the tenant" if app_id is None else f"app {app_id!r}"
        raise self._refused(f"this needs the role {needed} in {where}", app_id)

    def require_anywhere(self, needed: Role) -> None:
        """Refuse who has such a role nowhere in the tenant.

        Raises:
            Forbidden: If no role is enough.
        """
        if not self.principal.may_anywhere(needed):
            raise self._refused(f"this needs the role {needed}", None)

    def require_foreign_type(self, workflow_type: str | None) -> None:
        """Refuse a workflow type of flowkeep's own: these act beyond a tenant, or beyond a role.

        Raises:
            Forbidden: If it is one, and the caller is no system admin.
        """
        if (workflow_type or "").startswith(OWN) and not self.principal.system:
            raise self._refused(f"workflow type {workflow_type!r} is flowkeep's own", None)

    def require_foreign_key(self, key: str) -> None:
        """Refuse a state key under which flowkeep keeps what its own workflows are started with.

        Raises:
            Forbidden: If it is one, and the caller is no system admin.
        """
        if key.startswith(OWN_KEYS) and not self.principal.system:
            raise self._refused(f"state key {key!r} is flowkeep's own", None)

    def owner_of_new(self, wanted: str | None, app_id: str | None) -> str | None:
        """Return whom something new in an app belongs to.

        Raises:
            Forbidden: If somebody else is named by who is no staff.
        """
        if wanted is None or wanted == self.principal.owner:
            return self.principal.owner
        if not self.principal.is_staff(app_id):
            raise self._refused("only staff starts runs for others: leave owner out", app_id)
        return wanted

    def owns_run(self, run: "Run") -> bool:
        """Return whether a run is the caller's, or in what they are staff of."""
        if self.principal.is_staff(run.app_id):
            return True
        mine = self.principal.owner is not None and run.owner == self.principal.owner
        return mine and self.principal.may(Role.VIEWER, run.app_id)

    @property
    def allowed(self) -> "Callable[[Run], bool] | None":
        """Which runs the caller may meet under a workflow_id; None for all of the tenant."""
        return None if self.principal.is_staff() else self.owns_run

    def require_system(self) -> None:
        """Refuse who does not administer the whole installation.

        Raises:
            Forbidden: If the caller is no system admin.
        """
        if not self.principal.system:
            error = Forbidden("this is for system admins", hint="use a key with `system`")
            raise self.denied(error, "installation")

    def hidden(self, kind: str, object_id: object, *, hint: str = "check the name") -> NotFound:
        """Return what to raise for an object that exists, but not for this caller.

        It reads as if there were none; the audit log hears of it. For an object that really does
        not exist, raise a plain `NotFound` with the same words.

        Args:
            kind: Kind of the object, for example `run`.
            object_id: The object.
            hint: What to do next.
        """
        name = repr(object_id) if isinstance(object_id, str) else str(object_id)
        error = NotFound(f"{kind} {name} does not exist", hint=hint)
        self.denied(error, kind, object_id)
        return error

    def denied(self, error: E, kind: str, object_id: object = None) -> E:
        """Tell the audit log of an error that denies access, and return it to be raised.

        Args:
            error: A Forbidden, or a NotFound in the repository's own words.
            kind: Kind of the object, for example `run`.
            object_id: The object.
        """
        if self._journal is not None:
            self._journal.denied(error, kind, object_id)
        return error

    def _refused(self, message: str, app_id: str | None) -> Forbidden:
        error = Forbidden(message, hint="ask an admin of the tenant for a key with that role")
        if app_id is None:
            return self.denied(error, "tenant", self.tenant_id)
        return self.denied(error, "app", app_id)
