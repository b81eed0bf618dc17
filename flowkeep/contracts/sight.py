"""What somebody may see of a tenant: asked by lists in SQL, and by reads of one object."""

from typing import TYPE_CHECKING

from flowkeep.contracts.api.access import Principal, Role
from flowkeep.contracts.record import Record

if TYPE_CHECKING:
    from flowkeep.contracts.definitions import DefinitionSummary


class Sight(Record):
    """What somebody sees who is not staff of the whole tenant.

    Their own objects; everything in apps whose staff they are; of definitions, too, what is shared,
    and what is visible in the tenant or in their apps.

    Attributes:
        subject: Who looks; null for somebody who owns nothing.
        apps: The apps they are a member of; null for members of the whole tenant.
        staff_apps: The apps in which they see everything.
    """

    subject: str | None
    apps: tuple[str, ...] | None = None
    staff_apps: tuple[str, ...] = ()

    def owns_or_runs(self, owner: str | None, app_id: str | None) -> bool:
        """Return whether an object is theirs, or lies in an app whose staff they are."""
        return (owner is not None and owner == self.subject) or app_id in self.staff_apps

    def sees(self, definition: "DefinitionSummary") -> bool:
        """Return whether they see a definition of the tenant that they look at."""
        return self.may_see(definition.visibility, definition.owner, definition.app_id)

    def may_see(self, visibility: str, owner: str | None, app_id: str | None) -> bool:
        """Return whether they see a definition that is visible so, and belongs so."""
        if visibility == "shared":
            return True
        if self.owns_or_runs(owner, app_id):
            return True
        if visibility != "tenant":
            return False
        return self.apps is None or app_id in self.apps


def sight_of(principal: Principal) -> Sight | None:
    """Return what somebody sees of the tenant they act in; None for staff of all of it."""
    if principal.is_staff():
        return None
    return Sight(
        subject=principal.subject,
        apps=None if principal.may(Role.VIEWER) else tuple(sorted(principal.app_roles)),
        staff_apps=tuple(sorted(app for app in principal.app_roles if principal.is_staff(app))),
    )
