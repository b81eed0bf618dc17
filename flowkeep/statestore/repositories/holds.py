"""Which runs nobody may remove now."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import RowMapping

from flowkeep.contracts.retention import RetentionPolicy
from flowkeep.statestore.session import Session

_GATE = "hashtextextended('flowkeep.retention.' || :schema || '.' || :tenant, 0)"


@dataclass(frozen=True)
class Holds:
    """The legal holds of a tenant's policies.

    Attributes:
        everything: Whether the whole tenant is held.
        apps: Apps that are.
        definitions: Definitions that are.
    """

    everything: bool = False
    apps: frozenset[str] = frozenset()
    definitions: frozenset[UUID] = frozenset()

    @classmethod
    def of(cls, policies: Sequence[RetentionPolicy]) -> "Holds":
        """Return what some policies hold."""
        held = [policy for policy in policies if policy.legal_hold]
        return cls(
            everything=any(p.app_id is None and p.definition_id is None for p in held),
            apps=frozenset(p.app_id for p in held if p.app_id is not None),
            definitions=frozenset(p.definition_id for p in held if p.definition_id is not None),
        )

    def cover(self, row: RowMapping) -> bool:
        """Return whether a run is held: by itself (`held`), its app, definition or tenant."""
        return bool(
            self.everything
            or row["held"]
            or row["app_id"] in self.apps
            or row["definition_id"] in self.definitions
        )


async def read(session: Session, tenant_id: str, *, steady: bool) -> list[RetentionPolicy]:
    """Return a tenant's policies.

    Args:
        session: A session; a transaction when `steady` is set.
        tenant_id: Whose.
        steady: Let nobody change them until this transaction ends, so that a legal hold is in
            force from the moment it is set.
    """
    if steady:
        await pass_gate(session, tenant_id, alone=False)
    found = await session.execute(
        "SELECT * FROM {schema}.retention_policy WHERE tenant_id = :tenant"
        " ORDER BY app_id NULLS FIRST, definition_id NULLS FIRST",
        {"tenant": tenant_id},
    )
    return [RetentionPolicy.model_validate(dict(row)) for row in found.mappings()]


async def pass_gate(session: Session, tenant_id: str, *, alone: bool) -> None:
    """Wait until no policy of a tenant changes; alone: also until no batch is being removed."""
    kind = "" if alone else "_shared"
    await session.execute(
        f"SELECT pg_advisory_xact_lock{kind}({_GATE})",
        {"schema": session.schema_name, "tenant": tenant_id},
    )
