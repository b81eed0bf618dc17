"""Each row of the page on the founding document's workflows app, over HTTP and with a worker."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from pydantic import SecretStr

from flowkeep.clients.workflow import WorkflowClient
from flowkeep.contracts.api.access import Principal
from flowkeep.definitions.actions import action
from flowkeep.local_engine import LocalEngine
from flowkeep.settings import Settings, StorageSettings
from flowkeep.worker import Worker
from tests.api.calling import Service, principal, serving
from tests.conftest import drop_database
from tests.support import eventually

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "founding-workflows-app.md"
ANN, BOB, BOSS = principal("ann", "editor"), principal("bob", "editor"), principal("boss", "admin")
FOREIGN = principal("ann", "operator", tenant="other")

BODY: dict[str, Any] = {
    "project_id": 123,
    "project_name": "Sales Dashboard",
    "name": "Q4 Sales Analysis - 10/13/2025, 3:45:00 PM",
    "app_name": "Trinity Analytics",
    "description": "What was sold",
    "molecules_used": ["data-loader", "data-processor"],
    "atoms_in_molecules": {
        "data-loader": ["csv-reader", "excel-reader"],
        "data-processor": ["clean-data"],
    },
    "dag_spec": {
        "viewport": {"zoom": 1.5, "x": 0},
        "nodes": [
            {
                "id": "n1",
                "type": "molecule",
                "position": {"y": 2, "x": 1},
                "data": {"molecule": "data-loader", "atoms": ["csv-reader", "excel-reader"]},
            },
            {"id": "n2", "data": {"molecule": "data-processor", "atoms": ["clean-data"]}},
        ],
        "edges": [{"source": "n1", "target": "n2"}],
        "metadata": {"z": None, "a": 1},
    },
}


@action("files.read")
async def read_file() -> str:
    """Read nothing."""
    return "read"


@action("files.clean")
async def clean_file() -> str:
    """Clean nothing."""
    return "clean"


@dataclass
class Scene:
    """The service with a definition that Ann made and executed to its end.

    Attributes:
        service: The service.
        made: What creating it answered.
        executed: What executing it answered.
        run: The run after its end.
    """

    service: Service
    made: httpx2.Response
    executed: httpx2.Response
    run: dict[str, Any] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """Where the definition is."""
        return f"/definitions/{self.made.json()['id']}"

    async def get(self, path: str, who: Principal = ANN) -> Any:
        """Return what a GET answers, which must be 200."""
        answer = await self.service.call(who, "GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def another(self, **fields: Any) -> dict[str, Any]:
        """Make one more definition of Ann's."""
        answer = await self.service.call(ANN, "POST", "/definitions", json={**BODY, **fields})
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    async def ids(self, query: str, who: Principal = ANN) -> list[str]:
        """Return the ids of a list."""
        return [one["id"] for one in (await self.get(query, who))["data"]]


@pytest.fixture(scope="module")
async def scene(
    engine: LocalEngine, ledger_template: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Scene]:
    """The service, a worker, and one run that came to its end."""
    name = f"app_{uuid4().hex}"
    url = await engine.create_database(name, template=ledger_template)
    settings = _settings(engine, url, tmp_path_factory.mktemp("app").as_uri())
    async with (
        await WorkflowClient.connect(settings) as client,
        Worker(client, actions=[read_file, clean_file], action_tenants=["t"]),
        serving(settings) as service,
    ):
        mapping = {
            "csv-reader": "files.read",
            "excel-reader": "files.read",
            "clean-data": "files.clean",
        }
        await service.store.state.save_state("t", "actions/123", mapping)
        made = await service.call(ANN, "POST", "/definitions", json=BODY)
        assert made.status_code == 201, made.text
        executed = await service.call(ANN, "POST", f"/definitions/{made.json()['id']}/execute")
        scene = Scene(service, made, executed)

        async def ended() -> dict[str, Any]:
            run = await scene.get(f"/runs/{executed.json()['run_id']}")
            assert run["status"] == "succeeded", run
            return dict(run)

        scene.run = await eventually(ended, timeout=60)
        yield scene
    await drop_database(engine, name)


def _settings(engine: LocalEngine, url: str, storage: str) -> Settings:
    settings = engine.settings()
    queue = settings.worker.model_copy(update={"task_queue": f"app-{uuid4().hex}"})
    database = settings.database.model_copy(update={"url": SecretStr(url)})
    return settings.model_copy(
        update={"database": database, "worker": queue, "storage": StorageSettings(url=storage)}
    )


