"""Named state that outlives runs."""

from collections.abc import Mapping
from typing import Any

from flowkeep.clients.direct.noun import Noun
from flowkeep.contracts import StateEntry, StateType
from flowkeep.contracts.api.access import Role
from flowkeep.errors import NotFound


class State(Noun):
    """Named state; it is `client.state`. For admins of the tenant.

    The kind `workflows` holds arguments of runs, by run id or workflow id; references stand in
    them in the place of secrets.
    """

    async def get(self, key: str, kind: StateType = StateType.STATE) -> StateEntry:
        """Return what is stored under a key.

        Raises:
            NotFound: If there is nothing.
            Forbidden: If the caller is no admin of the tenant.
        """
        self._access.require(Role.ADMIN)
        return await self._store.state.get_state(self._tenant, key, kind)

    async def put(
        self,
        key: str,
        value: Mapping[str, Any],
        kind: StateType = StateType.STATE,
        *,
        merge: bool = False,
        expected_revision: int | None = None,
    ) -> StateEntry:
        """Store a value under a key. Arguments of runs are covered, never changed, by it.

        Args:
            key: Name of the entry.
            value: A JSON object.
            kind: Which kind of state.
            merge: Keep the top-level keys of the stored value that this one lacks.
            expected_revision: The revision that was read; 0 means there must be no entry yet.

        Raises:
            Forbidden: If the caller is no admin of the tenant.
            InvalidInput: If the key or the value cannot be stored.
            RevisionMismatch: If somebody else changed it.
        """
        self._access.require(Role.ADMIN)
        self._access.require_foreign_key(key)
        state = self._store.state
        save = state.save_state_object if merge else state.save_state
        async with self._journal.writing("state.put", "state", _named(key, kind)) as entry:
            stored = await save(self._tenant, key, value, kind, expected_revision=expected_revision)
            entry.became(stored)
            return stored

    async def delete(
        self,
        key: str,
        kind: StateType = StateType.STATE,
        *,
        expected_revision: int | None = None,
    ) -> None:
        """Remove what is stored under a key. Arguments of runs stay.

        Raises:
            NotFound: If there is nothing.
            Forbidden: If the caller is no admin of the tenant.
            RevisionMismatch: If somebody else changed it.
        """
        self._access.require(Role.ADMIN)
        self._access.require_foreign_key(key)
        async with (
            self._journal.writing("state.delete", "state", _named(key, kind)),
            self._store.transaction() as tx,
        ):
            if expected_revision is not None:  # adding nothing locks the entry and compares
                await tx.state.save_state_object(
                    self._tenant, key, {}, kind, expected_revision=expected_revision
                )
            if not await tx.state.delete_state(self._tenant, key, kind) or expected_revision == 0:
                raise NotFound(f"there is no {kind} state {key!r}", hint="check the key")


def _named(key: str, kind: StateType) -> str:
    return f"{kind}/{key}"
