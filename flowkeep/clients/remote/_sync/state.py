# Made from the file of this name in `_async` by tools/sync_client; do not edit.
"""Named state that outlives runs."""

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter

from flowkeep.clients.remote._sync.transport import Transport
from flowkeep.clients.remote.headers import if_match
from flowkeep.contracts import StateEntry, StateType

_ENTRY = TypeAdapter(StateEntry)
_NOTHING = TypeAdapter(None)


class State:
    """Named state; it is `client.state`. For admins of the tenant.

    Args:
        transport: Sends the requests.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def get(self, key: str, kind: StateType = StateType.STATE) -> StateEntry:
        """Return what is stored under a key."""
        return self._transport.call("GET", "/state", _ENTRY, query=_at(key, kind))

    def put(
        self,
        key: str,
        value: Mapping[str, Any],
        kind: StateType = StateType.STATE,
        *,
        merge: bool = False,
        expected_revision: int | None = None,
    ) -> StateEntry:
        """Store a value under a key. Arguments of runs are covered, never changed, by it."""
        return self._transport.call(
            "PUT",
            "/state",
            _ENTRY,
            query=_at(key, kind),
            body={"value": dict(value), "merge": merge},
            headers=if_match(expected_revision),
        )

    def delete(
        self,
        key: str,
        kind: StateType = StateType.STATE,
        *,
        expected_revision: int | None = None,
    ) -> None:
        """Remove what is stored under a key. Arguments of runs stay."""
        self._transport.call(
            "DELETE",
            "/state",
            _NOTHING,
            query=_at(key, kind),
            headers=if_match(expected_revision),
        )


def _at(key: str, kind: StateType) -> dict[str, str]:
    return {"key": key, "kind": StateType(kind).value}