async def creates(scene: Scene) -> None:
    assert scene.made.headers["location"].endswith(scene.path)
    disagrees = {**BODY, "molecules_used": ["data-loader", "other"]}
    refused = await scene.service.call(ANN, "POST", "/definitions", json=disagrees)
    assert (refused.status_code, "other" in refused.text) == (422, True)


async def gets(scene: Scene) -> None:
    found = await scene.get(scene.path)
    assert found["id"] == scene.made.json()["id"]
    assert await scene.get(f"/definitions/{found['ref']}") == found


async def patches(scene: Scene) -> None:
    made = await scene.another(name="patched")
    path = f"/definitions/{made['id']}"
    less = {**BODY["dag_spec"], "nodes": BODY["dag_spec"]["nodes"][1:], "edges": []}
    change = {
        "name": "renamed",
        "dag_spec": less,
        "molecules_used": ["data-processor"],
        "atoms_in_molecules": {"data-processor": ["clean-data"]},
    }
    changed = await scene.service.call(ANN, "PATCH", path, json=change)
    assert changed.status_code == 200, changed.text
    told = changed.json()
    assert (told["name"], told["dag_spec"], told["molecules_used"]) == (
        "renamed",
        less,
        ["data-processor"],
    )
    assert (told["description"], told["project_id"]) == (BODY["description"], 123)


async def deletes(scene: Scene) -> None:
    made = await scene.another(name="deleted")
    path = f"/definitions/{made['id']}"
    assert (await scene.service.call(ANN, "DELETE", path)).json()["deleted"] == "removed"
    assert (await scene.service.call(ANN, "GET", path)).status_code == 404


async def executes(scene: Scene) -> None:
    told = scene.executed.json()
    assert scene.executed.status_code == 202
    assert told["definition_id"] == scene.made.json()["id"]
    assert told["message"] == "Workflow execution started"
    assert (told["run_id"], told["workflow_id"]) == (scene.run["id"], scene.run["workflow_id"])
    assert (scene.run["triggered_from"], scene.run["owner"]) == ("api", "ann")
    tasks = await scene.get(f"/runs/{told['run_id']}/tasks")
    done = [one["output"] for one in tasks["data"] if one["status"] == "succeeded"]
    assert sorted(one for one in done if isinstance(one, str)) == ["clean", "read", "read"]
    draft = await scene.another(name="draft", draft=True)
    refused = await scene.service.call(ANN, "POST", f"/definitions/{draft['id']}/execute")
    assert refused.status_code == 422


async def lists_runs_of_it(scene: Scene) -> None:
    assert await scene.ids(f"{scene.path}/runs") == [scene.run["id"]]


async def lists_runs(scene: Scene) -> None:
    assert scene.run["id"] in await scene.ids("/runs")


async def lists_runs_by_definition(scene: Scene) -> None:
    found = scene.made.json()["id"]
    assert await scene.ids(f"/runs?definition_id={found}") == [scene.run["id"]]
    assert await scene.ids(f"/runs?definition_id={uuid4()}") == []


async def gets_a_run(scene: Scene) -> None:
    assert (await scene.get(f"/runs/{scene.run['id']}"))["definition_id"] == scene.made.json()["id"]


async def patches_a_run(scene: Scene) -> None:
    path = f"/runs/{scene.run['id']}"
    labelled = await scene.service.call(ANN, "PATCH", path, json={"labels": {"team": "sales"}})
    assert labelled.json()["labels"] == {"team": "sales"}
    moved = await scene.service.call(ANN, "PATCH", path, json={"status": "failed"})
    assert moved.status_code == 409


def same(name: str) -> Callable[[Scene], Awaitable[None]]:
    """Return a check that a field comes back as it was sent."""

    async def check(scene: Scene) -> None:
        found = await scene.get(scene.path)
        assert found[name] == scene.made.json()[name] == BODY[name]

    return check


async def has_an_id(scene: Scene) -> None:
    assert re.fullmatch(r"[0-9a-f-]{36}", scene.made.json()["id"])


async def has_a_project(scene: Scene) -> None:
    found = await scene.get(scene.path)
    assert (found["project_id"], found["app_id"]) == (123, "123")
    named = await scene.another(name="elsewhere", project_id="crm", default_action="files.read")
    assert (named["project_id"], named["app_id"]) == ("crm", "crm")


async def has_a_slug(scene: Scene) -> None:
    found = await scene.get(scene.path)
    assert found["slug"] == found["ref"] == "q4-sales-analysis-10-13-2025-3-45-00-pm"
    given = await scene.another(name="named", slug="its-own-slug")
    assert given["slug"] == "its-own-slug"


