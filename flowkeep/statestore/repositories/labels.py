"""Labels of runs: one row each, so that runs with a label come in the order of lists."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from flowkeep.errors import InvalidInput
from flowkeep.statestore import encoding
from flowkeep.statestore.session import Session

MOST_LABELS = 64
LONGEST_KEY = 100
LONGEST_VALUE = 200
"""Key and value stand in an index, whose rows are small."""

_ADD = """
INSERT INTO {schema}.run_label (tenant_id, key, value, created_at, run_id)
SELECT :tenant_id, label.key, label.value, :created_at, :run_id
FROM jsonb_each_text(CAST(:labels AS jsonb)) AS label
ON CONFLICT DO NOTHING
"""
_DROP = """
DELETE FROM {schema}.run_label
WHERE tenant_id = :tenant_id AND key = :key AND value = :value AND archived = false
    AND created_at = :created_at AND run_id = :run_id
"""


def checked(labels: Any) -> dict[str, str]:
    """Return labels as they can be stored and found.

    Raises:
        InvalidInput: If a key or a value is no text, too long, or holds what PostgreSQL cannot
            store, a key is empty, or there are too many.
    """
    if not isinstance(labels, Mapping):
        raise InvalidInput(f"labels are of type {type(labels).__name__}", hint="pass a mapping")
    if len(labels) > MOST_LABELS:
        raise InvalidInput(f"labels are {len(labels)}", hint=f"use at most {MOST_LABELS}")
    for key, value in labels.items():
        if not isinstance(key, str) or not 1 <= len(key) <= LONGEST_KEY:
            raise InvalidInput(
                f"the label {str(key)[:LONGEST_KEY]!r} has no usable key",
                hint=f"use text of 1 to {LONGEST_KEY} characters",
            )
        if not isinstance(value, str) or len(value) > LONGEST_VALUE:
            raise InvalidInput(
                f"the value of label {key!r} is no text of up to {LONGEST_VALUE} characters",
                hint="labels are for filters; put longer texts into the run's inputs or state",
            )
    stored: dict[str, str] = encoding.strict(dict(labels), "labels")
    return stored


def storable(labels: Mapping[str, str]) -> dict[str, str]:
    """Return the nearest labels that can be stored: what was observed is never refused."""
    plain: dict[str, Any] = encoding.storable(dict(labels))
    kept = list(plain.items())[:MOST_LABELS]
    return {str(key)[:LONGEST_KEY]: str(value)[:LONGEST_VALUE] for key, value in kept if key}


async def add(session: Session, row: Mapping[str, Any], labels: Mapping[str, str]) -> None:
    """Write the rows of a run's labels.

    Args:
        session: The transaction that writes the run.
        row: The run: tenant_id, id, created_at.
        labels: What to add; nothing is asked of the database when there are none.
    """
    if labels:
        where = _of(row["tenant_id"], row["id"], row["created_at"])
        await session.execute(_ADD, {**where, "labels": json.dumps(dict(labels))})


async def replace(
    session: Session, row: Mapping[str, Any], old: Mapping[str, str], new: Mapping[str, str]
) -> None:
    """Bring the rows of a locked run from its old labels to its new ones."""
    where = _of(row["tenant_id"], row["id"], row["created_at"])
    gone = [
        {**where, "key": key, "value": value} for key, value in old.items() if new.get(key) != value
    ]
    if gone:
        await session.execute(_DROP, gone)
    await add(session, row, {key: value for key, value in new.items() if old.get(key) != value})


def _of(tenant_id: str, run_id: UUID, created_at: datetime) -> dict[str, Any]:
    return {"tenant_id": tenant_id, "run_id": run_id, "created_at": created_at}
