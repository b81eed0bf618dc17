"""What a validation knows of the actions and definitions around a document."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from flowkeep.contracts import Action, Definition
from flowkeep.contracts.sight import Sight
from flowkeep.definitions.spec import DefinitionSpec
from flowkeep.errors import NotFound
from flowkeep.statestore.gathered import Repositories

Data = Mapping[str, Any]
"""Plain data of a definition, as a document has it."""

_PAGE = 100


@dataclass(frozen=True, slots=True)
class Callee:
    """A definition that a task calls.

    Attributes:
        spec: What it does; None where that cannot be read.
        refusal: Why a run of it would be refused now: `a draft` or `disabled`.
    """

    spec: DefinitionSpec | None
    refusal: str | None = None


class Known:
    """Without a ledger: other documents, and nothing of actions.

    Args:
        beside: Definitions that count as stored, for example those applied together.
    """

    def __init__(self, beside: Iterable[Data] = ()) -> None:
        self._callees: dict[str, Callee | None] = {
            one["ref"]: Callee(_spec(one)) for one in beside if isinstance(one.get("ref"), str)
        }

    async def actions(self) -> Mapping[str, Data] | None:
        """Return the schemas of the inputs of actions by ref; None when they are not known."""
        return None

    async def callee(self, ref: str) -> Callee | None:
        """Return a definition by its ref; None when there is none."""
        return self._callees.get(ref)

    async def refs(self) -> set[str]:
        """Return the refs of all definitions."""
        return {ref for ref, one in self._callees.items() if one is not None}


class InLedger(Known):
    """With a ledger: what workers have registered and what is stored, too.

    Args:
        store: The ledger.
        tenant_id: Whose definitions and actions.
        beside: As in `Known`.
        visible_to: Whoever writes: what they do not see is not there; all is when left out.
    """

    def __init__(
        self,
        store: Repositories,
        tenant_id: str,
        beside: Iterable[Data] = (),
        visible_to: Sight | None = None,
    ) -> None:
        super().__init__(beside)
        self._store = store
        self._tenant_id = tenant_id
        self._sight = visible_to

    async def actions(self) -> Mapping[str, Data]:
        """Return the schemas of the inputs of the tenant's actions by ref."""
        return {one.ref: one.param_schema for one in await self._listed_actions()}

    async def callee(self, ref: str) -> Callee | None:
        """Return a definition by its ref; each is read once."""
        if ref not in self._callees:
            found = await stored_under(self._store, self._tenant_id, ref)
            if found is not None and self._sight is not None and not self._sight.sees(found):
                found = None
            self._callees[ref] = None if found is None else Callee(_spec(found.spec), _why(found))
        return self._callees[ref]

    async def refs(self) -> set[str]:
        """Return the refs of the definitions of the tenant that are seen."""
        found = await super().refs()
        last: UUID | None = None
        while True:
            page = await self._store.definitions.list(
                self._tenant_id, visible_to=self._sight, limit=_PAGE, last_id=last
            )
            found.update(one.ref for one in page.data)
            if not page.has_more:
                return found
            last = page.data[-1].id

    async def _listed_actions(self) -> list[Action]:
        found: list[Action] = []
        while True:
            last = found[-1].id if found else None
            page = await self._store.actions.list(self._tenant_id, limit=_PAGE, last_id=last)
            found += page.data
            if not page.has_more:
                return found


async def stored_under(store: Repositories, tenant_id: str, ref: str) -> Definition | None:
    """Return the tenant's definition of a ref, None when there is none."""
    try:
        return await store.definitions.get_by_ref(tenant_id, ref)
    except NotFound:
        return None


def _spec(data: Data) -> DefinitionSpec | None:
    try:
        return DefinitionSpec.model_validate(data)
    except ValidationError:  # a draft, or stored by other means
        return None


def _why(found: Definition) -> str | None:
    return "a draft" if found.draft else None if found.enabled else "disabled"
