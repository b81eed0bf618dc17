"""Requests to the service made of what stands on the command line. Imported late."""

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from flowkeep.errors import InvalidInput

Model = TypeVar("Model", bound=BaseModel)


def made(kind: type[Model], **values: Any) -> Model:
    """Return a request.

    Args:
        kind: What it is.
        **values: Its fields.

    Raises:
        InvalidInput: If a value does not fit; names the field.
    """
    try:
        return kind(**values)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, one['loc'])) or 'options'}: {one['msg']}"
            for one in error.errors(include_input=False)
        )
        raise InvalidInput(problems, hint="see --help") from None
