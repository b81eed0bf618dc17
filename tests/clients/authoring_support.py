"""What tests of definitions that people write need: a ledger that knows one action, and texts."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from flowkeep.clients.authoring import Authoring
from flowkeep.contracts import NewAction
from flowkeep.settings import Settings
from flowkeep.statestore import Store, connect

TENANT = "t"

TEXT = """\
ref: report
label: Daily report
version: "3"
description: What was sold
tags: [daily]
parameters:
  type: object
  properties: {day: {type: string}}
tasks:
  - name: load
    action: shop.load
    input: {day: "{{ parameters.day }}"}
"""

BROKEN = "ref: report\ntasks:\n  - name: load\n    action: shop.load\n    retry: {count: -4711}\n"


@pytest.fixture
async def store(settings: Settings) -> AsyncIterator[Store]:
    """A ledger that knows one action."""
    async with await connect(settings=settings) as store:
        schema = {
            "type": "object",
            "properties": {"day": {"type": "string"}},
            "additionalProperties": False,
        }
        action = NewAction(ref="shop.load", param_schema=schema)
        await store.actions.register(TENANT, [action], worker="w")
        yield store


@pytest.fixture
def authoring(store: Store) -> Authoring:
    """What is tested."""
    return Authoring(store)


def calling(ref: str, *called: str, **task: Any) -> str:
    """Return a definition that calls others, one after the other."""
    tasks = [{"name": f"t{n}", "workflow": one, **task} for n, one in enumerate(called)]
    return json.dumps({"ref": ref, "tasks": tasks or [{"name": "t", "action": "shop.load"}]})
