"""Named state: nothing lost, nothing invented."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from flowkeep.contracts import StateEntry
from flowkeep.errors import InvalidInput, LedgerUnavailable, NotFound, RevisionMismatch
from flowkeep.statestore import StateStore, StateType, Store, state
from tests.statestore.conftest import settings_for
from tests.statestore.records import OTHER, TENANT, new_id, new_run


async def test_missing_state_is_not_found(store: Store) -> None:
    """What was never saved raises; it is not an empty object."""
    with pytest.raises(NotFound, match="watermark"):
        await store.state.get_state(TENANT, "watermark")
    with pytest.raises(NotFound):
        await store.state.get_arguments(TENANT, new_id())
    assert await store.state.delete_state(TENANT, "watermark") is False


async def test_an_unreadable_ledger_is_not_missing_state() -> None:
    """A ledger that is away is unavailable, whatever was asked."""
    away = Store.lazy(settings_for("postgresql://u:p@127.0.0.1:9/d"))
    for call in (
        away.state.get_state(TENANT, "x"),
        away.state.save_state(TENANT, "x", {}),
        away.state.get_arguments(TENANT, new_id()),
    ):
        with pytest.raises(LedgerUnavailable):
            await call


async def test_values_come_back_as_they_were(store: Store) -> None:
    """JSON values of every kind and size survive, floats and big numbers included."""
    value = {
        "text": "ü🙂\n\\u0000",
        "int": 2**70,
        "float": 0.1,
        "null": None,
        "list": [[], {}, True],
        "": "empty key",
        "big": "x" * 1_000_000,
    }
    saved = await store.state.save_state(TENANT, "all", value)
    assert saved.revision == 1
    assert (await store.state.get_state(TENANT, "all")).value == value


class Model(BaseModel):
    """A user's model."""

    when: datetime


@dataclass
class Point:
    """A user's dataclass."""

    x: int


async def test_common_types_become_their_json_form(store: Store) -> None:
    """Models, dataclasses, times, ids, paths and sets are stored as what they mean."""
    run_id = new_id()
    when = datetime(2026, 1, 2, tzinfo=UTC)
    value = {
        "model": Model(when=when),
        "point": Point(1),
        "time": when,
        "id": run_id,
        "path": Path("/a"),
        "set": {1},
        "enum": StateType.STATE,
    }
    saved = await store.state.save_state(TENANT, "types", value)
    assert saved.value == {
        "model": {"when": "2026-01-02T00:00:00Z"},
        "point": {"x": 1},
        "time": "2026-01-02T00:00:00+00:00",
        "id": str(run_id),
        "path": "/a",
        "set": [1],
        "enum": "state",
    }


@pytest.mark.parametrize(
    "value",
    [
        {"a": ["\x00"]},
        {"a\x00": 1},
        {"a": "\udc00"},
        {"a": float("inf")},
        {"a": b"bytes"},
        {1: "a"},
        [1],
        "text",
        None,
    ],
)
async def test_values_that_would_not_come_back_are_refused(store: Store, value: Any) -> None:
    """What JSON or PostgreSQL would change silently is refused, and nothing is saved."""
    with pytest.raises(InvalidInput):
        await store.state.save_state(TENANT, "bad", value)
    with pytest.raises(NotFound):
        await store.state.get_state(TENANT, "bad")


async def test_too_deep_is_refused(store: Store) -> None:
    """Endless nesting is an error of the caller, not a crash."""
    deep: dict[str, Any] = {}
    deep["self"] = deep
    with pytest.raises(InvalidInput, match="nested"):
        await store.state.save_state(TENANT, "deep", deep)


async def test_saving_replaces_and_merging_merges(store: Store) -> None:
    """save_state replaces the object, save_state_object merges its top-level keys."""
    await store.state.save_state_object(TENANT, "k", {"a": 1, "b": {"x": 1}})
    merged = await store.state.save_state_object(TENANT, "k", {"b": {"y": 2}, "c": None})
    assert (merged.value, merged.revision) == ({"a": 1, "b": {"y": 2}, "c": None}, 2)
    assert await store.state.save_state_object(TENANT, "k", {"a": 1}) == merged
    replaced = await store.state.save_state(TENANT, "k", {"only": 1})
    assert (replaced.value, replaced.revision) == ({"only": 1}, 3)
    assert await store.state.delete_state(TENANT, "k") is True
    with pytest.raises(NotFound):
        await store.state.get_state(TENANT, "k")


