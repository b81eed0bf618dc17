"""What somebody sees, as conditions; `flowkeep.contracts.sight` says the same of one object."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Text, and_, any_, cast, false, literal_column, or_
from sqlalchemy.dialects.postgresql import ARRAY

from flowkeep.contracts.sight import Sight
from flowkeep.statestore.repositories import inputs
from flowkeep.statestore.tables import definition


def among(column: ColumnElement[str], values: Sequence[str]) -> ColumnElement[bool]:
    """Return the condition that a column has one of some values, however many there are."""
    wanted = [inputs.text(one, "app_id") for one in values]
    return column == any_(cast(wanted, ARRAY(Text)))


def owns_or_runs(
    sight: Sight, owner: ColumnElement[str], app_id: ColumnElement[str]
) -> ColumnElement[bool]:
    """Return the condition for what is theirs, or lies in an app whose staff they are."""
    own = false() if sight.subject is None else owner == inputs.text(sight.subject, "subject")
    return or_(own, among(app_id, sight.staff_apps)) if sight.staff_apps else own


def of_definitions(sight: Sight) -> ColumnElement[bool]:
    """Return the condition for definitions of a tenant that somebody sees."""
    columns = definition.c
    members = columns.visibility == literal_column("'tenant'")
    if sight.apps is not None:
        members = and_(members, among(columns.app_id, sight.apps))
    shared = columns.visibility == literal_column("'shared'")
    return or_(shared, members, owns_or_runs(sight, columns.owner, columns.app_id))
