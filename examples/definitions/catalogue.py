"""Actions of the nightly definition: from the files of an extraction to pages that are read."""

import io
from typing import Any
from urllib.parse import quote

import polars as pl
from pydantic import BaseModel

from flowkeep.definitions.actions import ActionContext, ActionError, action
from flowkeep.extraction.metadata.manifest_file import read_manifest
from flowkeep.storage import Storage


class Table(BaseModel):
    """A table that was found, with what is told of it."""

    schema_name: str
    name: str
    comment: str | None
    columns: list[str]


@action("catalogue.tables", idempotent=True)
def tables(manifest: str, context: ActionContext) -> list[Table]:
    """Read from the files of an extraction which tables there are."""
    storage = context.services.storage
    scopes = read_manifest(storage, manifest)["scopes"]
    columns = _rows(storage, scopes, "columns").sort("ordinal_position")
    by_table = columns.group_by("schema_name", "table_name", maintain_order=True)
    names = by_table.agg(pl.col("column_name"))
    found = _rows(storage, scopes, "tables").join(
        names, on=["schema_name", "table_name"], how="left"
    )
    return [
        Table(
            schema_name=row["schema_name"],
            name=row["table_name"],
            comment=row["comment"],
            columns=row["column_name"] or [],
        )
        for row in found.sort("schema_name", "table_name").iter_rows(named=True)
    ]


@action("catalogue.write_pages", idempotent=True)
def write_pages(
    tables: list[Table], folder: str, context: ActionContext, strict: bool = False
) -> list[str]:
    """Write a page for each table and return their names."""
    written = []
    for number, table in enumerate(tables):
        if strict and not table.comment:
            raise ActionError(
                f"the table {table.name!r} of {table.schema_name!r} has no comment",
                code="NO_COMMENT",
                retryable=False,
            )
        name = f"{quote(f'{table.schema_name}.{table.name}', safe='')}.md"
        text = [f"# {table.name}", "", table.comment or "", "", *(f"- {c}" for c in table.columns)]
        context.services.storage.put(_key(context, folder, name), "\n".join(text).encode())
        context.progress(pages=number + 1)
        written.append(name)
    return written


@action("catalogue.publish", idempotent=True)
def publish(folder: str, pages: list[str], context: ActionContext) -> str:
    """Write the index that makes the pages public, and return its key."""
    missing = [one for one in pages if not _exists(context, folder, one)]
    if missing:
        raise ActionError(f"{len(missing)} pages are missing", code="PAGES_MISSING")
    key = _key(context, folder, "index.md")
    lines = [f"- [{one.removesuffix('.md')}]({one})" for one in pages]
    context.services.storage.put(key, "\n".join(lines).encode())
    return key


@action("catalogue.take_back", idempotent=True)
def take_back(folder: str, context: ActionContext) -> int:
    """Delete what was written, and return how many files that were."""
    return context.services.storage.delete_folder(_key(context, folder, "").rstrip("/"))


CATALOGUE = [tables, write_pages, publish, take_back]


def _rows(storage: Storage, scopes: list[dict[str, Any]], kind: str) -> pl.DataFrame:
    parts = [part for scope in scopes if scope["kind"] == kind for part in scope["parts"]]
    return pl.concat(pl.read_parquet(io.BytesIO(storage.get(part["key"]))) for part in parts)


def _exists(context: ActionContext, folder: str, name: str) -> bool:
    return context.services.storage.exists(_key(context, folder, name))


def _key(context: ActionContext, folder: str, name: str) -> str:
    return f"{context.services.run.tenant_id}/{folder}/{name}"
