"""What a source over `pg_stat_statements` may be told."""

from typing import Literal

from pydantic import BaseModel, ConfigDict


class StatStatementsOptions(BaseModel):
    """How the first run counts.

    Attributes:
        first: `baseline` takes a snapshot and counts nothing, so that every count belongs to the
            time between two runs; `count` counts everything since the last reset.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    first: Literal["baseline", "count"] = "baseline"
