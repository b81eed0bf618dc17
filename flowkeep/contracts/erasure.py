"""What erasing a tenant took away."""

from pydantic import Field

from flowkeep.contracts.record import Record


class Erased(Record):
    """What went with a tenant; in a dry run, what would go.

    Attributes:
        tenant_id: The tenant.
        rows: Rows by table; references between rows are not counted.
        objects: Objects of its archived runs.
        files: Objects that its runs stored, extracted files for example.
    """

    tenant_id: str
    rows: dict[str, int] = Field(default_factory=dict)
    objects: int = 0
    files: int = 0
