"""How definitions are written: created once, changed from the revision that was read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

from flowkeep.clients.authoring_known import stored_under
from flowkeep.contracts import Definition, DefinitionPatch, NewDefinition, Problem
from flowkeep.errors import Conflict, RevisionMismatch
from flowkeep.statestore.store import Store


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of a definition.

    Attributes:
        definition: As it is stored now.
        change: What was done; an unchanged one was not written.
        problems: What was found about it; errors only of a draft.
    """

    definition: Definition
    change: Literal["created", "updated", "unchanged"]
    problems: list[Problem] = field(default_factory=list)


class Writer:
    """Writes definitions of one tenant.

    Args:
        store: The ledger.
        tenant_id: Whose definitions.
        actor: Who does it.
        expected_revision: The revision that was read; when left out the newest one, and once more
            when somebody else is faster.
    """

    def __init__(
        self,
        store: Store,
        tenant_id: str,
        *,
        actor: str | None = None,
        expected_revision: int | None = None,
    ) -> None:
        self._store = store
        self._tenant_id = tenant_id
        self._actor = actor
        self._expected = expected_revision

    async def put(self, ref: str, fields: dict[str, Any], problems: list[Problem]) -> Applied:
        """Create the definition of a ref, or change it; who comes second creates nothing.

        Args:
            ref: The ref.
            fields: Those of `NewDefinition` and `DefinitionPatch`.
            problems: What was found about them.

        Raises:
            InvalidInput: If it cannot be stored.
            NotFound: If a revision is expected of what does not exist.
            RevisionMismatch: If somebody else changed it first.
        """
        if self._expected is not None:
            found = await self._store.definitions.get_by_ref(self._tenant_id, ref)
            return await self.change(found.id, fields, problems)
        stored = await stored_under(self._store, self._tenant_id, ref)
        if stored is None:
            new = NewDefinition(ref=ref, created_by=self._actor, **fields)
            try:
                made = await self._store.definitions.create(self._tenant_id, new)
            except Conflict:
                stored = await stored_under(self._store, self._tenant_id, ref)
                if stored is None:
                    raise
            else:
                return Applied(made, "created", problems)
        return await self.change(stored.id, fields, problems)

    async def change(
        self, definition_id: UUID, fields: Mapping[str, Any], problems: list[Problem]
    ) -> Applied:
        """Change a definition; where nothing differs nothing is written.

        Raises:
            InvalidInput: If it cannot be stored.
            NotFound: If it does not exist.
            RevisionMismatch: If somebody else changed it first.
        """
        try:
            return await self._change(definition_id, fields, problems)
        except RevisionMismatch:
            if self._expected is not None:
                raise
        return await self._change(definition_id, fields, problems)

    async def _change(
        self, definition_id: UUID, fields: Mapping[str, Any], problems: list[Problem]
    ) -> Applied:
        read = await self._store.definitions.get(self._tenant_id, definition_id)
        revision = read.revision if self._expected is None else self._expected
        changes, told = dict(fields), list(problems)
        drawn = read.canvas is not None and "canvas" not in fields
        if drawn and fields.get("spec", read.spec) != read.spec:
            changes["canvas"] = None
            told.append(_undrawn())
        stored = await self._store.definitions.update(
            self._tenant_id,
            definition_id,
            DefinitionPatch(**changes),
            expected_revision=revision,
            actor=self._actor,
        )
        return Applied(stored, "unchanged" if stored.revision == revision else "updated", told)


def _undrawn() -> Problem:
    return Problem(
        path="canvas",
        message="does not show this content any more, so it is left out",
        hint="the versions before keep it",
        level="warning",
    )
