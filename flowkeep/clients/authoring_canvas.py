"""Drawings as definitions: with the actions that their app maps steps to."""

from collections.abc import Mapping
from typing import Any

from flowkeep.clients.authoring_content import content_of
from flowkeep.clients.authoring_known import InLedger
from flowkeep.clients.authoring_report import examine_document
from flowkeep.contracts import Problem
from flowkeep.contracts.sight import Sight
from flowkeep.definitions.canvas import read_canvas
from flowkeep.definitions.document import Document
from flowkeep.errors import InvalidInput, NotFound
from flowkeep.statestore.store import Store

ACTIONS_STATE = "actions/{app}"
"""Key of the state entry that maps the steps of an app's canvases to actions."""


async def drawn(
    store: Store,
    tenant_id: str,
    canvas: Any,
    *,
    ref: str,
    label: str | None,
    actions: Mapping[str, str],
    default_action: str,
    app_id: str | None,
    visible_to: Sight | None = None,
) -> tuple[dict[str, Any], list[Problem]]:
    """Return the fields of a stored definition that a canvas determines, and its problems.

    Args:
        store: The ledger.
        tenant_id: Whose definition.
        canvas: Plain JSON; it is kept as it is.
        ref: Ref of the definition.
        label: Name for people; the one in the canvas when None.
        actions: Actions that win over those of the app.
        default_action: Action of steps without one.
        app_id: The app.
        visible_to: As in `InLedger`.

    Raises:
        InvalidInput: If the app maps a step to what is no text.
    """
    mapping = {**await _actions_of(store, tenant_id, app_id), **actions}
    found = read_canvas(
        canvas, ref=ref, label=label, actions=mapping, default_action=default_action, app=app_id
    )
    problems, data = list(found.problems), found.data
    if data is None:
        data = {"ref": ref} if label is None else {"ref": ref, "label": label}
    else:
        known = InLedger(store, tenant_id, visible_to=visible_to)
        problems += (await examine_document(Document(data), name=ref, known=known)).problems
    return {**content_of(data), "canvas": canvas}, problems


async def _actions_of(store: Store, tenant_id: str, app_id: str | None) -> dict[str, str]:
    if app_id is None:
        return {}
    key = ACTIONS_STATE.format(app=app_id)
    try:
        entry = await store.state.get_state(tenant_id, key)
    except NotFound:
        return {}
    for step, action in entry.value.items():
        if not isinstance(action, str):
            raise InvalidInput(
                f"the state entry {key!r} maps {step!r} to what is no text",
                hint="map each step to the ref of an action",
            )
    return dict(entry.value)
