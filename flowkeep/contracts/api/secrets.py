"""Secrets with names: what is told of them, which is never their values."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import ConfigDict, Field, StringConstraints

from flowkeep.contracts.record import Record

SecretName = Annotated[str, StringConstraints(min_length=1, max_length=800, pattern=r"^[^\x00]*$")]
"""What definitions call for by `secret('NAME')`; slashes are letters like others."""


class SecretInfo(Record):
    """A secret with a name, without its value.

    Attributes:
        name: Its name.
        created_at: When it was first stored.
        updated_at: When its value was last stored, or encrypted by another key.
    """

    name: str
    created_at: datetime
    updated_at: datetime


class NewSecret(Record):
    """A value to be stored under a name, in the place of the one before.

    Attributes:
        name: Its name.
        value: Text, or an object; nobody can read it back through the API.
    """

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "warehouse", "value": {"user": "etl"}}]}
    )

    name: SecretName
    value: str | dict[str, Any] = Field(repr=False)
