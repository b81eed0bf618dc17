"""Actions, directly and over HTTP."""

import pytest

from flowkeep.contracts import ActionPatch, NewAction
from flowkeep.contracts.api.definitions import DefinitionSource
from flowkeep.errors import Conflict, NotFound, RevisionMismatch
from tests.service.conftest import ServiceClient

TEXT = "ref: report\ntasks:\n  - name: load\n    action: shop.load\n"


async def test_an_action_lives(client: ServiceClient) -> None:
    """An action is made, found by id and ref, changed, linked, listed and removed."""
    made = await client.actions.create(NewAction(ref="shop.report", label="Report", app_id="shop"))
    await client.actions.create(NewAction(ref="shop.load"))
    assert await client.actions.get(made.id) == await client.actions.get("shop.report") == made
    patch = ActionPatch(description="daily")
    changed = await client.actions.update("shop.report", patch, expected_revision=0)
    assert (changed.description, changed.label) == ("daily", "Report")
    with pytest.raises(RevisionMismatch):
        await client.actions.update("shop.report", patch, expected_revision=7)
    await client.definitions.create(DefinitionSource(text=TEXT))
    linked = await client.actions.link("shop.report", "report")
    assert linked.is_workflow
    with pytest.raises(Conflict, match="action"):
        await client.definitions.delete("report")
    await client.definitions.delete("report", force=True)
    assert not (await client.actions.get("shop.report")).is_workflow
    with pytest.raises(NotFound, match="gone"):
        await client.actions.link("shop.report", "gone")
    page = await client.actions.list(limit=1)
    rest = await client.actions.list(limit=1, cursor=page.next)
    assert [one.ref for one in (*page.data, *rest.data)] == ["shop.load", "shop.report"]
    assert [one.ref for one in (await client.actions.list(app_id="shop")).data] == ["shop.report"]
    await client.actions.delete("shop.report")
    with pytest.raises(NotFound, match=r"shop\.report"):
        await client.actions.get("shop.report")


async def test_a_taken_ref_is_refused(client: ServiceClient) -> None:
    """The same action again is the same; another under its ref is a conflict."""
    made = await client.actions.create(NewAction(ref="shop.load", label="Load"))
    assert await client.actions.create(NewAction(ref="shop.load", label="Load")) == made
    with pytest.raises(Conflict, match="label"):
        await client.actions.create(NewAction(ref="shop.load", label="other"))