async def counts_revisions(scene: Scene) -> None:
    made = await scene.another(name="counted")
    change = {"description": "changed"}
    changed = await scene.service.call(ANN, "PATCH", f"/definitions/{made['id']}", json=change)
    assert (made["revision"], changed.json()["revision"]) == (0, 1)
    assert changed.headers["etag"] == '"1"'


async def keeps_the_drawing(scene: Scene) -> None:
    drawn = (await scene.get(scene.path))["dag_spec"]
    assert repr(drawn) == repr(BODY["dag_spec"])  # with its keys in their order
    assert await scene.get(f"{scene.path}/canvas") == drawn


async def counts_executions(scene: Scene) -> None:
    assert scene.made.json()["execution_count"] == 0
    assert (await scene.get(scene.path))["execution_count"] == 1


async def knows_the_last_execution(scene: Scene) -> None:
    assert scene.made.json()["last_executed_at"] is None
    assert (await scene.get(scene.path))["last_executed_at"] >= scene.run["created_at"][:19]


async def has_a_user(scene: Scene) -> None:
    found = await scene.get(scene.path)
    assert found["user"] == found["owner"] == "ann"
    made = await scene.another(name="given away")
    path = f"/definitions/{made['id']}"
    assert (await scene.service.call(ANN, "PATCH", path, json={"owner": "bob"})).status_code == 403
    given = await scene.service.call(BOSS, "PATCH", path, json={"owner": "bob"})
    assert given.json()["user"] == "bob"


async def can_be_inactive(scene: Scene) -> None:
    made = await scene.another(name="inactive", is_active=False)
    path = f"/definitions/{made['id']}"
    assert (made["is_active"], made["enabled"]) == (False, False)
    assert (await scene.service.call(ANN, "POST", f"{path}/execute")).status_code == 422
    active = await scene.service.call(ANN, "PATCH", path, json={"is_active": True})
    assert active.json()["enabled"] is True


async def has_times(scene: Scene) -> None:
    found = await scene.get(scene.path)
    assert found["created_at"] == found["updated_at"] == scene.made.json()["created_at"]


def of_run(check: Callable[[dict[str, Any]], bool]) -> Callable[[Scene], Awaitable[None]]:
    """Return a check of the run that came to its end."""

    async def checked(scene: Scene) -> None:
        assert check(scene.run), scene.run

    return checked


async def owners_see_their_own(scene: Scene) -> None:
    made = await scene.another(name="private", visibility="private")
    path = f"/definitions/{made['id']}"
    for method in ("GET", "PATCH", "DELETE"):
        answer = await scene.service.call(BOB, method, path, json={} if method == "PATCH" else None)
        assert answer.status_code == 404
    assert made["id"] in await scene.ids("/definitions?limit=100")
    assert made["id"] not in await scene.ids("/definitions?limit=100", BOB)
    edit = await scene.service.call(BOB, "PATCH", scene.path, json={"name": "x"})
    assert edit.status_code == 403


async def staff_sees_all(scene: Scene) -> None:
    made = await scene.another(name="private too", visibility="private")
    assert made["id"] in await scene.ids("/definitions?limit=100", BOSS)
    change = {"description": "by the boss"}
    path = f"/definitions/{made['id']}"
    assert (await scene.service.call(BOSS, "PATCH", path, json=change)).status_code == 200


async def owners_see_their_runs(scene: Scene) -> None:
    run = f"/runs/{scene.run['id']}"
    assert (await scene.service.call(BOB, "GET", run)).status_code == 404
    for path in ("/runs", f"{scene.path}/runs"):
        assert scene.run["id"] not in await scene.ids(path, BOB)


async def staff_sees_all_runs(scene: Scene) -> None:
    for path in ("/runs", f"{scene.path}/runs"):
        assert scene.run["id"] in await scene.ids(path, BOSS)
    assert (await scene.get(f"/runs/{scene.run['id']}", BOSS))["owner"] == "ann"


async def tenants_share(scene: Scene) -> None:
    made = await scene.another(name="shared", visibility="shared", default_action="files.read")
    path = f"/definitions/{made['id']}"
    assert made["id"] in await scene.ids("/definitions?include_shared=true", FOREIGN)
    assert (await scene.service.call(FOREIGN, "PATCH", path, json={"name": "x"})).status_code == 403
    told = await scene.service.call(FOREIGN, "POST", f"{path}/execute")
    assert told.status_code == 202, told.text
    run = await scene.get(f"/runs/{told.json()['run_id']}", FOREIGN)
    assert (run["tenant_id"], run["owner"], run["app_id"]) == ("other", "ann", None)
    assert (await scene.service.call(BOSS, "GET", f"/runs/{run['id']}")).status_code == 404


