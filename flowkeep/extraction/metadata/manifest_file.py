"""Manifests as they lie in storage."""

from typing import Any

import orjson

from flowkeep.errors import Incomplete
from flowkeep.storage import Storage

SCHEMA = 1
"""Version of the manifest's shape; fields may be added without another one."""

ENTITY_SCHEMA = 2
"""Version of the entities' content: content hashes of different ones say nothing together."""


def read_manifest(storage: Storage, key: str) -> dict[str, Any]:
    """Return a stored manifest.

    Args:
        storage: Where it lies.
        key: Its key.

    Raises:
        NotFound: If there is none: the run has not finished.
        Incomplete: If it is not a manifest, or of another version.
    """
    try:
        content: dict[str, Any] = orjson.loads(storage.get(key))
        schema = content["schema"]
        if not isinstance(content["scopes"], list):
            raise TypeError("scopes are no list")
    except (ValueError, KeyError, TypeError) as error:
        raise Incomplete(
            f"{key} is not a manifest: {error}", hint="name the manifest.json of a finished run"
        ) from None
    if schema != SCHEMA:
        raise Incomplete(
            f"{key}: schema {schema} is not {SCHEMA}, which this version reads",
            hint="use the version of flowkeep that wrote it",
        )
    return content
