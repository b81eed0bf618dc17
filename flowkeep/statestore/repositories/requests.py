"""The request of a run as one statement, for any connection to the ledger.

Row, event, arguments with their alias, labels and secrets are one statement, so a start costs one
round trip and a request can be written in a transaction of the caller's own, whatever it talks to
PostgreSQL with. Nothing here waits: statements are yielded, and who drives the generator sends
back the rows.
"""

import base64
import zlib
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

from flowkeep.contracts import NewRun, Run, RunStatus, Source
from flowkeep.errors import LedgerUnavailable, OpenRunExists
from flowkeep.statestore import encoding
from flowkeep.statestore.keyring import Keyring
from flowkeep.statestore.repositories import executions, inputs, labels, payloads, tombstones
from flowkeep.statestore.repositories.pins import pin
from flowkeep.statestore.repositories.request_sql import (
    PAYLOAD,
    PAYLOAD_REF,
    WHY_NOT,
    statement,
)
from flowkeep.statestore.secrets import references
from flowkeep.statestore.session import Scope, Session

T = TypeVar("T")
Rows = Sequence[Mapping[str, Any]]
Statement = tuple[str, dict[str, str]]
"""SQL with `{schema}` and `:name`, and its parameters: texts only."""
Steps = Generator[Statement, Rows, T]
"""Statements to run one after the other, each answered by its rows."""

SecretValues = Mapping[UUID, dict[str, Any] | str]
"""Values that were taken out of the arguments, by the id of their reference."""