def lists(query: str, *, other: str) -> Callable[[Scene], Awaitable[None]]:
    """Return a check that one query finds the definition and another does not."""

    async def check(scene: Scene) -> None:
        found = scene.made.json()["id"]
        assert found in await scene.ids(f"/definitions?limit=100&{query}")
        assert await scene.ids(f"/definitions?limit=100&{other}") == []

    return check


async def most_executed_first(scene: Scene) -> None:
    rows = (await scene.get("/definitions?order=most_executed"))["data"]
    counts = {one["id"]: one["execution_count"] for one in rows}
    assert list(counts.values()) == sorted(counts.values(), reverse=True)
    assert counts[scene.made.json()["id"]] == 1
    assert list(counts.values())[-1] == 0


async def counts_usage(scene: Scene) -> None:
    await scene.service.store.system.fold_rollups()
    rows = (await scene.get("/definition-usage?by=module", BOSS))["data"]
    assert {"data-loader", "data-processor"} <= {one["module"] for one in rows if one["runs"]}
    steps = (await scene.get("/definition-usage?by=step", BOSS))["data"]
    assert "csv-reader" in {one["step"] for one in steps}
    assert (await scene.service.call(ANN, "GET", "/definition-usage")).status_code == 403


ROWS: dict[str, Callable[[Scene], Awaitable[None]]] = {
    "POST /workflows/": creates,
    "GET /workflows/{id}/": gets,
    "PATCH /workflows/{id}/": patches,
    "DELETE /workflows/{id}/": deletes,
    "POST /workflows/{id}/execute/": executes,
    "GET /workflows/{id}/runs/": lists_runs_of_it,
    "GET /runs/": lists_runs,
    "GET /runs/?workflow_id=<id>": lists_runs_by_definition,
    "GET /runs/{id}/": gets_a_run,
    "PATCH /runs/{id}/": patches_a_run,
    "id": has_an_id,
    "project_id": has_a_project,
    "project_name": same("project_name"),
    "app_name": same("app_name"),
    "name": same("name"),
    "slug": has_a_slug,
    "description": same("description"),
    "version": counts_revisions,
    "molecules_used": same("molecules_used"),
    "atoms_in_molecules": same("atoms_in_molecules"),
    "dag_spec": keeps_the_drawing,
    "execution_count": counts_executions,
    "last_executed_at": knows_the_last_execution,
    "user": has_a_user,
    "is_active": can_be_inactive,
    "created_at": has_times,
    "updated_at": has_times,
    "run.workflow_id": gets_a_run,
    "run.status": of_run(lambda run: run["status"] == "succeeded"),
    "run.started_at": of_run(lambda run: run["started_at"] >= run["created_at"][:19]),
    "run.completed_at": of_run(lambda run: run["finished_at"] >= run["started_at"]),
    "run.result_data": of_run(lambda run: "outputs" in run),
    "run.error_message": of_run(lambda run: run["error"] is None),
    "regular users see their own workflows": owners_see_their_own,
    "staff users see all workflows": staff_sees_all,
    "regular users see their own runs": owners_see_their_runs,
    "staff users see all runs": staff_sees_all_runs,
    "workflows can be shared across tenants": tenants_share,
    "all workflows of a project": lists("project_id=123", other="project_id=124"),
    "most executed workflows": most_executed_first,
    "workflows using a molecule": lists("module=data-loader", other="module=csv-reader"),
    "workflows using an atom": lists(
        "step=csv-reader&module=data-loader", other="step=csv-reader&module=data-processor"
    ),
    "workflows by app name": lists("parent=Trinity%20Analytics", other="parent=Sales%20Dashboard"),
    "usage of molecules and atoms": counts_usage,
}


def test_the_page_has_these_rows() -> None:
    """Each row of the page has its test, and each test its row."""
    cells = re.findall(r"^\| (.+?) \|", PAGE.read_text(), re.MULTILINE)
    named = [one.strip("`") for one in cells if one not in ("founding document",)]
    assert named == list(ROWS)


@pytest.mark.parametrize("row", ROWS)
async def test_rows(scene: Scene, row: str) -> None:
    """What the row of the page says is so."""
    await ROWS[row](scene)
