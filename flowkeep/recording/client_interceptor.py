"""Gives every run that is started through this client its identity."""

import inspect
from typing import Any

import uuid_utils.compat as uuids
from temporalio import client

from flowkeep.contracts.identity import HEADER, Identity
from flowkeep.recording.identity import header_payload, read_header, with_header
from flowkeep.recording.large_payloads.targets import Storing, storing, storing_for


class ClientOutbound(client.OutboundInterceptor):
    """Adds the header and the memo to starts, updates-with-start and schedules.

    A caller that has already chosen the identity passes it in the memo; else a new run id is
    drawn. The memo says the same as the header, for `describe`: activities and other readers of
    headers never see a memo.
    """

    async def start_workflow(
        self, input: client.StartWorkflowInput
    ) -> client.WorkflowHandle[Any, Any]:
        """Add identity to a start."""
        identity = _chosen(input.memo, input.id, input.workflow)
        input.headers = with_header(input.headers, header_payload(identity))
        input.memo = {**(input.memo or {}), HEADER: identity.to_header()}
        with storing_for(Storing(identity.tenant_id)):
            return await super().start_workflow(input)

    async def start_update_with_start_workflow(
        self, input: client.StartWorkflowUpdateWithStartInput
    ) -> client.WorkflowUpdateHandle[Any]:
        """Add identity to the start half of an update-with-start."""
        start = input.start_workflow_input
        identity = _chosen(start.memo, start.id, start.workflow)
        start.headers = with_header(start.headers, header_payload(identity))
        start.memo = {**(start.memo or {}), HEADER: identity.to_header()}
        with storing_for(Storing(identity.tenant_id)):
            return await super().start_update_with_start_workflow(input)

    async def create_schedule(self, input: client.CreateScheduleInput) -> client.ScheduleHandle:
        """Add identity without a run id to a schedule: each firing derives its own."""
        _identify(input.schedule)
        with storing_for(Storing(_tenant(input.schedule), input.id)):
            return await super().create_schedule(input)

    async def update_schedule(self, input: client.UpdateScheduleInput) -> None:
        """Add identity to a schedule whose action was replaced, or starts another type now."""
        updater = input.updater

        async def update(current: client.ScheduleUpdateInput) -> client.ScheduleUpdate | None:
            changed = updater(current)
            if inspect.isawaitable(changed):
                changed = await changed
            if changed is not None:
                _identify(changed.schedule)
                storing.set(Storing(_tenant(changed.schedule), input.id))
            return changed

        input.updater = update
        with storing_for(Storing(schedule_id=input.id)):
            await super().update_schedule(input)


def _chosen(memo: Any, workflow_id: str, workflow_type: str) -> Identity:
    given = (memo or {}).get(HEADER)
    identity = Identity.from_header(given) if isinstance(given, dict) else Identity()
    identity = identity.said_of(workflow_id)
    if identity.run_id is not None:
        return identity.evolve(workflow_id=workflow_id)
    return identity.evolve(
        run_id=str(uuids.uuid7()), workflow_id=workflow_id, origin_type=workflow_type
    )


def _identify(schedule: client.Schedule) -> None:
    action = schedule.action
    if not isinstance(action, client.ScheduleActionStartWorkflow):
        return
    known = read_header(action.headers or {})  # as it was read from the server
    if known is None:
        identity = _scheduled(action)
    else:
        identity = Identity.from_header(known)
        name = _type_of(action)
        if name is None or name == identity.origin_type:
            return
        identity = identity.evolve(origin_type=name)
    action.headers = with_header(action.headers or {}, header_payload(identity))
    action.memo = {**(action.memo or {}), HEADER: identity.to_header()}


def _tenant(schedule: client.Schedule) -> str | None:
    action = schedule.action
    if not isinstance(action, client.ScheduleActionStartWorkflow):
        return None
    known = read_header(action.headers or {})
    return Identity.from_header(known).tenant_id if known is not None else None


def _scheduled(action: client.ScheduleActionStartWorkflow) -> Identity:
    given = (action.memo or {}).get(HEADER)
    base = Identity.from_header(given) if isinstance(given, dict) else Identity()
    return base.evolve(
        run_id=None,
        workflow_id=None,
        origin_type=_type_of(action),
        triggered_from=base.triggered_from or "schedule",
    )


def _type_of(action: client.ScheduleActionStartWorkflow) -> str | None:
    return action.workflow if isinstance(action.workflow, str) else None
