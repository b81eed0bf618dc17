"""What somebody may see of a tenant: asked by lists in SQL, and by reads of one object."""

from typing import TYPE_CHECKING

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
        if definition.visibility == "shared":
            return True
        if self.owns_or_runs(definition.owner, definition.app_id):
            return True
        if definition.visibility != "tenant":
            return False
        return self.apps is None or definition.app_id in self.apps
