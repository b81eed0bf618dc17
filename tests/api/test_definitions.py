"""`/definitions` over HTTP: who may do what, ETags, and bodies that nobody should send."""

import json
from collections.abc import AsyncIterator
from itertools import product
from typing import Any
from uuid import uuid4

import pytest

from flowkeep.contracts import Definition, NewDefinition
from flowkeep.contracts.api.access import Principal
from flowkeep.settings import Settings
from tests.api.calling import Service, principal, serving

TEXT = {"tasks": [{"name": "load", "action": "shop.load"}]}
ROLES = ("viewer", "operator", "editor", "admin")

# What each role is answered, in the order of ROLES, by where the definition lies, whose it is and
# who may see it; and what it is asked: to read, to execute, to write.
TABLE = {
    ("here", "own", "private"): ("200 200 200 200", "403 422 422 422", "403 403 200 200"),
    ("here", "own", "tenant"): ("200 200 200 200", "403 422 422 422", "403 403 200 200"),
    ("here", "own", "shared"): ("200 200 200 200", "403 422 422 422", "403 403 200 200"),
    ("here", "other", "private"): ("404 404 404 200", "404 404 404 422", "404 404 404 200"),
    ("here", "other", "tenant"): ("200 200 200 200", "403 422 422 422", "403 403 403 200"),
    ("here", "other", "shared"): ("200 200 200 200", "403 422 422 422", "403 403 403 200"),
    ("there", "own", "private"): ("404 404 404 404", "404 404 404 404", "404 404 404 404"),
    ("there", "own", "tenant"): ("404 404 404 404", "404 404 404 404", "404 404 404 404"),
    ("there", "own", "shared"): ("200 200 200 200", "403 422 422 422", "403 403 403 403"),
    ("there", "other", "private"): ("404 404 404 404", "404 404 404 404", "404 404 404 404"),
    ("there", "other", "tenant"): ("404 404 404 404", "404 404 404 404", "404 404 404 404"),
    ("there", "other", "shared"): ("200 200 200 200", "403 422 422 422", "403 403 403 403"),
}
CANVAS = {"nodes": [{"id": "n", "module": "m", "steps": [{"name": "s", "action": "a.b"}]}]}


@pytest.fixture
async def service(settings: Settings) -> AsyncIterator[Service]:
    """The service, and who calls it said by the test."""
    async with serving(settings) as service:
        yield service


async def stored(service: Service, tenant: str = "t", **fields: Any) -> Definition:
    """Store a draft: executing one is refused with 422, so nothing starts."""
    ref = f"d-{uuid4().hex}"
    fields = {"spec": {"ref": ref, **TEXT}, "draft": True, "canvas": CANVAS, **fields}
    return await service.store.definitions.create(
        tenant, NewDefinition(name=ref, ref=ref, **fields)
    )


def reads(found: Definition) -> list[tuple[str, str, Any]]:
    paths = ("", "/versions", "/versions/0", "/canvas", "/runs", "/diff?old=0")
    return [("GET", path, None) for path in paths]


def writes(found: Definition) -> list[tuple[str, str, Any]]:
    return [
        ("PATCH", "", {"description": "x"}),
        ("PUT", "", {"text": json.dumps({"ref": found.ref, **TEXT}), "draft": True}),
        ("POST", "/enable", None),
        ("POST", "/disable", None),
        ("DELETE", "", None),
    ]


