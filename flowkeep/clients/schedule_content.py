"""What a schedule is to be, checked and with everything decided."""

import re
from typing import TYPE_CHECKING, Any
from uuid import UUID

import uuid_utils.compat as uuids

from flowkeep.contracts import Definition
from flowkeep.contracts.definition_loading import PARAMETERS_KEY
from flowkeep.contracts.identity import DEFINITION_TYPE, MAP_CHUNK_TYPE
from flowkeep.contracts.retention_run import RETENTION_TYPE
from flowkeep.contracts.schedules import NAME_PATTERN, OwnerRights, ScheduleContent, ScheduleWrite
from flowkeep.errors import InvalidInput
from flowkeep.statestore.secrets import extract_secrets

if TYPE_CHECKING:
    from flowkeep.clients.workflow import WorkflowClient

_ELSEWHERE = {
    DEFINITION_TYPE: "name the definition instead",
    RETENTION_TYPE: "use `flowkeep retention schedule`",
    MAP_CHUNK_TYPE: "it is a part of a run",
}


async def prepare(
    client: "WorkflowClient",
    tenant_id: str,
    name: str,
    content: ScheduleContent,
    *,
    prefix: str,
    created_by: str | None,
    rights: OwnerRights | None,
) -> tuple[ScheduleWrite, dict[UUID, dict[str, Any] | str]]:
    """Return what is to be stored, and the secrets that were taken out of it.

    Args:
        client: Connected to the ledger.
        tenant_id: Whose schedule.
        name: Its name.
        content: What it is to be.
        prefix: What its id in Temporal begins with.
        created_by: Who makes it.
        rights: What its owner may do.

    Raises:
        InvalidInput: If name or arguments do not fit, or the workflow type cannot be scheduled.
        NotFound: If there is no such definition or version.
    """
    if not re.fullmatch(NAME_PATTERN, name):
        raise InvalidInput(
            f"the name {name[:100]!r} cannot be a schedule's",
            hint="use letters, digits, '.', '_' and '-', at most 100",
        )
    definition = await _definition(client, tenant_id, content)
    given = dict(content.arguments)
    clean, secrets = extract_secrets(given if definition is None else {PARAMETERS_KEY: given})
    schedule_id = uuids.uuid7()
    new = ScheduleWrite(
        id=schedule_id,
        temporal_id=f"{prefix}{schedule_id}",
        name=name,
        app_id=content.app_id or _app_of(definition, tenant_id),
        workflow_type=content.workflow_type or DEFINITION_TYPE,
        task_queue=content.task_queue or client.settings.worker.task_queue,
        definition_id=None if definition is None else definition.id,
        definition_revision=content.definition_revision,
        labels=content.labels,
        spec=content.spec,
        policy=content.policy,
        remaining_actions=content.remaining_actions,
        paused=content.paused,
        note=content.note,
        owner=content.owner,
        created_by=created_by,
        arguments=clean,
        rights=rights,
    )
    return new, secrets


def _app_of(definition: Definition | None, tenant_id: str) -> str | None:
    """Return the app of a definition; those of other tenants mean nothing here."""
    own = definition is not None and definition.tenant_id == tenant_id
    return definition.app_id if own and definition is not None else None


async def _definition(
    client: "WorkflowClient", tenant_id: str, content: ScheduleContent
) -> Definition | None:
    """Return the definition that is to run, its parameters checked; None for a workflow class."""
    if content.definition is None:
        if content.workflow_type in _ELSEWHERE:
            raise InvalidInput(
                f"workflow_type {content.workflow_type!r} cannot be scheduled here",
                hint=_ELSEWHERE[content.workflow_type],
            )
        return None
    from flowkeep.definitions.parameters import check_parameters

    found = await find_definition(client, tenant_id, content.definition)
    wanted = content.definition_revision or found.version_revision
    version = await client.store.definitions.version(tenant_id, found.id, wanted)
    check_parameters(version.spec, content.arguments)
    return found


async def find_definition(client: "WorkflowClient", tenant_id: str, named: str) -> Definition:
    """Return a definition by its id or its ref.

    Raises:
        NotFound: If the tenant sees none.
    """
    try:
        found_id = UUID(named)
    except ValueError:
        return await client.store.definitions.get_by_ref(tenant_id, named)
    return await client.store.definitions.get(tenant_id, found_id)
