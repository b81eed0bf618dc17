"""Parameters of runs: checked before a run is recorded, and again when it begins."""

from typing import Any

from flowkeep.definitions import schema_defaults, schemas
from flowkeep.definitions.action_references import as_reference, reserved_path
from flowkeep.errors import InvalidInput


def check_parameters(
    spec: dict[str, Any], given: dict[str, Any], *, outside: bool = True
) -> dict[str, Any]:
    """Return the parameters of a run, checked and with defaults filled in.

    Args:
        spec: The definition.
        given: The parameters.
        outside: Whether they come from outside, and not from a task of the same tenant: such ones
            name no stored values and no secrets.

    Raises:
        InvalidInput: If they do not fit; names each.
    """
    reserved = reserved_path(given, "parameters") if outside else None
    if reserved is not None:
        raise InvalidInput(
            f"{reserved} is a reserved key", hint='only definitions refer to secrets: secret("…")'
        )
    schema = spec.get("parameters") or {}
    parameters: dict[str, Any] = schema_defaults.with_defaults(schema, given)
    if schema:
        # What stands for a secret was of the right kind when it was taken out, or is by its name.
        schemas.require(
            schema, parameters, "parameters", opaque=lambda value: as_reference(value) is not None
        )
    return parameters
