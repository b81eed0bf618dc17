# Made from the file of this name in `_async` by tools/sync_client; do not edit.
"""Stored definitions: everything that can be done with them."""

from typing import Any, Literal
from urllib.parse import quote
from uuid import UUID

from pydantic import TypeAdapter

from flowkeep.clients.remote._sync.transport import Transport
from flowkeep.clients.remote.headers import if_match
from flowkeep.contracts import DefinitionSummary, DefinitionVersion, RunSummary, VersionSummary
from flowkeep.contracts.api.definition_answers import (
    AppliedDefinition,
    DefinitionAnswer,
    DefinitionDifferences,
    DefinitionReport,
    DefinitionUsage,
    DeletedDefinition,
    Execution,
)
from flowkeep.contracts.api.definitions import (
    CanvasImport,
    DefinitionChange,
    DefinitionSource,
    DrawnDefinition,
    ExecuteRequest,
    Order,
)
from flowkeep.contracts.api.listing import Listing

_ANSWER = TypeAdapter(DefinitionAnswer)
_APPLIED = TypeAdapter(AppliedDefinition)
_CANVAS: TypeAdapter[Any] = TypeAdapter(Any)
_DELETED = TypeAdapter(DeletedDefinition)
_DIFFERENCES = TypeAdapter(DefinitionDifferences)
_EXECUTION = TypeAdapter(Execution)
_REPORT = TypeAdapter(DefinitionReport)
_RUNS = TypeAdapter(Listing[RunSummary])
_SUMMARIES = TypeAdapter(Listing[DefinitionSummary])
_USAGE = TypeAdapter(DefinitionUsage)
_VERSION = TypeAdapter(DefinitionVersion)
_VERSIONS = TypeAdapter(Listing[VersionSummary])


