"""The header `flowkeep`: reading it, writing it, and what it says together with Temporal's info."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from temporalio import activity, workflow
from temporalio.api.common.v1 import Payload
from temporalio.common import RetryPolicy

from flowkeep.contracts.identity import (
    HEADER,
    MAP_CHUNK_TYPE,
    Identity,
    RunRef,
    derive_run_id,
)
from flowkeep.contracts.status import RunKind, SegmentKind

Headers = Mapping[str, Payload]

_ENCODING = b"json/plain"
_SEGMENTS: dict[str, SegmentKind] = {kind.value: kind for kind in SegmentKind}


def read_header(headers: Headers) -> dict[str, Any] | None:
    """Return the header's content, or None when it is absent or not ours."""
    payload = headers.get(HEADER)
    if payload is None:
        return None
    if payload.metadata.get("encoding") != _ENCODING:
        return None
    try:
        value = orjson.loads(payload.data)
    except orjson.JSONDecodeError:  # a foreign header of the same name is not ours to judge
        return None
    return value if isinstance(value, dict) else None


def header_payload(identity: Identity, **extra: Any) -> Payload:
    """Encode an identity as plain JSON, whatever converter the client uses."""
    data = orjson.dumps({**identity.to_header(), **extra})
    return Payload(metadata={"encoding": _ENCODING}, data=data)


def with_header(headers: Headers, payload: Payload) -> dict[str, Payload]:
    """Return the headers with ours added."""
    return {**headers, HEADER: payload}


def workflow_identity(start: Identity | None, info: workflow.Info) -> Identity:
    """Complete the identity of the execution that runs now.

    Args:
        start: What the start header said, None when there was none.
        info: Temporal's own information.
    """
    return complete_identity(
        start,
        namespace=info.namespace,
        workflow_id=info.workflow_id,
        first_run_id=info.first_execution_run_id,
        workflow_type=info.workflow_type,
    )


def complete_identity(
    said: Identity | None,
    *,
    namespace: str,
    workflow_id: str,
    first_run_id: str,
    workflow_type: str | None,
) -> Identity:
    """Complete what a header or a memo says of an execution; what came without has its id derived.

    So has one with the identity of another workflow, whose header or memo somebody copied.

    Args:
        said: What header or memo says, None when there is neither.
        namespace: Of the execution.
        workflow_id: Of the execution.
        first_run_id: Temporal's id of the first execution of the chain.
        workflow_type: Of the execution.
    """
    base = (said or Identity()).said_of(workflow_id)
    return base.evolve(
        workflow_id=workflow_id,
        run_id=base.run_id or str(derive_run_id(namespace, workflow_id, first_run_id)),
        first_run_id=first_run_id,
        origin_type=base.origin_type or workflow_type,
    )


def child_identity(
    parent: Identity, info: workflow.Info, *, workflow_type: str, workflow_id: str, ordinal: int
) -> Identity:
    """Make the identity of a child run.

    The id is a hash and takes nothing from the workflow's random stream, so adding the plugin to
    a worker does not change what running workflows draw from it.
    """
    assert parent.run_id is not None
    name = f"{parent.run_id}\x00{workflow_id}\x00{ordinal}"
    run_id = derive_run_id(info.namespace, name, info.run_id)
    origin = parent.origin_type if workflow_type == MAP_CHUNK_TYPE else workflow_type
    return Identity(
        run_id=str(run_id),
        tenant_id=parent.tenant_id,
        app_id=parent.app_id,
        workflow_id=workflow_id,
        root_run_id=parent.root_run_id or parent.run_id,
        parent_run_id=parent.run_id,
        origin_type=origin,
    )


def run_kind(workflow_type: str) -> RunKind:
    """Tell chunks of a `map` from runs of their own."""
    return RunKind.CHUNK if workflow_type == MAP_CHUNK_TYPE else RunKind.RUN


def workflow_run_ref(identity: Identity, info: workflow.Info) -> RunRef:
    """Describe the execution for a record written from workflow code."""
    return run_ref(
        identity,
        namespace=info.namespace,
        workflow_id=info.workflow_id,
        temporal_run_id=info.run_id,
        workflow_type=info.workflow_type,
        task_queue=info.task_queue,
        segment_kind=segment_kind(info),
        began_at=began_at(info),
    )


