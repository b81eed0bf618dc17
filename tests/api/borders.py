"""Every operation of the service, and whom it lets in: what the walk over all of them expects.

The rule of the design in short: what somebody may not see answers 404, what they see but may not do
403. A row says which role an operation needs and who sees the object that it names.
"""

import json
from dataclasses import dataclass, field
from typing import Any, Literal

CANARY = "canary-of-north"
"""Stands in everything that the tenant `north` has."""
DAYS = 31_415
"""The same for what holds numbers only."""

Needs = Literal["viewer", "operator", "editor", "admin", "system"]
Seen = Literal["mine", "members", "staff"]
RANKS: dict[str, int] = {"viewer": 0, "operator": 1, "editor": 2, "admin": 3, "system": 4}

EVERYBODYS = {
    "action": ("vera", "otto", "edda", "ada"),
    "app": ("vera", "otto", "edda"),
}
"""Who, beside staff of the tenant, finds in a list what is not theirs, by its kind."""
PUBLIC = {"GET /health": 200, "GET /ready": 200}
"""Operations for probes, and what everybody is answered."""


@dataclass(frozen=True)
class Row:
    """What is known of one operation.

    Attributes:
        needs: The lowest role that may do it.
        names: Kind of the object that its path, query or body names; empty for none.
        seen: Who sees that object: its owner and staff, every member of the tenant, or staff alone,
            whose role is checked before anything is looked up.
        ok: What is answered to who may do it.
        query: Its query; `{…}` stand for fields of the object, `{fresh}` for a new name.
        body: Its body, likewise.
        tells: What the answer to an admin of the tenant holds.
        holds: Kind of an object that the list it answers with is to hold.
        in_apps: What staff of the app `shop` alone is answered outside of it, where it is neither
            what the role nor what the object says.
        foreign: What an admin of another tenant is answered, where it is neither.
        but: Other answers, by caller and whose object it is: `admin of alice`.
    """

    needs: Needs
    names: str = ""
    seen: Seen = "mine"
    ok: int = 200
    query: dict[str, Any] = field(default_factory=dict)
    body: Any = None
    tells: str = ""
    holds: str = ""
    in_apps: int | None = None
    foreign: int | None = None
    but: dict[str, int] = field(default_factory=dict)

    def expected(self, role: str, *, owns: bool) -> int:
        """Return what a member of the tenant with a role is answered."""
        if self.names and self.seen == "mine" and not owns and RANKS[role] < RANKS["admin"]:
            return 404
        return self.ok if RANKS[role] >= RANKS[self.needs] else 403


TASK = {"name": "load", "action": "core.log", "input": {"message": "x"}}
_TASKS = json.dumps([TASK])
PLAIN = f'{{"ref": "{{ref}}", "tasks": {_TASKS}}}'
TEXT = PLAIN.replace('"tasks"', f'"label": "{CANARY}", "tasks"')
NEW_TEXT = PLAIN.replace("{ref}", "new-{fresh}")
CANVAS = {"nodes": [{"id": "n", "module": CANARY, "steps": [{"name": "s", "action": "core.log"}]}]}
BLANK = {"nodes": [{"id": "n", "module": "m", "steps": [{"name": "s", "action": "core.log"}]}]}
SPEC = {"intervals": [{"every_seconds": 86_400}]}
SCHEDULED = {"workflow_type": "Extract", "task_queue": "nobody", "spec": SPEC}
YEAR = {"start_at": "2026-01-01T00:00:00Z", "end_at": "2026-01-01T01:00:00Z"}
LATER = "2100-01-01T00:00:00Z"
MANY = {"limit": 100}
_RUN: dict[str, Any] = {"names": "run"}
_DEFINITION: dict[str, Any] = {"names": "definition"}
_SCHEDULE: dict[str, Any] = {"names": "schedule"}
_ACTION: dict[str, Any] = {"names": "action", "seen": "members"}
_BUNDLE: dict[str, Any] = {"names": "bundle", "seen": "staff"}
_HOOK: dict[str, Any] = {"names": "webhook"}
_QUESTION: dict[str, Any] = {"names": "question"}
_ASKED_ONLY = {"admin of alice": 403, "system of alice": 403}
_NAME_IS_TAKEN = {
    "viewer of alice": 403,
    "operator of alice": 403,
    "editor of alice": 409,
    "ada inside": 403,  # it would take it out of the app
}