class Definitions:
    """Definitions; it is `client.definitions`.

    Args:
        transport: Sends the requests.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def get(self, definition: UUID | str) -> DefinitionAnswer:
        """Return a definition with its newest content."""
        return self._transport.call("GET", _path(definition), _ANSWER)

    def list(
        self,
        *,
        app_id: str | None = None,
        app_name: str | None = None,
        parent: str | None = None,
        owner: str | None = None,
        tag: str | None = None,
        enabled: bool | None = None,
        draft: bool | None = None,
        module: str | None = None,
        step: str | None = None,
        text: str | None = None,
        include_shared: bool = False,
        order: Order = "newest",
        limit: int = 20,
        cursor: str | None = None,
    ) -> Listing[DefinitionSummary]:
        """Return a page of the definitions that the caller may see."""
        query = {
            "app_id": app_id,
            "app_name": app_name,
            "parent": parent,
            "owner": owner,
            "tag": tag,
            "enabled": enabled,
            "draft": draft,
            "module": module,
            "step": step,
            "text": text,
            "include_shared": include_shared,
            "order": order,
            "limit": limit,
            "cursor": cursor,
        }
        return self._transport.call("GET", "/definitions", _SUMMARIES, query=query)

    def versions(
        self, definition: UUID | str, *, limit: int = 20, cursor: str | None = None
    ) -> Listing[VersionSummary]:
        """Return a page of a definition's versions, newest first, without their content."""
        path, query = _path(definition, "versions"), {"limit": limit, "cursor": cursor}
        return self._transport.call("GET", path, _VERSIONS, query=query)

    def version(self, definition: UUID | str, revision: int) -> DefinitionVersion:
        """Return one version, whole."""
        return self._transport.call("GET", _path(definition, "versions", revision), _VERSION)

    def canvas(self, definition: UUID | str, *, revision: int | None = None) -> Any:
        """Return the canvas that a definition, or a version of it, was made from, unchanged."""
        path, query = _path(definition, "canvas"), {"revision": revision}
        return self._transport.call("GET", path, _CANVAS, query=query)

    def validate(self, source: DefinitionSource | DrawnDefinition) -> DefinitionReport:
        """Return everything that is wrong with a definition; nothing is stored."""
        return self._transport.call("POST", "/definitions/validate", _REPORT, body=source)

    def diff(
        self, source: DefinitionSource, *, revision: int | None = None
    ) -> DefinitionDifferences:
        """Tell what applying a document would change."""
        query = {"revision": revision}
        return self._transport.call(
            "POST", "/definitions/diff", _DIFFERENCES, body=source, query=query
        )

    def diff_revisions(
        self, definition: UUID | str, old: int, new: int | None = None
    ) -> DefinitionDifferences:
        """Tell what changed from one version to another, or to what is stored now."""
        path, query = _path(definition, "diff"), {"old": old, "new": new}
        return self._transport.call("GET", path, _DIFFERENCES, query=query)

    def runs(
        self, definition: UUID | str, *, limit: int = 20, cursor: str | None = None
    ) -> Listing[RunSummary]:
        """Return a page of a definition's runs that the caller may see, newest first."""
        path, query = _path(definition, "runs"), {"limit": limit, "cursor": cursor}
        return self._transport.call("GET", path, _RUNS, query=query)

    def create(self, new: DefinitionSource | DrawnDefinition) -> DefinitionAnswer:
        """Store a new definition; a missing ref or slug is made from its name."""
        return self._transport.call("POST", "/definitions", _ANSWER, body=new)

    def apply(
        self,
        source: DefinitionSource,
        definition: UUID | str | None = None,
        *,
        expected_revision: int | None = None,
    ) -> AppliedDefinition:
        """Store a document as the definition of its ref: a new one, or a new version."""
        path = "/definitions" if definition is None else _path(definition)
        headers = if_match(expected_revision)
        return self._transport.call("PUT", path, _APPLIED, body=source, headers=headers)

    def import_canvas(
        self, new: CanvasImport, *, expected_revision: int | None = None
    ) -> AppliedDefinition:
        """Store what a canvas draws as the definition of a ref, the canvas unchanged beside it."""
        path, headers = "/definitions/import-canvas", if_match(expected_revision)
        return self._transport.call("POST", path, _APPLIED, body=new, headers=headers)

    def update(
        self,
        definition: UUID | str,
        change: DefinitionChange,
        *,
        expected_revision: int | None = None,
    ) -> DefinitionAnswer:
        """Change the fields that are given."""
        path, headers = _path(definition), if_match(expected_revision)
        return self._transport.call("PATCH", path, _ANSWER, body=change, headers=headers)

    def rollback(
        self, definition: UUID | str, revision: int, *, expected_revision: int | None = None
    ) -> AppliedDefinition:
        """Make the content of an earlier version the newest version; nothing is lost."""
        path, headers = _path(definition, "rollback"), if_match(expected_revision)
        return self._transport.call("POST", path, _APPLIED, query={"to": revision}, headers=headers)

    def set_enabled(self, definition: UUID | str, enabled: bool) -> AppliedDefinition:
        """Let runs of a definition start, or refuse them; those that are open go on."""
        path = _path(definition, "enable" if enabled else "disable")
        return self._transport.call("POST", path, _APPLIED)

    def delete(
        self,
        definition: UUID | str,
        *,
        force: bool = False,
        expected_revision: int | None = None,
    ) -> DeletedDefinition:
        """Remove a definition, or hide it while runs pin it."""
        path, headers = _path(definition), if_match(expected_revision)
        return self._transport.call(
            "DELETE", path, _DELETED, query={"force": force}, headers=headers
        )

    def execute(self, definition: UUID | str, request: ExecuteRequest | None = None) -> Execution:
        """Start a run of a definition; it belongs to the caller, and to their tenant."""
        return self._transport.call("POST", _path(definition, "execute"), _EXECUTION, body=request)

    def usage(
        self,
        *,
        by: Literal["module", "step"] = "module",
        app_id: str | None = None,
        limit: int = 20,
    ) -> DefinitionUsage:
        """Return the modules or steps whose definitions have most runs; for staff."""
        query = {"by": by, "app_id": app_id, "limit": limit}
        return self._transport.call("GET", "/definition-usage", _USAGE, query=query)


def _path(definition: UUID | str, *parts: str | int) -> str:
    """Return a path below `/definitions`."""
    words = (quote(str(one), safe="") for one in (definition, *parts))
    return f"/definitions/{'/'.join(words)}"
