"""What the service answers when it cannot do what was asked (RFC 9457)."""

from pydantic import Field

from flowkeep.contracts.record import Record


class FieldProblem(Record):
    """What is wrong with one field.

    Attributes:
        path: Where, for example `body.labels.team` or `tasks[2].input`.
        message: What is wrong there.
        hint: What to do about it.
        line: Line of the document, from 1, where it was read from a text.
        level: A `warning` keeps nobody from using it.
    """

    path: str
    message: str
    hint: str | None = None
    line: int | None = None
    level: str = "error"


class ProblemDetails(Record):
    """A problem, as `application/problem+json`.

    Attributes:
        type: `urn:flowkeep:problem:` and the code.
        title: The kind of problem, in words.
        status: The HTTP status.
        detail: What happened; names the field or the object.
        code: Stable code in UPPER_SNAKE; see the list of errors.
        hint: What to do next.
        request_id: Names the request in logs and in the audit log.
        errors: What is wrong, field by field.
    """

    type: str
    title: str
    status: int = Field(ge=400, le=599)
    detail: str
    code: str
    hint: str | None = None
    request_id: str | None = None
    errors: tuple[FieldProblem, ...] = ()
