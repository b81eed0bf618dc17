"""Large payloads: values that Temporal's history holds only a reference to."""

from dataclasses import dataclass
from typing import Literal

NeededBy = Literal["workflow", "schedule", "activity", "unknown"]
"""Kinds of things in Temporal that keep a reference."""

PayloadPlace = Literal["ledger", "storage"]
"""Where contents lie."""


@dataclass(frozen=True, slots=True, order=True)
class Need:
    """What in Temporal may still ask for a content.

    Attributes:
        namespace: Temporal's namespace.
        kind: What keeps the reference.
        id: Its workflow, schedule or activity id; empty when it is unknown.
    """

    namespace: str
    kind: NeededBy
    id: str


@dataclass(frozen=True, slots=True)
class KeptPayload:
    """A content that is stored.

    Attributes:
        tenant_id: Whose it is.
        sha256: Its SHA-256, hexadecimal.
        size: Its bytes, before compression.
    """

    tenant_id: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class DueNeed:
    """A need that is to be compared with Temporal.

    Attributes:
        need: The need.
        contents: How many contents it asks for.
        seen: Its newest use, as the ledger's clock says; a later one is not released with it.
        gone: Whether Temporal did not know it at the check before.
    """

    need: Need
    contents: int
    seen: str
    gone: bool


@dataclass(frozen=True, slots=True)
class SweptPayloads:
    """What a sweep found and removed.

    Attributes:
        checked: Executions and schedules that were compared with Temporal.
        released: Those that Temporal has forgotten.
        deleted: Contents that nobody needs any more.
        bytes: What those took where they lay.
    """

    checked: int = 0
    released: int = 0
    deleted: int = 0
    bytes: int = 0
