"""Validating arguments against a user's model."""

from typing import Any

from pydantic import BaseModel, ValidationError

from flowkeep.errors import InvalidInput


def validate_arguments(model: type[BaseModel], arguments: dict[str, Any]) -> BaseModel:
    """Validate arguments; the error names each field and never shows a value.

    Args:
        model: The pydantic model.
        arguments: Field name to value.

    Raises:
        InvalidInput: If they do not fit the model.
    """
    try:
        return model.model_validate(arguments)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(step) for step in item['loc']) or model.__name__}: {item['msg']}"
            for item in error.errors(include_input=False, include_context=False)
        )
        raise InvalidInput(
            f"the arguments do not fit {model.__name__}: {problems}",
            hint=_REFERENCE_HINT
            if any(_is_reference(arguments, item["loc"]) for item in error.errors())
            else "correct the named fields and start again",
        ) from None


_REFERENCE_HINT = (
    "secrets arrive as references: declare such a field as dict[str, Any], and open it in an "
    "activity with self.services.secrets.resolve"
)


def _is_reference(arguments: Any, path: tuple[int | str, ...]) -> bool:
    for step in path:
        if isinstance(arguments, dict) and "secret_ref" in arguments:
            return True
        try:
            arguments = arguments[step]
        except (KeyError, IndexError, TypeError):
            return False
    return isinstance(arguments, dict) and "secret_ref" in arguments
