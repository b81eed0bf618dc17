"""What the ledger keeps of a document: the whole of it, and what lists and runs look at."""

from collections.abc import Mapping
from typing import Any

from flowkeep.contracts import DefinitionVersion


def content_of(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a stored definition that a document determines.

    Args:
        data: Plain data of a document; what a draft has in the wrong form is left out.
    """
    tags = data.get("tags")
    return {
        "name": _text(data, "label") or data["ref"],
        "description": _text(data, "description"),
        "version": _text(data, "version"),
        "tags": [one for one in tags if isinstance(one, str)] if isinstance(tags, list) else [],
        "spec": dict(data),
        "param_schema": _object(data, "parameters"),
        "out_schema": _object(data, "output"),
    }


def rolled_back(version: DefinitionVersion) -> dict[str, Any]:
    """Return the fields of a definition that goes back to a version.

    Args:
        version: One that was no draft; its `spec` may be empty where a caller stored it so.
    """
    fields = content_of(version.spec) if version.spec.get("ref") else {"version": version.version}
    kept = ("spec", "canvas", "param_schema", "out_schema")
    return {**fields, **{name: getattr(version, name) for name in kept}}


def _text(data: Mapping[str, Any], key: str) -> str | None:
    value = data.get(key)
    return value if isinstance(value, str) and value else None


def _object(data: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = data.get(key)
    return dict(value) if isinstance(value, Mapping) else {}
