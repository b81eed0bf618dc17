"""Whether the service lives, and whether it can work."""

from typing import Literal

from flowkeep.contracts.record import Record


class Health(Record):
    """The process answers.

    Attributes:
        status: Always `ok`.
    """

    status: Literal["ok"] = "ok"


class ReadyState(Record):
    """What the service needs is there.

    Attributes:
        status: Always `ready`; anything else is a problem document.
        checked: What was looked at.
    """

    status: Literal["ready"] = "ready"
    checked: tuple[Literal["ledger", "temporal"], ...]
