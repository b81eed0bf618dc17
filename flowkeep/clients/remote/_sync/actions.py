# Made from the file of this name in `_async` by tools/sync_client; do not edit.
"""Actions: what tasks of definitions can call."""

from urllib.parse import quote
from uuid import UUID

from pydantic import TypeAdapter

from flowkeep.clients.remote._sync.transport import Transport
from flowkeep.clients.remote.headers import if_match
from flowkeep.contracts import Action, ActionPatch, NewAction
from flowkeep.contracts.api.actions import ActionLink
from flowkeep.contracts.api.listing import Listing

_ACTION = TypeAdapter(Action)
_ACTIONS = TypeAdapter(Listing[Action])
_NOTHING = TypeAdapter(None)


class Actions:
    """Actions; it is `client.actions`.

    Args:
        transport: Sends the requests.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(self, new: NewAction) -> Action:
        """Record an action, or return the one that was recorded with the same content."""
        return self._transport.call("POST", "/actions", _ACTION, body=new)

    def get(self, action: UUID | str) -> Action:
        """Return an action by its id or its ref."""
        return self._transport.call("GET", _path(action), _ACTION)

    def list(
        self, *, app_id: str | None = None, limit: int = 20, cursor: str | None = None
    ) -> Listing[Action]:
        """Return a page of actions, newest first."""
        query = {"app_id": app_id, "limit": limit, "cursor": cursor}
        return self._transport.call("GET", "/actions", _ACTIONS, query=query)

    def update(
        self, action: UUID | str, patch: ActionPatch, *, expected_revision: int | None = None
    ) -> Action:
        """Change the fields that are given."""
        headers = if_match(expected_revision)
        return self._transport.call("PATCH", _path(action), _ACTION, body=patch, headers=headers)

    def link(
        self,
        action: UUID | str,
        definition: UUID | str | None,
        *,
        expected_revision: int | None = None,
    ) -> Action:
        """Let an action stand for a definition, or for none."""
        body = ActionLink(definition=None if definition is None else str(definition))
        path, headers = f"{_path(action)}/definition", if_match(expected_revision)
        return self._transport.call("PUT", path, _ACTION, body=body, headers=headers)

    def delete(self, action: UUID | str) -> None:
        """Remove an action; a worker that serves it records it again."""
        self._transport.call("DELETE", _path(action), _NOTHING)


def _path(action: UUID | str) -> str:
    return f"/actions/{quote(str(action), safe='')}"
