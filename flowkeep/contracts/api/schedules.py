"""Schedules: what requests and answers have beside `flowkeep.contracts.schedules`."""

from typing import Any

from flowkeep.contracts.definition_loading import PARAMETERS_KEY
from flowkeep.contracts.record import Record
from flowkeep.contracts.schedule_spec import Note, Overlap
from flowkeep.contracts.schedules import Schedule, ScheduleContent


class ScheduleDetail(Schedule):
    """A schedule with what its runs get.

    Attributes:
        arguments: Parameters of the definition, or arguments of the workflow; references stand in
            the place of secrets.
    """

    arguments: dict[str, Any]

    @classmethod
    def of(cls, found: Schedule, stored: dict[str, Any]) -> "ScheduleDetail":
        """Return a schedule with its arguments as the ledger has them."""
        given = stored if found.definition_id is None else stored.get(PARAMETERS_KEY) or {}
        return cls(**dict(found), arguments=given)

    def content(self) -> ScheduleContent:
        """Return what it is, to be changed and put again."""
        same = set(ScheduleContent.model_fields) & set(type(self).model_fields)
        given = {name: getattr(self, name) for name in same}
        if self.definition_id is not None:
            given |= {"definition": str(self.definition_id), "workflow_type": None}
        return ScheduleContent(**given)


class SchedulePause(Record):
    """Why a schedule is paused, or resumed."""

    note: Note | None = None


class ScheduleTrigger(Record):
    """How a schedule fires now.

    Attributes:
        overlap: Instead of the schedule's own policy.
    """

    overlap: Overlap | None = None
