"""What a request finds out before it is written, or when its workflow_id is taken.

Statements for any connection, like those of `requests`.
"""

import base64
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from flowkeep.contracts import StateType
from flowkeep.errors import Conflict, InvalidInput
from flowkeep.statestore import encoding
from flowkeep.statestore.keyring import Keyring
from flowkeep.statestore.repositories import arguments
from flowkeep.statestore.repositories.requests import Steps
from flowkeep.statestore.secrets import references, replace_references

IDENTITY = """
    (SELECT CAST(system_identifier AS text) FROM pg_control_system()) || '/' ||
    (SELECT CAST(oid AS text) FROM pg_database WHERE datname = current_database())
"""
"""SQL: what no two databases have in common, through whatever address they are reached."""

_WHERE = f"""
SELECT current_database() AS name, {IDENTITY} AS identity
"""
_STORED = f"""
SELECT 1 AS one FROM {{schema}}.state_entry
WHERE tenant_id = :tenant_id AND kind = '{StateType.WORKFLOWS.value}' AND key = :key
"""  # noqa: S608 - only a constant of ours is put in
_ARGUMENTS = f"""
SELECT r.tenant_id, e.value FROM {{schema}}.run AS r
LEFT JOIN {{schema}}.state_entry AS e
    ON e.tenant_id = r.tenant_id AND e.kind = '{arguments.KIND}' AND e.key = CAST(r.id AS text)
WHERE r.id = CAST(:run_id AS uuid)
"""  # noqa: S608 - only a constant of ours is put in
_SECRETS = """
SELECT CAST(id AS text) AS id, key_id, encode(ciphertext, 'base64') AS ciphertext
FROM {schema}.secret
WHERE tenant_id = :tenant_id AND id = ANY(CAST(:ids AS uuid[]))
"""


def require_database(identity: str, ledger: str) -> Steps[None]:
    """Make sure that a connection is to the ledger's database.

    Args:
        identity: The ledger's.
        ledger: Its name, for the message.

    Raises:
        InvalidInput: If it is to another one.
    """
    [found] = yield _WHERE, {}
    if found["identity"] != identity:
        raise InvalidInput(
            f"the connection is to database {found['name']!r}, the ledger lies in {ledger}",
            hint="start_in needs a connection to the ledger's own database",
        )


def require_stored(tenant_id: str, workflow_id: str) -> Steps[None]:
    """Make sure that arguments are stored under a workflow_id.

    Raises:
        InvalidInput: If there are none.
    """
    if not (yield _STORED, {"tenant_id": tenant_id, "key": workflow_id}):
        raise InvalidInput(
            f"no arguments were given and none are stored under workflow_id {workflow_id!r}",
            hint="pass workflow_args, or save them with StateStore.save_state_object",
        )


def require_same(
    tenant_id: str,
    workflow_id: str,
    run_id: UUID,
    given: Mapping[str, Any] | None,
    keyring: Callable[[], Keyring],
) -> Steps[None]:
    """Make sure that an open run is what a request asks for.

    Args:
        tenant_id: Whose request.
        workflow_id: What both want to be called.
        run_id: The open run.
        given: Plain arguments, secrets included; None for whatever the open run has.
        keyring: Decrypts the open run's secrets.

    Raises:
        Conflict: If it is another tenant's, or has other arguments.
    """
    rows = yield _ARGUMENTS, {"run_id": str(run_id)}
    if not rows or rows[0]["tenant_id"] != tenant_id:
        raise taken(workflow_id)
    if given is None:
        return
    stored = yield from _resolved(tenant_id, rows[0]["value"], keyring)
    if not encoding.same(stored, given):
        raise Conflict(
            f"workflow_id {workflow_id!r} runs with other arguments (run {run_id})",
            hint="wait for it, pass on_conflict='replace', or use another workflow_id",
        )


def taken(workflow_id: str) -> Conflict:
    """Return the error for a workflow_id under which somebody else's run is open.

    In the same words whether it is another owner's, another tenant's or another program's.
    """
    return Conflict(f"workflow_id {workflow_id!r} is taken", hint="use another workflow_id")


def _resolved(tenant_id: str, value: Any, keyring: Callable[[], Keyring]) -> Steps[Any]:
    """Return a value with its references replaced by the secrets they stand for."""
    wanted = references(value)
    if not wanted:
        return value
    ids = "{" + ",".join(map(str, sorted(wanted))) + "}"
    rows = yield _SECRETS, {"tenant_id": tenant_id, "ids": ids}
    keys = keyring()
    found: dict[UUID, Any] = dict.fromkeys(wanted)  # one that is gone equals nothing given
    for row in rows:
        secret_id = UUID(row["id"])
        ciphertext = base64.b64decode(row["ciphertext"])
        found[secret_id] = keys.decrypt(tenant_id, secret_id, row["key_id"], ciphertext)
    return replace_references(value, found)
