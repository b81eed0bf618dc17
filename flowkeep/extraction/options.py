"""What the arguments of a metadata extraction may say under `metadata`."""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from flowkeep.errors import InvalidInput


class ExtractionOptions(BaseModel):
    """Which part of a server is extracted, and how.

    Attributes:
        databases: Databases by exact name; empty means the one the credentials name.
        include_schemas: Schemas by exact name; empty means all but the system's.
        exclude_schemas: Schemas by exact name that are left out; stronger than an include.
        include_system_schemas: Whether the server's own schemas count among all.
        statement_timeout_seconds: Longest a statement may run on the source.
        namespace: First part of every qualified name instead of the server's address, so that
            names survive a move to another host.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    databases: tuple[str, ...] = ()
    include_schemas: tuple[str, ...] = ()
    exclude_schemas: tuple[str, ...] = ()
    include_system_schemas: bool = False
    statement_timeout_seconds: float = Field(default=600.0, gt=0, le=86_400)
    namespace: str | None = Field(default=None, min_length=1, max_length=255)

    @field_validator("databases", "include_schemas", "exclude_schemas")
    @classmethod
    def _names(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if not name or "\x00" in name:
                raise ValueError("a name is empty or holds a NUL character")
        return tuple(dict.fromkeys(names))

    @classmethod
    def read(cls, value: object) -> Self:
        """Check options of unknown origin.

        Args:
            value: A mapping with the fields above, or None for the defaults.

        Raises:
            InvalidInput: If one is unknown or does not fit; the message names it.
        """
        if value is None:
            return cls()
        if not isinstance(value, Mapping):
            raise InvalidInput(f"metadata must be a mapping, not {type(value).__name__}")
        try:
            return cls.model_validate(dict(value))
        except ValidationError as error:
            problems = "; ".join(
                f"metadata.{'.'.join(str(step) for step in item['loc'])}: {item['msg']}"
                for item in error.errors(include_url=False)
            )
            raise InvalidInput(
                problems, hint=f"use {', '.join(cls.model_fields)}; names are exact"
            ) from None

    def parameters(self) -> dict[str, Any]:
        """Return what binds to the parameters of a catalogue statement."""
        return {
            "include": list(self.include_schemas) or None,
            "exclude": list(self.exclude_schemas),
            "system": self.include_system_schemas,
        }

    def filters(self) -> dict[str, Any]:
        """Return what decides which objects are in the scope, for the manifest."""
        return {
            "include_schemas": list(self.include_schemas),
            "exclude_schemas": list(self.exclude_schemas),
            "include_system_schemas": self.include_system_schemas,
        }
