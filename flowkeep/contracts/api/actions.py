"""Actions as the API takes them."""

from pydantic import Field

from flowkeep.contracts.record import Record


class ActionLink(Record):
    """What an action is to stand for.

    Attributes:
        definition: Id or ref of a definition; null for none.
    """

    definition: str | None = Field(max_length=800, pattern=r"^[^\x00]*$")
