"""Named state and secrets."""

from collections.abc import Mapping
from typing import Any, Protocol
from uuid import UUID

from flowkeep.contracts import (
    Page,
    StateEntry,
    StateType,
)
from flowkeep.contracts.api.secrets import SecretInfo


class StateRepository(Protocol):
    """Arguments of runs and whatever users keep between runs."""

    async def get_arguments(self, tenant_id: str, run_id: UUID) -> dict[str, Any]:
        """Return what a run was started with; nobody can have changed it since.

        Raises:
            NotFound: If the run was started without arguments of its own, or does not exist.
        """
        ...

    async def get_state(
        self, tenant_id: str, key: str, kind: StateType = StateType.STATE
    ) -> StateEntry:
        """Return an entry.

        Of the kind `workflows`, a workflow_id leads to what was saved under it, else to the
        arguments of its newest run; a run's id to its arguments (as revision 0).

        Raises:
            NotFound: If there is no such entry.
        """
        ...

    async def save_state(
        self,
        tenant_id: str,
        key: str,
        value: Mapping[str, Any],
        kind: StateType = StateType.STATE,
        *,
        expected_revision: int | None = None,
    ) -> StateEntry:
        """Replace the whole value. Arguments of runs are covered, never changed, by it.

        Args:
            tenant_id: Whose state.
            key: Name of the entry.
            value: A JSON object.
            kind: Which kind of state.
            expected_revision: The revision that was read; 0 means the entry must not exist yet.

        Raises:
            RevisionMismatch: If the stored revision is another one.
            InvalidInput: If something cannot be stored; names the path.
        """
        ...

    async def save_state_object(
        self,
        tenant_id: str,
        key: str,
        value: Mapping[str, Any],
        kind: StateType = StateType.STATE,
        *,
        expected_revision: int | None = None,
    ) -> StateEntry:
        """Merge the top-level keys into the stored value and return the result.

        Raises:
            RevisionMismatch: If `expected_revision` is given and is not the stored one.
        """
        ...

    async def delete_state(
        self, tenant_id: str, key: str, kind: StateType = StateType.STATE
    ) -> bool:
        """Remove an entry; returns whether it existed. Arguments of runs stay."""
        ...


class SecretRepository(Protocol):
    """Encrypted credentials, named by references of the form {"secret_ref": "<uuid>"}."""

    async def put(
        self,
        tenant_id: str,
        value: dict[str, Any] | str,
        *,
        secret_id: UUID | None = None,
        run_scoped: bool = False,
    ) -> dict[str, str]:
        """Encrypt and store a value; returns its reference.

        Args:
            tenant_id: Whose secret.
            value: Text or an object.
            secret_id: The id it gets; a new one when left out.
            run_scoped: Let it go with the last run whose arguments refer to it.

        Raises:
            ConfigurationError: If no key is configured.
            Conflict: If `secret_id` is taken by another value.
        """
        ...

    async def set(self, tenant_id: str, name: str, value: dict[str, Any] | str) -> dict[str, str]:
        """Store a value under a name, in the place of the one before; returns its reference.

        Definitions call for it by `secret("name")`. It is no run's, so it stays until deleted.

        Raises:
            ConfigurationError: If no key is configured.
            InvalidInput: If the name is empty or too long, or the value cannot be stored.
        """
        ...

    async def get(self, tenant_id: str, reference: Mapping[str, Any] | str | UUID) -> Any:
        """Return the decrypted value.

        Raises:
            NotFound: If the tenant has no such secret.
            ConfigurationError: If none of the configured keys can decrypt it.
        """
        ...

    async def delete(self, tenant_id: str, reference: Mapping[str, Any] | str | UUID) -> bool:
        """Remove a secret; returns whether it existed."""
        ...

    async def list(
        self, tenant_id: str, *, limit: int = 20, after: str | None = None
    ) -> Page[SecretInfo]:
        """Return a page of the secrets that have names, by name; never their values.

        Args:
            tenant_id: Whose.
            limit: Rows per page, 1 to 100.
            after: Name that the page before ended with.
        """
        ...

    async def resolve(self, tenant_id: str, value: Any) -> Any:
        """Return a copy in which references at any depth are replaced by what they stand for."""
        ...
