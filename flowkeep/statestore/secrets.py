"""Secrets found in arguments and replaced by references, before anything is stored or sent.

Pure functions; `store.secrets` keeps what they find. What counts as a secret: whatever stands under
the key `credentials`, text under a key like `password` or `api_key`, pydantic's SecretStr and
SecretBytes, and URLs that hold a password.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import uuid_utils.compat
from pydantic import BaseModel, SecretBytes, SecretStr

from flowkeep.errors import InvalidInput
from flowkeep.redaction import MASK, hides_password, names_secret, redact

REFERENCE = "secret_ref"
"""Key that makes an object a reference: {"secret_ref": "<uuid>"}."""

CREDENTIALS = "credentials"
"""Key whose value is a secret as a whole, at any depth."""


def make_reference(secret_id: UUID, *, shown: str | None = None) -> dict[str, str]:
    """Return a reference to a secret.

    Args:
        secret_id: Id of the secret.
        shown: What people may see of it, for example a URL without its password.
    """
    reference = {REFERENCE: str(secret_id)}
    return reference if shown is None else {**reference, "shown": shown}


def is_reference(value: Any) -> bool:
    """Return whether a value is a reference to a secret."""
    return (
        isinstance(value, Mapping)
        and REFERENCE in value
        and set(value) <= {REFERENCE, "shown"}
        and isinstance(value[REFERENCE], str)
    )


def reference_id(reference: Any) -> UUID:
    """Return the id inside a reference, a text or a UUID.

    Raises:
        InvalidInput: If there is none.
    """
    if isinstance(reference, UUID):
        return reference
    text = reference.get(REFERENCE) if isinstance(reference, Mapping) else reference
    try:
        return UUID(text)
    except (ValueError, TypeError, AttributeError):
        raise InvalidInput(
            "this is no reference to a secret", hint='it looks like {"secret_ref": "<uuid>"}'
        ) from None


def extract_secrets(arguments: Any) -> tuple[Any, dict[UUID, dict[str, Any] | str]]:
    """Replace secrets at any depth by references.

    References that are already there stay. Resolving the references gives back what was passed.

    Args:
        arguments: A JSON-like value; pydantic models in it become objects.

    Returns:
        The clean copy, and the secrets by the id of their reference, to be stored with
        `store.secrets.put(tenant_id, value, secret_id=id)` in the transaction that stores the copy.
    """
    found: dict[UUID, dict[str, Any] | str] = {}

    def keep(value: dict[str, Any] | str, shown: str | None = None) -> dict[str, str]:
        secret_id = uuid_utils.compat.uuid7()
        found[secret_id] = value
        return make_reference(secret_id, shown=shown)

    return _extract(arguments, keep), found


def _extract(value: Any, keep: Callable[..., dict[str, str]]) -> Any:
    if isinstance(value, BaseModel):
        value = dict(value)
    if isinstance(value, (SecretStr, SecretBytes)):
        return keep(_opened(value))
    if isinstance(value, str):
        return keep(value, redact(value)) if _has_password(value) else value
    if is_reference(value):
        return dict(value)
    if isinstance(value, Mapping):
        return {key: _extract_member(key, item, keep) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_extract(item, keep) for item in value]
    return value


def _extract_member(key: Any, value: Any, keep: Callable[..., dict[str, str]]) -> Any:
    if key == CREDENTIALS or (isinstance(value, str) and names_secret(key)):
        return _whole(value, keep)
    return _extract(value, keep)


def _whole(value: Any, keep: Callable[..., dict[str, str]]) -> Any:
    """Treat everything under `credentials` as one secret; what is empty hides nothing."""
    opened = _opened(value)
    if opened is None or opened in ("", {}, []) or is_reference(opened):
        return opened
    return keep(opened if isinstance(opened, (str, dict)) else {"value": opened})


def _opened(value: Any) -> Any:
    """Return a value with its SecretStr and models as plain text and objects."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, SecretBytes):
        return value.get_secret_value().decode(errors="replace")
    if isinstance(value, BaseModel):
        value = dict(value)
    if isinstance(value, Mapping):
        return {key: _opened(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_opened(item) for item in value]
    return value


def replace_references(value: Any, secrets: Mapping[UUID, Any]) -> Any:
    """Return a copy in which references are replaced by the secrets they stand for."""
    if is_reference(value):
        return secrets[reference_id(value)]
    if isinstance(value, Mapping):
        return {key: replace_references(item, secrets) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [replace_references(item, secrets) for item in value]
    return value


def references(value: Any) -> set[UUID]:
    """Return the ids of all references inside a value."""
    if is_reference(value):
        return {reference_id(value)}
    items = (
        value.values()
        if isinstance(value, Mapping)
        else value
        if isinstance(value, (list, tuple))
        else ()
    )
    return {found for item in items for found in references(item)}


def same_arguments(one: Any, other: Any) -> bool:
    """Return whether two clean arguments are equal but for the ids of their references."""
    return _comparable(one) == _comparable(other)


def _comparable(value: Any) -> str:
    blank = {secret_id: {REFERENCE: MASK} for secret_id in references(value)}
    return json.dumps(replace_references(value, blank), sort_keys=True, default=str)


def _has_password(text: str) -> bool:
    """Tell whether a text is a URL that holds a password, quoted as it should be or not.

    A password with an unquoted `/` ends the authority too early for a strict parser; only for
    http is `host:port/…@…` the likelier meaning.
    """
    if not hides_password(text):
        return False
    try:
        parts = urlsplit(text.strip())
        if parts.password:
            return True
        return not (parts.scheme in ("http", "https") and parts.port is not None)
    except ValueError:  # what looks like a port is no number: it is a password
        return True
