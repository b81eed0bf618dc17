"""What a caller sees, as lists in SQL take it."""

from flowkeep.contracts.api.access import Principal, Role
from flowkeep.contracts.sight import Sight


def sight_of(principal: Principal) -> Sight | None:
    """Return what somebody sees of the tenant they act in; None for staff of all of it."""
    if principal.is_staff():
        return None
    return Sight(
        subject=principal.subject,
        apps=None if principal.may(Role.VIEWER) else tuple(sorted(principal.app_roles)),
        staff_apps=tuple(sorted(app for app in principal.app_roles if principal.is_staff(app))),
    )
