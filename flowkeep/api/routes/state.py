"""`/state`. Keys travel in queries, where every letter is just a letter."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import TypeAdapter

from flowkeep.api.answers import as_json
from flowkeep.api.context import Client, Expected, etag
from flowkeep.api.problems import documented
from flowkeep.contracts import StateEntry, StateType
from flowkeep.contracts.api.state import StateContent, StateKey

router = APIRouter(prefix="/state", tags=["state"], responses=documented())

Key = Annotated[StateKey, Query(description="Name of the entry.")]
Kind = Annotated[
    StateType, Query(description="`workflows` holds arguments of runs, by run id or workflow id.")
]

_ENTRY = TypeAdapter(StateEntry)


@router.get("", response_model=StateEntry)
async def get_state(client: Client, key: Key, kind: Kind = StateType.STATE) -> Response:
    """Return what is stored under a key."""
    return _tagged(await client.state.get(key, kind))


@router.put("", response_model=StateEntry, responses=documented(412))
async def put_state(
    client: Client,
    body: StateContent,
    expected: Expected,
    key: Key,
    kind: Kind = StateType.STATE,
) -> Response:
    """Store a value under a key; with `If-Match: "0"` only if there is none yet."""
    stored = await client.state.put(
        key, body.value, kind, merge=body.merge, expected_revision=expected
    )
    return _tagged(stored)


@router.delete("", status_code=204, response_class=Response, responses=documented(412))
async def delete_state(
    client: Client, expected: Expected, key: Key, kind: Kind = StateType.STATE
) -> None:
    """Remove what is stored under a key; arguments of runs stay."""
    await client.state.delete(key, kind, expected_revision=expected)


def _tagged(entry: StateEntry) -> Response:
    return as_json(_ENTRY, entry, headers={"ETag": etag(entry.revision)})
