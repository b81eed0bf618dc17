"""`/actions` over HTTP: who sees and changes which action."""

import pytest

from flowkeep.contracts import NewAction
from flowkeep.contracts.api.access import Principal
from flowkeep.settings import Settings
from tests.api.calling import principal, serving

# Who, and what they are answered for an action of app `a`, of app `b` and of no app: read, change.
TABLE: list[tuple[Principal, str]] = [
    (principal("ann", "viewer"), "200 403  200 403  200 403"),
    (principal("ann", "operator"), "200 403  200 403  200 403"),
    (principal("ann", "editor"), "200 200  200 200  200 200"),
    (principal("ann", None, a="editor"), "200 200  404 404  200 403"),
    (principal("ann", None, a="viewer", b="admin"), "200 403  200 200  200 403"),
    (principal("ann", "admin", tenant="u"), "404 404  404 404  404 404"),
    (principal("ann", None), "403 403  403 403  403 403"),
]


@pytest.mark.parametrize(("who", "row"), TABLE)
async def test_roles(settings: Settings, who: Principal, row: str) -> None:
    """Each role reads and changes what the table says, and lists hold what can be read."""
    async with serving(settings) as service:
        apps = {"x.a": "a", "x.b": "b", "x.none": None}
        for ref, app in apps.items():
            await service.store.actions.create("t", NewAction(ref=ref, app_id=app))
        statuses = [int(one) for one in row.split()]
        readable = set()
        for number, ref in enumerate(apps):
            read, change = statuses[2 * number : 2 * number + 2]
            path = f"/actions/{ref}"
            if read == 200:
                readable.add(ref)
            assert (await service.call(who, "GET", path)).status_code == read
            for method, below, body in (
                ("PATCH", "", {"label": "x"}),
                ("PUT", "/definition", {"definition": None}),
                ("DELETE", "", None),
            ):
                if method == "DELETE":
                    listed = await service.call(who, "GET", "/actions")
                    seen = {one["ref"] for one in listed.json().get("data", ())}
                    assert (ref in seen) is (read == 200)
                answer = await service.call(who, method, path + below, json=body)
                wanted = 204 if (method, change) == ("DELETE", 200) else change
                assert answer.status_code == wanted, (ref, method, answer.text)
