"""How what is written differs from what is stored, and how versions differ."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flowkeep.clients.authoring_known import stored_under
from flowkeep.contracts import Definition
from flowkeep.definitions.difference import Change, differences
from flowkeep.definitions.document import read
from flowkeep.errors import InvalidInput
from flowkeep.statestore.store import Store


@dataclass(frozen=True, slots=True)
class Compared:
    """How two contents of a definition differ.

    Attributes:
        ref: The definition.
        stored: As it is stored now; None when there is none yet.
        changes: From the older to the newer content.
    """

    ref: str
    stored: Definition | None
    changes: list[Change]


async def compare_text(
    store: Store, tenant_id: str, text: str | bytes, *, name: str, revision: int | None
) -> Compared:
    """Compare a text with what is stored, or with a version; see `Authoring.diff`."""
    data = read(text, name=name).data
    ref = data.get("ref")
    if not isinstance(ref, str) or not ref:
        raise InvalidInput(f"{name} gives no ref", hint="begin it with `ref: …`")
    if revision is None:
        stored = await stored_under(store, tenant_id, ref)
        old: Mapping[str, Any] = {} if stored is None else stored.spec
    else:
        stored = await store.definitions.get_by_ref(tenant_id, ref)
        old = (await store.definitions.version(tenant_id, stored.id, revision)).spec
    return Compared(ref, stored, differences(old, data))


async def compare_versions(
    store: Store, tenant_id: str, stored: Definition, old: int, new: int | None
) -> Compared:
    """Compare two versions, or one with what is stored; see `Authoring.diff_revisions`."""
    before = await store.definitions.version(tenant_id, stored.id, old)
    after = stored.spec
    if new is not None:
        after = (await store.definitions.version(tenant_id, stored.id, new)).spec
    return Compared(stored.ref, stored, differences(before.spec, after))
