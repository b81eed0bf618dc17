"""What every frozen record is made of."""

from typing import Any

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """A value that never changes; one with other fields is a copy."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def evolve(self, **changes: Any) -> Any:
        """Return a copy with some fields changed and validated."""
        return type(self).model_validate({**self.model_dump(), **changes})
