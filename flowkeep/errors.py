"""Every error flowkeep raises, in one tree.

::

    FlowkeepError
    ├── InvalidInput            (also a ValueError) what was passed cannot be used
    ├── NotFound                the named object does not exist for this tenant
    │   └── PayloadMissing      a large payload is lost or damaged             (retried)
    ├── Unauthenticated         the service does not know who calls
    ├── Forbidden               the object belongs to another tenant or owner
    ├── Conflict                the object exists or changed in the meantime
    │   ├── StaleAttempt        a newer attempt of the activity records its steps (retried)
    │   ├── StepMismatch        the code of a step changed under a running task   (retried)
    │   ├── RevisionMismatch    somebody else changed it first: re-read, try again
    │   ├── OpenRunExists       another run with this workflow_id is still open
    │   └── IllegalTransition   a status cannot move there
    │       ├── AlreadyTerminal the run or task has already ended
    │       └── CancelPending   a cancel was requested: only `cancelled` is left
    ├── ConfigurationError      set-up is wrong: code, settings, migration, credentials
    ├── SourceUnavailable       a source system cannot be reached          (retried)
    ├── LedgerUnavailable       PostgreSQL cannot be reached               (retried)
    ├── TemporalUnavailable     the Temporal server cannot be reached      (retried)
    ├── ServiceUnavailable      the REST API cannot be reached             (retried)
    ├── TooManyRequests         the service asks to slow down              (retried)
    ├── Incomplete              counts do not agree: nothing is passed off as whole
    └── RunFailed               the run that was waited for did not succeed

Each class carries a stable ``code`` (UPPER_SNAKE), a ``hint`` that says what to do next, and
``retryable``: whether Temporal should try an activity again that raised it.
"""

from typing import ClassVar
from uuid import UUID


class FlowkeepError(Exception):
    """Root of all errors of flowkeep.

    Args:
        message: What happened; names the field or the object.
        hint: What to do next; the class's own hint when left out.
        code: Stable code in UPPER_SNAKE; the class's own code when left out.

    Attributes:
        request_id: Names the request to the service that failed, in its log and audit log.
    """

    code: str = "FLOWKEEP_ERROR"
    hint: str = ""
    request_id: str | None = None
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, hint: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if hint is not None:
            self.hint = hint
        if code is not None:
            self.code = code

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class InvalidInput(FlowkeepError, ValueError):
    """What was passed cannot be used; the message names the field."""

    code = "INVALID_INPUT"


class NotFound(FlowkeepError):
    """The named object does not exist for this tenant."""

    code = "NOT_FOUND"


class PayloadMissing(NotFound):
    """A large payload is not where its reference says, or not what its hash says."""

    code = "PAYLOAD_MISSING"
    hint = "check that FLOWKEEP_DATABASE_URL names the ledger it was stored in"
    retryable = True


class Unauthenticated(FlowkeepError):
    """The service does not know who calls: no key, or one that is wrong, expired or revoked."""

    code = "UNAUTHENTICATED"
    hint = "send a valid API key: Authorization: Bearer fk_…"


class Forbidden(FlowkeepError):
    """The object belongs to another tenant or owner."""

    code = "FORBIDDEN"


class Conflict(FlowkeepError):
    """The object exists already, or its content differs from what was passed."""

    code = "CONFLICT"


class RevisionMismatch(Conflict):
    """Somebody else changed the object first; nothing was written.

    Args:
        name: The object, for example ``run 0197…``.
        expected: The revision the caller had read.
        actual: The revision that is stored now.

    Attributes:
        expected: See above; null for what a remote client was told.
        actual: See above; null for what a remote client was told.
    """

    code = "REVISION_MISMATCH"
    hint = "re-read it and apply your change again"
    expected: int | None = None
    actual: int | None = None

    def __init__(self, name: str, *, expected: int, actual: int) -> None:
        super().__init__(f"{name} is at revision {actual}, not {expected}; nothing was changed")
        self.expected = expected
        self.actual = actual


class StaleAttempt(Conflict):
    """A newer attempt of the same activity records its steps; this one must not any more."""

    code = "STALE_ATTEMPT"
    hint = "nothing is to be done: the newer attempt goes on behind the last recorded step"
    retryable = True


class StepMismatch(Conflict):
    """What a step does is not what is recorded of it: its code changed under a running task."""

    code = "STEP_MISMATCH"
    hint = "put the change behind `await step.patched(…)`, or deploy the code it began with"
    retryable = True


class OpenRunExists(Conflict):
    """Another run with the same workflow_id is open in the same namespace.

    Args:
        workflow_id: The id both runs want.
        run_id: The open run; an error that a remote client raises has no such attribute.
    """

    code = "OPEN_RUN_EXISTS"
    hint = "wait for it, cancel it, or start under another workflow_id"

    def __init__(self, workflow_id: str, *, run_id: UUID) -> None:
        super().__init__(f"workflow_id {workflow_id!r} already has the open run {run_id}")
        self.run_id = run_id


class IllegalTransition(Conflict):
    """The status cannot move from where it is to where it was asked to go."""

    code = "ILLEGAL_TRANSITION"


class AlreadyTerminal(IllegalTransition):
    """The run or task has already ended."""

    code = "ALREADY_TERMINAL"


class CancelPending(IllegalTransition):
    """A cancel was requested; the only move left is to `cancelled`."""

    code = "CANCEL_PENDING"


class ConfigurationError(FlowkeepError):
    """The set-up is wrong: code, settings, migration or credentials. Retrying cannot help."""

    code = "CONFIGURATION_ERROR"


class SourceUnavailable(FlowkeepError):
    """A source system cannot be reached right now. Temporal tries again."""

    code = "SOURCE_UNAVAILABLE"
    retryable = True


class LedgerUnavailable(FlowkeepError):
    """PostgreSQL cannot be reached right now. Temporal tries again."""

    code = "LEDGER_UNAVAILABLE"
    hint = "check that PostgreSQL runs and that FLOWKEEP_DATABASE_URL names it"
    retryable = True


class TemporalUnavailable(FlowkeepError):
    """The Temporal server cannot be reached right now."""

    code = "TEMPORAL_UNAVAILABLE"
    hint = "check that it runs and that TEMPORAL_ADDRESS names it; `flowkeep dev` starts one"
    retryable = True


class ServiceUnavailable(FlowkeepError):
    """The REST API cannot be reached right now."""

    code = "SERVICE_UNAVAILABLE"
    hint = "check that it runs and that FLOWKEEP_SERVER names it; `flowkeep api` starts one"
    retryable = True


class TooManyRequests(FlowkeepError):
    """The service asks to slow down."""

    code = "TOO_MANY_REQUESTS"
    hint = "wait as long as Retry-After says"
    retryable = True


class Incomplete(FlowkeepError):
    """Counts do not agree, so the result is not passed off as whole."""

    code = "INCOMPLETE"


class RunFailed(FlowkeepError):
    """The run that was waited for ended without success.

    Args:
        run_id: The run.
        status: How it ended.
        reason: Why.
    """

    code = "RUN_FAILED"
    hint = "`flowkeep run get` and `flowkeep run tasks` show what happened"

    def __init__(self, run_id: UUID, status: str, reason: str) -> None:
        super().__init__(f"run {run_id} ended as {status}: {reason}")
        self.run_id = run_id
        self.status = status
        self.reason = reason