@pytest.mark.parametrize("role", ROLES)
async def test_the_table_of_roles(service: Service, role: str) -> None:
    """Each route answers each role as the table says, and lists hold what can be read."""
    who = principal("ann", role)
    for (where, whose, visibility), rows in TABLE.items():
        read, execute, write = (int(row.split()[ROLES.index(role)]) for row in rows)
        found = await stored(
            service,
            "t" if where == "here" else "u",
            owner="ann" if whose == "own" else "bob",
            visibility=visibility,
        )
        asked = [(one, read) for one in reads(found)]
        asked += [(("POST", "/execute", None), execute)]
        asked += [(one, write) for one in writes(found)]
        listed = await service.call(who, "GET", "/definitions?include_shared=true&limit=100")
        ids = [one["id"] for one in listed.json()["data"]]
        assert (str(found.id) in ids) is (read == 200), (where, whose, visibility)
        for (method, path, body), status in asked:
            answer = await service.call(who, method, f"/definitions/{found.id}{path}", json=body)
            case = (where, whose, visibility, method, path, answer.text)
            assert answer.status_code == status, case
            if status >= 400:
                assert answer.headers["content-type"] == "application/problem+json"
            if status == 404:
                assert f"definition {found.id}" in answer.json()["detail"].replace("'", "")


async def test_what_is_hidden_looks_absent(service: Service) -> None:
    """A hidden definition and one that never was are told of in the same words, but for the id."""
    hidden = await stored(service, owner="bob", visibility="private")
    who, absent = principal("ann", "editor"), uuid4()
    for method, path, body in [*reads(hidden), *writes(hidden), ("POST", "/execute", None)]:
        told = []
        for one in (hidden.id, absent):
            answer = await service.call(who, method, f"/definitions/{one}{path}", json=body)
            problem = answer.json() | {"request_id": None}
            told.append(json.dumps(problem).replace(str(one), "ID"))
        assert told[0] == told[1]


APPS: list[tuple[Principal, str | None, str, tuple[int, int]]] = [
    (principal("ann", None, a="viewer"), "a", "tenant", (200, 403)),
    (principal("ann", None, a="editor"), "a", "tenant", (200, 403)),
    (principal("ann", None, a="admin"), "a", "private", (200, 200)),
    (principal("ann", None, a="editor"), "a", "private", (404, 404)),
    (principal("ann", None, a="admin"), "b", "tenant", (404, 404)),
    (principal("ann", None, a="admin"), None, "tenant", (404, 404)),
    (principal("ann", None, a="admin"), "b", "shared", (200, 403)),
    (principal("ann", "viewer", a="admin"), "b", "tenant", (200, 403)),
    (principal("ann", "viewer", a="admin"), "a", "private", (200, 200)),
    (principal("ann", None), "a", "shared", (403, 403)),
]


@pytest.mark.parametrize(("who", "app_id", "visibility", "statuses"), APPS)
async def test_roles_in_apps(
    service: Service, who: Principal, app_id: str | None, visibility: str, statuses: tuple[int, int]
) -> None:
    """Who has a role in an app has it there alone; lists agree with single reads."""
    found = await stored(service, app_id=app_id, visibility=visibility, owner="bob")
    path = f"/definitions/{found.id}"
    read = await service.call(who, "GET", path)
    write = await service.call(who, "PATCH", path, json={"description": "x"})
    assert (read.status_code, write.status_code) == statuses
    listed = await service.call(who, "GET", "/definitions")
    if listed.status_code == 200:
        seen = [str(found.id)] if statuses[0] == 200 else []
        assert [one["id"] for one in listed.json()["data"]] == seen


async def test_owners_and_apps_are_given_by_staff(service: Service) -> None:
    """Editors keep what is theirs; staff gives it away; moving needs a role at both ends."""
    ann, boss = principal("ann", None, a="editor", b="viewer"), principal("boss", "admin")
    text = json.dumps({"ref": "mine", **TEXT})
    body = {"text": text, "app_id": "a"}
    stolen = await service.call(ann, "POST", "/definitions", json={**body, "owner": "bob"})
    nowhere = await service.call(ann, "POST", "/definitions", json={**body, "app_id": "b"})
    made = await service.call(ann, "POST", "/definitions", json=body)
    assert (stolen.status_code, nowhere.status_code, made.status_code) == (403, 403, 201)
    assert (made.json()["owner"], made.json()["user"]) == ("ann", "ann")
    path = made.headers["location"].removeprefix("/api/v1")
    for change in ({"owner": "bob"}, {"owner": None}, {"app_id": "b"}, {"app_id": None}):
        assert (await service.call(ann, "PATCH", path, json=change)).status_code == 403
    given = await service.call(boss, "PATCH", path, json={"owner": "bob"})
    assert given.json()["owner"] == "bob"
    assert (await service.call(ann, "PUT", "/definitions", json=body)).status_code == 403
    applied = await service.call(boss, "PUT", "/definitions", json=body)
    assert applied.json()["definition"]["owner"] == "bob"
    hidden = await service.call(boss, "PATCH", path, json={"visibility": "private"})
    assert hidden.status_code == 200
    for method in ("POST", "PUT"):
        taken = await service.call(ann, method, "/definitions", json=body)
        assert taken.status_code == 409
        assert given.json()["id"] not in taken.text