async def test_kinds_and_tenants_are_apart(store: Store) -> None:
    """The same key names different entries for each kind and tenant."""
    await store.state.save_state(TENANT, "k", {"n": 1})
    await store.state.save_state(TENANT, "k", {"n": 2}, StateType.CREDENTIALS)
    await store.state.save_state(OTHER, "k", {"n": 3})
    assert (await store.state.get_state(TENANT, "k")).value == {"n": 1}
    assert (await store.state.get_state(TENANT, "k", StateType.CREDENTIALS)).value == {"n": 2}
    assert (await store.state.get_state(OTHER, "k")).value == {"n": 3}
    with pytest.raises(InvalidInput, match="kind"):
        await store.state.get_state(TENANT, "k", "arguments")  # type: ignore[arg-type]


async def test_compare_and_set(store: Store, second: Store) -> None:
    """Of many writers of one revision one wins; 0 stands for an entry that must not exist."""
    found = await asyncio.gather(
        *(
            (store, second)[n % 2].state.save_state(TENANT, "cas", {"n": n}, expected_revision=0)
            for n in range(10)
        ),
        return_exceptions=True,
    )
    (winner,) = [entry for entry in found if isinstance(entry, StateEntry)]
    assert all(isinstance(e, RevisionMismatch) for e in found if e is not winner)
    assert (await store.state.get_state(TENANT, "cas")).value == winner.value
    with pytest.raises(RevisionMismatch):
        await store.state.save_state_object(TENANT, "cas", {"m": 1}, expected_revision=5)
    entry = await store.state.save_state_object(TENANT, "cas", {"m": 1}, expected_revision=1)
    assert entry.value == {**winner.value, "m": 1}
    with pytest.raises(RevisionMismatch):
        await store.state.save_state(TENANT, "absent", {}, expected_revision=3)
    with pytest.raises(NotFound):
        await store.state.get_state(TENANT, "absent")


async def test_concurrent_merges_are_all_kept(store: Store, second: Store) -> None:
    """Twenty writers of twenty keys of a new entry leave all twenty."""
    await asyncio.gather(
        *(
            (store, second)[n % 2].state.save_state_object(TENANT, "merge", {f"k{n}": n})
            for n in range(20)
        )
    )
    entry = await store.state.get_state(TENANT, "merge")
    assert entry.value == {f"k{n}": n for n in range(20)}
    assert entry.revision == 20


async def test_users_cover_arguments_without_changing_them(store: Store) -> None:
    """What users save under a workflow_id or run id never touches what a run started with."""
    run = await store.runs.create(TENANT, new_run(workflow_id="w", arguments={"a": 1}))
    kind = StateType.WORKFLOWS
    merged = await store.state.save_state_object(TENANT, "w", {"b": 2}, kind)
    assert merged.value == {"a": 1, "b": 2}
    by_id = await store.state.get_state(TENANT, str(run.id), kind)
    assert (by_id.value, by_id.revision) == ({"a": 1}, 0)
    covered = await store.state.save_state_object(
        TENANT, str(run.id), {"c": 3}, kind, expected_revision=0
    )
    assert covered.value == {"a": 1, "c": 3}
    assert await store.state.get_arguments(TENANT, run.id) == {"a": 1}
    await store.state.delete_state(TENANT, str(run.id), kind)
    assert (await store.state.get_state(TENANT, str(run.id), kind)).value == {"a": 1}


@pytest.fixture
async def unbound(
    ledger_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> AsyncIterator[None]:
    """The environment names the ledger, and nothing is bound."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FLOWKEEP_DATABASE_URL", ledger_url)
    monkeypatch.setattr(state, "_default", None)
    yield
    await state.close_default()


@pytest.mark.usefixtures("unbound")
async def test_state_store_outside_an_activity_uses_the_settings(store: Store) -> None:
    """Unbound, StateStore works on the configured ledger and the default tenant."""
    with pytest.raises(NotFound):
        await StateStore.get_state("k", StateType.WORKFLOWS)
    assert await StateStore.save_state_object("k", {"a": 1}, StateType.WORKFLOWS) == {"a": 1}
    assert await StateStore.save_state("b", 2, "k", StateType.WORKFLOWS) == {"a": 1, "b": 2}
    assert await StateStore.get_state("k", StateType.WORKFLOWS) == {"a": 1, "b": 2}
    entry = await store.state.get_state("default", "k", StateType.WORKFLOWS)
    assert entry.value == {"a": 1, "b": 2}


async def test_state_store_is_bound_to_a_tenant(store: Store) -> None:
    """Inside the binding, and only there, StateStore is the tenant's."""
    with state.bind(store.state, TENANT):
        await StateStore.save_state("n", 1, "k")
        assert await StateStore.get_state("k") == {"n": 1}
    assert (await store.state.get_state(TENANT, "k")).value == {"n": 1}
