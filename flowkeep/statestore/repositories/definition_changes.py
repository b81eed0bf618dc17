"""Changes of a stored definition, and its end."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import delete as delete_from
from sqlalchemy import exists, func, literal_column, null, select, update

from flowkeep.contracts import Component, DefinitionPatch, Deleted, Problem
from flowkeep.errors import Conflict, RevisionMismatch
from flowkeep.statestore.repositories import (
    components,
    definition_content,
    definition_rows,
    inputs,
    names,
)
from flowkeep.statestore.repositories.definition_content import Content
from flowkeep.statestore.repositories.definition_creation import (
    problems_column,
    refuse_taken,
    texts,
    write_version,
)
from flowkeep.statestore.repositories.definition_rows import CONTENT
from flowkeep.statestore.session import Session
from flowkeep.statestore.tables import (
    action,
    definition,
    definition_component,
    definition_execution,
    definition_version,
    run,
    run_archive,
)

_SAID = {"modules_used", "steps_in_modules"}
_PLAIN = ("name", "ref", "slug", "app_id", "tags", "enabled", "draft", "visibility")
_TEXTS = ("description", "version", "owner")
_EMPTY: dict[str, Any] = {"spec": {}, "param_schema": {}, "out_schema": {}, "canvas": None}


async def change(
    session: Session,
    tenant_id: str,
    definition_id: UUID,
    patch: DefinitionPatch,
    expected_revision: int,
    actor: str | None,
) -> None:
    """Apply a patch to the revision that was read; see the Protocol."""
    row = await definition_rows.lock(session, tenant_id, definition_id)
    if row["deleted_at"] is not None:
        raise definition_rows.absent(definition_id)
    _check_revision(row, expected_revision)
    given = patch.model_fields_set
    values = {n: v for n, v in _columns(patch).items() if row[n] != v}
    stored = await definition_rows.content(session, row)
    used = await definition_rows.read_components(session, definition_id)
    content = _content(patch, stored, used)
    changed = {
        n: v for n, v in content.columns.items() if not definition_content.same(stored[n], v, n)
    }
    problems = _problems(patch, row, content, read_anew=bool(changed or given & _SAID))
    if not values.get("draft", row["draft"]):
        definition_content.refuse(problems)
    if problems_column(problems) != row["errors"]:
        values["errors"] = problems_column(problems) or null()
    if not values and not changed and content.components == used:
        return
    await refuse_taken(session, {**row, **values}, sorted({"ref", "slug"} & _renamed(values)))
    row = await _update(session, row, values, version=bool(changed))
    await _save_version(session, row, stored, content, saved=bool(changed), actor=actor)
    if content.components != used:
        await definition_rows.replace_components(
            session, tenant_id, definition_id, content.components
        )


async def delete(
    session: Session, tenant_id: str, definition_id: UUID, expected_revision: int | None
) -> Deleted:
    """Remove a definition, or hide it while something needs it; see the Protocol."""
    row = await definition_rows.lock(session, tenant_id, definition_id, removing=True)
    if expected_revision is not None:
        _check_revision(row, expected_revision)
    await _refuse_linked(session, row)
    if await _needed(session, definition_id):
        if row["deleted_at"] is None:
            await _update(session, row, {"deleted_at": func.now()}, version=False)
        return Deleted.HIDDEN
    for table in (definition_component, definition_version):
        await session.execute(delete_from(table).where(table.c.definition_id == definition_id))
    deltas = definition_execution.c
    await session.execute(
        delete_from(definition_execution).where(
            deltas.tenant_id == tenant_id, deltas.definition_id == definition_id
        )
    )
    await session.execute(delete_from(definition).where(definition.c.id == definition_id))
    return Deleted.REMOVED


def _check_revision(row: Mapping[str, Any], expected: int) -> None:
    if row["revision"] != expected:
        raise RevisionMismatch(f"definition {row['id']}", expected=expected, actual=row["revision"])


def _columns(patch: DefinitionPatch) -> dict[str, Any]:
    """Return the given fields that are columns of the definition, checked."""
    checks: dict[str, Any] = {
        "name": lambda v: names.label(v, "name"),
        "ref": names.ref,
        "slug": names.slug,
        "app_id": lambda v: v if v is None else inputs.name(v, "app_id"),
        "tags": lambda v: names.tags(v or ()),
        "visibility": lambda v: v.value,
    }
    given = patch.model_fields_set
    values = {n: getattr(patch, n) for n in _PLAIN if n in given}
    values = {n: checks[n](v) if n in checks else v for n, v in values.items()}
    return values | texts({n: getattr(patch, n) for n in _TEXTS if n in given})


def _content(patch: DefinitionPatch, stored: Mapping[str, Any], used: list[Component]) -> Content:
    """Return the content that the patch leads to."""
    given = patch.model_fields_set
    columns = {n: getattr(patch, n) if n in given else stored[n] for n in CONTENT}
    columns = {n: _EMPTY[n] if v is None else v for n, v in columns.items()}
    content = definition_content.check(columns, patch.modules_used, patch.steps_in_modules)
    if used and not content.components and not given & _SAID:
        told, _ = components.derive(stored["spec"], stored["canvas"])
        if not told:
            # Neither canvas nor tasks ever said what it uses: what the caller said still holds.
            return Content(content.columns, used, content.problems)
    return content


def _problems(
    patch: DefinitionPatch, row: Mapping[str, Any], content: Content, *, read_anew: bool
) -> list[Problem]:
    """Return what is wrong now: what is read off the content, and what a validation found.

    A validation of content that has changed since says nothing any more.
    """
    if patch.errors is not None:
        return [*content.problems, *(p for p in patch.errors if p not in content.problems)]
    if read_anew or "errors" in patch.model_fields_set:
        return content.problems
    return [Problem.model_validate(problem) for problem in row["errors"] or ()]


def _renamed(values: Mapping[str, Any]) -> set[str]:
    """Return which names may collide now; with the app, the slug is among others."""
    return {*values, *(["slug"] if "app_id" in values else [])}


async def _update(
    session: Session, row: Mapping[str, Any], values: Mapping[str, Any], *, version: bool
) -> dict[str, Any]:
    bumped = definition.c.revision + 1
    pinned = {"version_revision": bumped} if version else {}
    changed = await session.execute(
        update(definition)
        .where(definition.c.id == row["id"])
        .values({**values, **pinned, "revision": bumped, "updated_at": func.now()})
        .returning(definition)
    )
    return dict(changed.mappings().one())


async def _save_version(
    session: Session,
    row: Mapping[str, Any],
    before: Mapping[str, Any],
    content: Content,
    *,
    saved: bool,
    actor: str | None,
) -> None:
    """Write the new version. A draft's version gives way to it, or loses its mark with the draft's.

    So a draft has one version however often it is saved; nothing can have pinned the others.
    """
    version = definition_version
    at = [version.c.definition_id == row["id"], version.c.revision == before["revision"]]
    if saved:
        if before["draft"]:
            await session.execute(delete_from(version).where(*at))
        await write_version(session, row, content.columns, actor)
    elif before["draft"] and not row["draft"]:
        await session.execute(update(version).where(*at).values(draft=False))


async def _refuse_linked(session: Session, row: Mapping[str, Any]) -> None:
    """Raise while actions of the tenant stand for the definition."""
    found = await session.execute(
        select(action.c.ref)
        .where(action.c.definition_id == row["id"], action.c.tenant_id == row["tenant_id"])
        .order_by(action.c.created_at, action.c.id)
        .limit(4)
    )
    refs = list(found.scalars())
    if refs:
        more = " and others" if len(refs) > 3 else ""
        raise Conflict(
            f"definition {row['id']} is linked by the actions {', '.join(refs[:3])}{more}",
            hint="link them to another definition, or to none, first",
        )


async def _needed(session: Session, definition_id: UUID) -> bool:
    """Return whether runs, live or archived, or actions of other tenants refer to it."""
    # Literal, so that a generic plan still matches the partial index.
    ran = [
        exists().where(t.c.definition_id == definition_id, t.c.kind == literal_column("'run'"))
        for t in (run, run_archive)
    ]
    linked = exists().where(action.c.definition_id == definition_id)
    found = await session.execute(select(ran[0] | ran[1] | linked))
    return bool(found.scalar_one())