async def test_etags(service: Service) -> None:
    """A change under the ETag that was read is made once; a stale one is refused with 412."""
    who = principal("ann", "editor")
    found = await stored(service, owner="ann")
    path = f"/definitions/{found.id}"
    tag = (await service.call(who, "GET", path)).headers["etag"]
    assert tag == '"0"'
    sent = {"headers": {"If-Match": tag}}
    changed = await service.call(who, "PATCH", path, json={"description": "x"}, **sent)
    assert (changed.status_code, changed.headers["etag"]) == (200, '"1"')
    body = {"text": json.dumps({"ref": found.ref, **TEXT})}
    for method, below, content in (
        ("PATCH", "", {"description": "y"}),
        ("PUT", "", body),
        ("POST", "/rollback?to=0", None),
        ("DELETE", "", None),
    ):
        stale = await service.call(who, method, f"{path}{below}", json=content, **sent)
        assert stale.status_code in (412, 422 if "rollback" in below else 412), stale.text
    wrong = await service.call(who, "PATCH", path, json={}, headers={"If-Match": "x"})
    assert wrong.status_code == 422
    fresh = {"headers": {"If-Match": '"1"'}}
    assert (await service.call(who, "DELETE", path, **fresh)).status_code == 200


async def test_yaml_has_lines(service: Service) -> None:
    """YAML comes as it is; what is wrong with it is told by path and line, field by field."""
    who, yaml = principal("ann", "editor"), {"Content-Type": "application/yaml"}
    task = "  - name: load\n    action: shop.load\n    retry: {count: -1}\n"
    text = f"label: Über uns\ntasks:\n{task}"
    refused = await service.call(who, "POST", "/definitions", content=text, headers=yaml)
    assert (refused.status_code, refused.json()["code"]) == (422, "INVALID_DEFINITION")
    assert ("tasks[0].retry.count", 5) in [
        (one["path"], one["line"]) for one in refused.json()["errors"]
    ]
    kept = await service.call(
        who, "POST", "/definitions?draft=true&app_id=a", content=text, headers=yaml
    )
    assert kept.status_code == 201, kept.text
    assert (kept.json()["ref"], kept.json()["draft"], kept.json()["app_id"]) == (
        "uber-uns",
        True,
        "a",
    )
    both = await service.call(who, "POST", "/definitions?draft=true", json={"text": text})
    assert both.status_code == 422


def _deep(levels: int) -> str:
    return '{"ref": "x", "tasks": ' + "[" * levels + "]" * levels + "}"


