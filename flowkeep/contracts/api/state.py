"""Named state: what requests have beside `flowkeep.contracts.StateEntry`."""

from typing import Annotated, Any

from pydantic import ConfigDict, StringConstraints

from flowkeep.contracts.record import Record

StateKey = Annotated[str, StringConstraints(min_length=1, max_length=1000, pattern=r"^[^\x00]*$")]
"""What an entry is called; slashes are letters like others."""


class StateContent(Record):
    """What is stored under a key.

    Attributes:
        value: A JSON object.
        merge: Keep the keys of the stored value that this one lacks.
    """

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"value": {"seen_until": "2026-01-31"}, "merge": True}]}
    )

    value: dict[str, Any]
    merge: bool = False
