"""Which keys encrypt the secrets, and what a rotation did."""

from uuid import UUID

from pydantic import Field

from flowkeep.contracts.record import Record


class KeyUse(Record):
    """One key and how many secrets it encrypts. Tells nothing of the key itself.

    Attributes:
        key_id: Name of the key: the beginning of a hash of it.
        secrets: How many secrets are encrypted with it.
        configured: Whether this process has the key.
        newest: Whether it is the one that encrypts from now on.
    """

    key_id: str
    secrets: int
    configured: bool
    newest: bool


class Rotation(Record):
    """What a rotation did.

    Attributes:
        key_id: The newest key, to which secrets were moved.
        seen: Secrets that were looked at.
        rotated: Secrets that were encrypted anew, by the id of the key they had before.
        busy: Secrets that somebody else was changing at that moment; the next rotation takes them.
        damaged: Secrets whose content was altered and that nothing can decrypt any more.
        damaged_ids: The first hundred of them.
    """

    key_id: str
    seen: int = 0
    rotated: dict[str, int] = Field(default_factory=dict)
    busy: int = 0
    damaged: int = 0
    damaged_ids: list[UUID] = Field(default_factory=list)