def segment_kind(info: workflow.Info) -> SegmentKind:
    """Tell why the execution that runs now began."""
    if info.original_execution_run_id != info.run_id:
        return SegmentKind.RESET
    if info.attempt > 1:
        return SegmentKind.RETRY
    if info.continued_run_id is None:
        return SegmentKind.START
    return SegmentKind.CRON if info.cron_schedule else SegmentKind.CONTINUE


def began_at(info: workflow.Info) -> datetime | None:
    """Return when the execution that runs now began, unless its id says so.

    Servers since 1.29 put the time into the ids of executions that a client starts. A reset names
    the time of what it resets, which would be the wrong place among the executions of its run.
    """
    if segment_kind(info) is SegmentKind.RESET or UUID(info.run_id).version == 7:
        return None
    return info.workflow_start_time


def activity_run_ref(
    identity: Identity, info: activity.Info, header: Mapping[str, Any] | None = None
) -> RunRef:
    """Describe the execution that an activity belongs to.

    Args:
        identity: Who it is.
        info: Temporal's own information.
        header: The header of the task, which says why and when the execution began.
    """
    segment = (header or {}).get("segment")
    assert info.workflow_id is not None
    assert info.workflow_run_id is not None
    return run_ref(
        identity,
        namespace=info.namespace,
        workflow_id=info.workflow_id,
        temporal_run_id=info.workflow_run_id,
        workflow_type=info.workflow_type or "",
        task_queue=info.task_queue,
        segment_kind=_SEGMENTS.get(segment) if isinstance(segment, str) else None,
        began_at=_moment((header or {}).get("began")),
    )


def run_ref(identity: Identity, **execution: Any) -> RunRef:
    """Describe an execution for a record, from who it is and what names it."""
    assert identity.run_id is not None
    return RunRef(
        run_id=UUID(identity.run_id),
        tenant_id=identity.tenant_id,
        app_id=identity.app_id,
        first_run_id=identity.first_run_id,
        root_run_id=_uuid(identity.root_run_id),
        parent_run_id=_uuid(identity.parent_run_id),
        kind=run_kind(execution["workflow_type"]),
        triggered_from=identity.triggered_from,
        schedule_id=_uuid(identity.schedule_id),
        **execution,
    )


def plain_policy(policy: RetryPolicy) -> dict[str, Any]:
    """Return a retry policy as plain JSON with times in seconds."""
    longest = policy.maximum_interval
    return {
        "initial": policy.initial_interval.total_seconds(),
        "coefficient": policy.backoff_coefficient,
        "maximum": longest.total_seconds() if longest else None,
        "attempts": policy.maximum_attempts,
        "fatal": list(policy.non_retryable_error_types or ()),
    }


def read_policy(plain: Any) -> RetryPolicy | None:
    """Undo `plain_policy`; None for what it cannot have made."""
    try:
        longest = plain["maximum"]
        return RetryPolicy(
            initial_interval=timedelta(seconds=plain["initial"]),
            backoff_coefficient=float(plain["coefficient"]),
            maximum_interval=None if longest is None else timedelta(seconds=longest),
            maximum_attempts=int(plain["attempts"]),
            non_retryable_error_types=list(plain["fatal"]),
        )
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def plain_run_ref(ref: RunRef) -> dict[str, Any]:
    """Return a reference as plain JSON, which every payload converter can carry."""
    return {name: _plain(value) for name, value in asdict(ref).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, UUID):
        return str(value)
    return value.isoformat() if isinstance(value, datetime) else value


def _moment(text: Any) -> datetime | None:
    """Read a time of a header; one that is none was not written by us."""
    try:
        found = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None else None


def _uuid(text: str | None) -> UUID | None:
    return None if text is None else UUID(text)


def digest(data: bytes) -> str:
    """Return the SHA-256 of some bytes as text."""
    return hashlib.sha256(data).hexdigest()