TABLE: dict[str, Row] = {
    "POST /actions": Row("editor", ok=201, body={"ref": "a.{fresh}"}),
    "GET /actions": Row("viewer", tells=CANARY, holds="action", query=MANY),
    "GET /actions/{action}": Row("viewer", **_ACTION, tells=CANARY),
    "PATCH /actions/{action}": Row("editor", **_ACTION, body={"description": "x"}),
    "DELETE /actions/{action}": Row("editor", **_ACTION, ok=204),
    "PUT /actions/{action}/definition": Row("editor", **_ACTION, body={"definition": None}),
    "POST /apps": Row("admin", ok=201, body={"id": "app-{fresh}"}),
    "GET /apps": Row("viewer", tells=CANARY, holds="app", query=MANY),
    "GET /apps/{app_id}": Row("viewer", "app", "members", tells=CANARY),
    "PATCH /apps/{app_id}": Row("admin", "app", "members", body={"parent": "x"}),
    "DELETE /apps/{app_id}": Row("admin", "app", "members", ok=204),
    "GET /archive/bundles": Row("admin", tells="north", holds="bundle", query=MANY),
    "POST /archive/bundles": Row("admin", body={"before": LATER, "limit": 1}),
    "GET /archive/bundles/{bundle_id}": Row("admin", **_BUNDLE, tells="north"),
    "DELETE /archive/bundles/{bundle_id}": Row("admin", **_BUNDLE, ok=204),
    "POST /archive/bundles/{bundle_id}/verify": Row("admin", **_BUNDLE),
    "POST /archive/bundles/{bundle_id}/delete": Row("admin", **_BUNDLE, ok=409),
    "POST /archive/bundles/{bundle_id}/restore": Row("admin", **_BUNDLE, ok=409),
    "GET /audit": Row("admin", tells=CANARY, query={"action": "secret.set"}),
    "POST /definitions": Row("editor", ok=201, body={"text": NEW_TEXT}),
    "PUT /definitions": Row("editor", body={"text": NEW_TEXT}),
    "GET /definitions": Row("viewer", tells=CANARY, holds="definition", query=MANY),
    "POST /definitions/validate": Row("editor", body={"text": NEW_TEXT}, in_apps=200),
    "POST /definitions/diff": Row(
        "viewer", **_DEFINITION, body={"text": PLAIN}, tells=CANARY, foreign=200
    ),
    "POST /definitions/import-canvas": Row(
        "editor", body={"canvas": BLANK, "ref": "drawn-{fresh}", "draft": True}
    ),
    "GET /definitions/{definition}": Row("viewer", **_DEFINITION, tells=CANARY),
    "PUT /definitions/{definition}": Row("editor", **_DEFINITION, body={"text": TEXT}),
    "PATCH /definitions/{definition}": Row("editor", **_DEFINITION, body={"description": "x"}),
    "DELETE /definitions/{definition}": Row("editor", **_DEFINITION),
    "POST /definitions/{definition}/execute": Row(
        "operator", **_DEFINITION, ok=202, body={"task_queue": "nobody"}
    ),
    "GET /definitions/{definition}/diff": Row("viewer", **_DEFINITION, query={"old": 0}),
    "GET /definitions/{definition}/versions": Row("viewer", **_DEFINITION, tells='"revision":0'),
    "GET /definitions/{definition}/versions/{revision}": Row("viewer", **_DEFINITION, tells=CANARY),
    "POST /definitions/{definition}/rollback": Row("editor", **_DEFINITION, query={"to": 0}),
    "POST /definitions/{definition}/enable": Row("editor", **_DEFINITION),
    "POST /definitions/{definition}/disable": Row("editor", **_DEFINITION),
    "GET /definitions/{definition}/canvas": Row("viewer", **_DEFINITION, tells=CANARY),
    "GET /definitions/{definition}/runs": Row("viewer", **_DEFINITION),
    "GET /definition-usage": Row("admin"),
    "GET /human-tasks": Row("viewer", tells=CANARY, holds="question", query=MANY),
    "GET /human-tasks/{run}/{task}": Row("viewer", **_QUESTION, tells=CANARY),
    "POST /human-tasks/{run}/{task}/answer": Row(
        "operator", **_QUESTION, body={"answer": True}, but=_ASKED_ONLY
    ),
    "POST /human-tasks/{run}/{task}/token": Row("admin", **_QUESTION),
    "POST /api-keys": Row("admin", ok=201, body={"name": "k", "role": "viewer"}),
    "GET /api-keys": Row("viewer", tells=CANARY, holds="key", query=MANY),
    "GET /api-keys/{key_id}": Row("viewer", "key", tells=CANARY),
    "PATCH /api-keys/{key_id}": Row("admin", "key", body={"name": "new"}),
    "POST /api-keys/{key_id}/revoke": Row("viewer", "key"),
    "GET /retention/policies": Row(
        "admin", tells=str(DAYS), in_apps=200, holds="policy", query=MANY
    ),
    "GET /retention/policy": Row(
        "admin", "policy", "staff", query={"definition_id": "{definition}"}, tells=str(DAYS)
    ),
    "PUT /retention/policy": Row("admin", body={"days": 30_000}),
    "DELETE /retention/policy": Row(
        "admin", "policy", "staff", query={"definition_id": "{definition}"}, ok=204
    ),
    "GET /retention/plan": Row("admin"),
    "POST /retention/apply": Row("admin", body={"max_seconds": 1}),
    "PUT /retention/holds/{run_id}": Row("admin", **_RUN),
    "DELETE /retention/holds/{run_id}": Row("admin", **_RUN),
    "POST /runs": Row("operator", ok=201, body={"workflow_type": "Elsewhere", "external": True}),
    "GET /runs": Row("viewer", tells=CANARY, holds="run", query=MANY),
    "GET /runs/counts": Row("admin"),
    "POST /runs/delete": Row(
        "admin",
        "run",
        "staff",
        body={"run_ids": ["{run_id}"]},
        tells='"deleted":1',
        foreign=200,
        in_apps=200,
    ),
    "GET /runs/{run_id}": Row("viewer", **_RUN, tells=CANARY),
    "PATCH /runs/{run_id}": Row("operator", **_RUN, body={"labels": {"a": "b"}}),
    "DELETE /runs/{run_id}": Row("admin", **_RUN, ok=204),
    "GET /runs/{run_id}/rerun-preview": Row("viewer", **_RUN, ok=422),
    "POST /runs/{run_id}/rerun": Row("operator", **_RUN, ok=202),
    "POST /runs/{run_id}/retry": Row("operator", **_RUN, ok=202),
    "GET /runs/{run_id}/tasks": Row("viewer", **_RUN, tells='"activity_id":"1"'),
    "GET /runs/{run_id}/task-names": Row("viewer", **_RUN, tells='"completed"'),
    "GET /runs/{run_id}/attempts": Row("viewer", **_RUN, tells='"activity_id":"1"'),
    "GET /runs/{run_id}/tasks/{activity_id}/attempts/{attempt}": Row(
        "viewer", **_RUN, tells='"activity_id":"1"'
    ),
    "GET /runs/{run_id}/events": Row("viewer", **_RUN, tells='"kind"'),
    "GET /runs/{run_id}/logs": Row("viewer", **_RUN),
    "GET /runs/{run_id}/segments": Row("viewer", **_RUN, tells='"temporal_run_id"'),
    "GET /runs/{run_id}/pauses": Row("viewer", **_RUN, tells='"bob"'),
    "GET /runs/{run_id}/progress": Row("viewer", **_RUN),
    "GET /runs/{run_id}/payloads/{name}": Row("viewer", **_RUN, tells=CANARY),
    "POST /runs/{run_id}/pause": Row("operator", "open run"),
    "POST /runs/{run_id}/resume": Row("operator", "open run"),
    "POST /runs/{run_id}/cancel": Row("operator", "open run"),
    "POST /runs/{run_id}/terminate": Row("operator", "open run"),
    "GET /runs/{run_id}/watch": Row("viewer", **_RUN, tells=CANARY),
    "POST /schedules": Row("editor", ok=201, body={"name": "s-{fresh}", **SCHEDULED}),
    "GET /schedules": Row("viewer", tells=CANARY, holds="schedule", query=MANY),
    "GET /schedules/{name}": Row("viewer", **_SCHEDULE, tells=CANARY),
    "PUT /schedules/{name}": Row(
        "editor", **_SCHEDULE, body=SCHEDULED, foreign=200, in_apps=409, but=_NAME_IS_TAKEN
    ),
    "DELETE /schedules/{name}": Row("editor", **_SCHEDULE, ok=204),
    "GET /schedules/{name}/state": Row("viewer", **_SCHEDULE, tells="next"),
    "GET /schedules/{name}/runs": Row("viewer", **_SCHEDULE),
    "POST /schedules/{name}/pause": Row("operator", **_SCHEDULE),
    "POST /schedules/{name}/resume": Row("operator", **_SCHEDULE),
    "POST /schedules/{name}/trigger": Row("operator", **_SCHEDULE, ok=202),
    "POST /schedules/{name}/backfill": Row("operator", **_SCHEDULE, ok=202, body=YEAR),
    "GET /secrets": Row("admin", tells=CANARY, holds="secret", query=MANY),
    "PUT /secrets": Row("admin", ok=204, body={"name": "n-{fresh}", "value": "v"}),
    "DELETE /secrets": Row("admin", "secret", "staff", ok=204, query={"name": "{name}"}),
    "GET /session": Row("viewer", in_apps=200),
    "POST /session": Row("viewer", ok=201, in_apps=201),
    "DELETE /session": Row("viewer", ok=204, in_apps=204),
    "GET /state": Row("admin", "state", "staff", query={"key": "{key}"}, tells=CANARY),
    "PUT /state": Row("admin", query={"key": "k-{fresh}"}, body={"value": {"a": 1}}),
    "DELETE /state": Row("admin", "state", "staff", query={"key": "{key}"}, ok=204),
    "GET /stats": Row("viewer", in_apps=422),
    "GET /stats/days": Row("viewer", in_apps=422),
    "GET /stats/durations": Row("viewer", in_apps=422),
    "GET /stats/top": Row(
        "viewer", query={"by": "workflow_type"}, tells=CANARY, holds="run", in_apps=422
    ),
    "GET /stats/usage": Row("viewer", in_apps=422),
    "GET /stats/tenants": Row("system", tells="north"),
    "GET /tenants": Row("system", tells="north"),
    "POST /tenants/erase": Row(
        "system", query={"tenant": "t-{fresh}"}, body={"confirm": "t-{fresh}"}
    ),
    "GET /workers": Row("admin"),
    "POST /webhooks": Row(
        "editor", ok=201, body={"name": "w", "url": "https://example.com/{fresh}"}
    ),
    "GET /webhooks": Row("viewer", tells=CANARY, holds="webhook", query=MANY),
    "GET /webhooks/{webhook_id}": Row("viewer", **_HOOK, tells=CANARY),
    "PATCH /webhooks/{webhook_id}": Row("editor", **_HOOK, body={"enabled": False}),
    "DELETE /webhooks/{webhook_id}": Row("editor", **_HOOK, ok=204),
    "POST /webhooks/{webhook_id}/test": Row("editor", **_HOOK, ok=202),
    "GET /webhooks/{webhook_id}/deliveries": Row("viewer", **_HOOK),
}
"""By method and path below the prefix."""