BAD: dict[str, Any] = {
    "5 MB": json.dumps({"ref": "x", "description": "x" * 5_000_000, **TEXT}),
    "5 MB of canvas": json.dumps({"name": "x", "dag_spec": {"nodes": [], "x": "x" * 5_000_000}}),
    "deep": _deep(200),
    "very deep": _deep(100_000),
    "deep canvas": '{"name": "x", "dag_spec": ' + '{"a":' * 150 + "1" + "}" * 150 + "}",
    "aliases": "a: &a [1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a]\nref: x\ntasks: [*b,*b]\n",
    "NUL": '{"ref": "x\\u0000", "tasks": []}',
    "NUL in a drawing": '{"name": "x\\u0000", "dag_spec": {}}',
    "NUL in a canvas": '{"name": "x", "draft": true, "dag_spec": {"nodes": [], "a": "\\u0000"}}',
    "half a pair": '{"ref": "\\ud800", "tasks": []}',
    "half a pair in a canvas": '{"name": "x", "draft": true, "dag_spec": {"a": "\\ud800"}}',
    "huge number": '{"ref": "x", "tasks": [{"name": "a", "timeout": ' + "9" * 400 + "}]}",
    "huge project": '{"name": "x", "project_id": ' + "9" * 400 + ', "dag_spec": {}}',
    "not a number": '{"name": "x", "dag_spec": {"a": NaN}}',
    "no object": "[]",
    "nothing": "",
    "text": '"ref: x"',
    "no name": '{"name": "", "dag_spec": {}}',
    "two apps": '{"name": "x", "project_id": 1, "app_id": "2", "dag_spec": {}}',
    "yes": '{"name": true, "project_id": true}',
    "unknown": '{"name": "x", "colour": 1}',
    "wrong types": '{"ref": 1, "tasks": {"a": 1}, "tags": 5, "parameters": []}',
    "not UTF-8": b'{"ref": "\xff", "tasks": []}',
    "slug": '{"name": "x", "slug": "No Slug", "project_id": 1, "dag_spec": '
    + json.dumps(CANVAS)
    + "}",
    "template": json.dumps(
        {"ref": "x", "tasks": [{"name": "a", "action": "b", "when": "{{ " + "(" * 5_000 + " }}"}]}
    ),
}


async def test_bad_bodies(service: Service) -> None:
    """Whatever a body holds, it is refused as the caller's mistake, and nothing is stored."""
    who = principal("ann", "admin")
    found = await stored(service, draft=False)
    targets = (
        ("POST", "/definitions"),
        ("PUT", "/definitions"),
        ("PUT", f"/definitions/{found.id}"),
        ("PATCH", f"/definitions/{found.id}"),
        ("POST", "/definitions/import-canvas"),
        ("POST", f"/definitions/{found.id}/execute"),
    )
    kinds = ("application/json", "application/yaml")
    for (name, body), (method, path) in product(BAD.items(), targets):
        if body == "" and path.endswith("/execute"):
            continue  # without a body it is executed with the defaults
        for kind in kinds if f"{method} {path}" == "POST /definitions" else kinds[:1]:
            answer = await service.call(
                who, method, path, content=body, headers={"Content-Type": kind}
            )
            told = (name, method, path, kind, answer.text[:300])
            assert answer.status_code in (400, 413, 422), told
    for body in BAD.values():
        answer = await service.call(who, "POST", "/definitions/validate", content=body)
        assert answer.status_code in (200, 400, 413, 422), answer.text[:300]
    page = await service.call(who, "GET", "/definitions")
    assert [one["id"] for one in page.json()["data"]] == [str(found.id)]


@pytest.mark.parametrize(
    "path",
    [
        "/definitions/%00",
        "/definitions/%ED%A0%80",
        "/definitions/" + "x" * 700,
        "/definitions/x/versions/99999999999999999999",
        "/definitions/x/versions?cursor=-1",
        "/definitions/x/versions?limit=0",
        "/definitions?cursor=%00",
        "/definitions?text=%00",
        "/definitions?app_id=1&project_id=2",
        "/definitions?order=oldest",
        "/definitions/x%2Fy",
        "/definitions/..%2F..%2Fetc%2Fpasswd",
        "/definitions/'; DROP TABLE definition; --",
        "/actions/%00",
        "/human-tasks?run=%00",
        "/human-tasks/x/%00",
    ],
)
async def test_bad_paths(service: Service, path: str) -> None:
    """Odd names and cursors are the caller's mistake, or name nothing."""
    answer = await service.call(principal("ann", "viewer"), "GET", path)
    assert answer.status_code in (400, 404, 422), answer.text