TEMPORAL_NAMES = ("namespace", "workflow_id", "workflow_type", "task_queue")
_FREE_NAMES = ("app_id", "triggered_from", "owner")
_TEXTS = ("app_id", "triggered_from", "owner", "created_by", "origin", "goal")
_TRIES = 3


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a request.

    Attributes:
        created: False if the run existed already under this id.
        used_before: Whether the ledger knows that the workflow_id was another run's before.
    """

    created: bool
    used_before: bool


@dataclass(frozen=True, slots=True)
class Document:
    """A request as the statement takes it.

    Attributes:
        sql: The statement, with only the parts that this request needs.
        request: Its one parameter.
        payload: The inputs, where they are too big for a row.
    """

    sql: str
    request: str
    payload: payloads.Packed | None


def prepare(
    tenant_id: str,
    new: NewRun,
    *,
    secrets: SecretValues | None = None,
    keyring: Keyring | None = None,
    channel: str | None = None,
) -> Document:
    """Check a request and put it into one document.

    Args:
        tenant_id: Whose run.
        new: The request.
        secrets: What was taken out of its arguments.
        keyring: Encrypts them.
        channel: Where it is announced when the transaction commits; None for nowhere.

    Raises:
        InvalidInput: If something cannot be stored; names the field.
    """
    row = columns(tenant_id, new)
    wanted = None if new.arguments is None else encoding.strict(new.arguments, "arguments")
    same = new.inputs is new.arguments
    packed = payloads.pack(wanted if same else encoding.strict(new.inputs, "inputs"))
    big = packed is not None and packed.hash is not None
    if big:
        assert packed is not None
        assert packed.hash is not None
        row["inputs_hash"] = "\\x" + packed.hash.hex()
    elif not same:
        row |= {"inputs": payloads.columns("inputs", packed)["inputs"]}
    named = references(wanted) - set(secrets or ())
    row |= {
        "arguments": wanted,
        "told": {"source": Source.CLIENT.name.lower(), "to": RunStatus.PENDING.value},
        "channel": channel,
        "referred": sorted(map(str, named)),
    }
    if secrets:
        assert keyring is not None
        row["secrets"] = [_hidden(keyring, tenant_id, *item) for item in secrets.items()]
    sql = statement(
        with_arguments=wanted is not None,
        with_labels=bool(row["labels"]),
        with_secrets=bool(secrets),
        with_references=bool(named),
        announced=channel is not None,
        source_of_inputs="NULL" if big else "arguments" if same else "inputs",
    )
    return Document(sql, encoding.lenient(row).decode(), packed if big else None)


def write(document: Document, tenant_id: str, new: NewRun) -> Steps[Written]:
    """Record a request.

    Raises:
        OpenRunExists: If another run with its workflow_id is open; nothing was written.
        Conflict: If the id was a run's that is deleted or archived.
        LedgerUnavailable: If runs with its workflow_id come and go too fast.
    """
    bound = {"id": str(new.id), "namespace": new.namespace, "workflow_id": new.workflow_id}
    for _ in range(_TRIES):
        rows = yield document.sql, {"request": document.request}
        if rows:
            if document.payload is not None:
                yield from _keep(tenant_id, new.id, document.payload)
            return Written(created=True, used_before=bool(rows[0]["used_before"]))
        [why] = yield WHY_NOT, bound
        if why["here"]:
            return Written(created=False, used_before=False)
        if why["gone"]:
            raise tombstones.gone(new.id)
        if why["open"]:
            raise OpenRunExists(new.workflow_id, run_id=UUID(why["open"]))
        # The run that was in the way has ended since: try again.
    raise LedgerUnavailable(
        f"runs with workflow_id {new.workflow_id!r} start and end faster than one can be recorded",
        hint="try again",
    )


def columns(tenant_id: str, new: NewRun) -> dict[str, Any]:
    """Return what a request says of its run, checked, by column.

    Raises:
        InvalidInput: If a name is empty or too long, or something cannot be stored.
    """
    for field in TEMPORAL_NAMES:
        inputs.name(getattr(new, field), field, inputs.TEMPORAL_BYTES)
    check_lengths(new)
    return {
        "id": new.id,
        "tenant_id": inputs.tenant(tenant_id),
        "namespace": new.namespace,
        "workflow_id": new.workflow_id,
        "workflow_type": new.workflow_type,
        "task_queue": new.task_queue,
        "kind": new.kind.value,
        "labels": labels.checked(new.labels),
        "start_options": encoding.strict(new.start_options, "start_options"),
        "definition_id": new.definition_id,
        "definition_revision": new.definition_revision,
        "parent_run_id": new.parent_run_id,
        "root_run_id": new.root_run_id,
        "retry_of": new.retry_of,
        "state": encoding.strict(new.state, "state"),
        "created_at": inputs.instant(new.created_at, "created_at"),
        **{field: encoding.strict(getattr(new, field), field) for field in _TEXTS},
    }


def check_lengths(wanted: NewRun | Run) -> None:
    """Raise InvalidInput if a name of a run is too long for the indexes that hold it."""
    for field in TEMPORAL_NAMES:
        inputs.short(getattr(wanted, field), field, inputs.TEMPORAL_BYTES)
    for field in _FREE_NAMES:
        if getattr(wanted, field) is not None:
            inputs.short(getattr(wanted, field), field)


def _hidden(keyring: Keyring, tenant_id: str, secret_id: UUID, value: Any) -> dict[str, str]:
    plain = encoding.strict(value, "secret")
    ciphertext = keyring.encrypt(tenant_id, secret_id, plain)
    return {
        "id": str(secret_id),
        "key_id": keyring.key_id,
        "ciphertext": base64.b64encode(ciphertext).decode(),
    }


def _keep(tenant_id: str, run_id: UUID, packed: payloads.Packed) -> Steps[None]:
    """Store inputs that are too big for a row; see `payloads.keep`."""
    assert packed.hash is not None
    name = {"tenant_id": tenant_id, "hash": packed.hash.hex()}
    value = {
        "size": str(len(packed.data)),
        "encoding": payloads.ENCODING,
        "data": base64.b64encode(zlib.compress(packed.data, 1)).decode(),
    }
    for _ in range(_TRIES):
        yield PAYLOAD, {**name, **value}
        if (yield PAYLOAD_REF, {**name, "run_id": str(run_id)}):
            return
        # It went with the last run that needed it, between the two statements.
    raise LedgerUnavailable("values go as fast as they are stored", hint="try again")


class Requests:
    """Requests of runs; see the Protocol `RequestRepository`.

    Args:
        scope: Where sessions come from.
        keyring: Gives the keys of secrets when they are needed.
    """

    def __init__(self, scope: Scope, keyring: Callable[[], Keyring]) -> None:
        self._scope = scope
        self._keyring = keyring

    async def record(
        self, tenant_id: str, new: NewRun, *, secrets: SecretValues | None = None
    ) -> Written:
        """Record a run before Temporal hears of it."""
        keyring = self._keyring() if secrets else None
        if new.definition_id is not None:
            return await self._record_pinned(tenant_id, new, secrets, keyring)
        document = prepare(tenant_id, new, secrets=secrets, keyring=keyring)
        # One statement needs no transaction around it: nor a BEGIN and a COMMIT to wait for.
        scope = self._scope.single if document.payload is None else self._scope.write
        async with scope() as session:
            return await drive(session, write(document, tenant_id, new))

    async def _record_pinned(
        self, tenant_id: str, new: NewRun, secrets: SecretValues | None, keyring: Keyring | None
    ) -> Written:
        """Record a run of a definition with the version that it pins."""
        assert new.definition_id is not None
        async with self._scope.write() as session:
            pinned = await pin(session, tenant_id, new.definition_id, new.definition_revision)
            new = new.model_copy(update={"definition_revision": pinned.revision})
            document = prepare(tenant_id, new, secrets=secrets, keyring=keyring)
            written = await drive(session, write(document, tenant_id, new))
            if written.created:
                await executions.note(session, pinned, datetime.now(UTC))
            return written

    def steps(
        self,
        tenant_id: str,
        new: NewRun,
        *,
        secrets: SecretValues | None = None,
        channel: str | None = None,
    ) -> Steps[Written]:
        """Return the statements of `record`, for a connection of the caller's own.

        Args:
            tenant_id: Whose run.
            new: The request.
            secrets: What was taken out of its arguments.
            channel: Where it is announced when the transaction commits.
        """
        keyring = self._keyring() if secrets else None
        document = prepare(tenant_id, new, secrets=secrets, keyring=keyring, channel=channel)
        return write(document, tenant_id, new)

    async def answer(self, steps: Steps[T]) -> T:
        """Run statements that only read."""
        async with self._scope.read() as session:
            return await drive(session, steps)


async def drive(session: Session, steps: Steps[T]) -> T:
    """Run statements in a session; returns what they come to."""
    try:
        statement, bound = next(steps)
        while True:
            result = await session.execute(statement, bound)
            rows = [dict(row) for row in result.mappings()] if result.returns_rows else []
            statement, bound = steps.send(rows)
    except StopIteration as end:
        answer: T = end.value
        return answer
