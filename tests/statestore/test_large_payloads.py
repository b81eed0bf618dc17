"""Contents by hash: once per tenant, whole or not at all, gone with the last need."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import text

from flowkeep.contracts.large_payloads import Need, PayloadPlace
from flowkeep.errors import (
    ConfigurationError,
    LedgerUnavailable,
    PayloadMissing,
    SourceUnavailable,
)
from flowkeep.settings import StorageSettings
from flowkeep.statestore import Store, connect
from flowkeep.statestore.repositories import large_contents
from flowkeep.storage import Storage
from tests.statestore.conftest import settings_for
from tests.statestore.records import OTHER, TENANT

NEED = Need("default", "workflow", "w")
LATER = Need("default", "workflow", "later")
TEXT = b"canary " * 1_000_000
NOISE = os.urandom(9_000_000)


@pytest.fixture
async def store(ledger_url: str, tmp_path: Path) -> AsyncIterator[Store]:
    """A store with an object storage of its own."""
    storage = StorageSettings(url=(tmp_path / "storage").as_uri())
    settings = settings_for(ledger_url).model_copy(update={"storage": storage})
    async with await connect(settings=settings) as store:
        yield store


async def run(store: Store, statement: str, **values: object) -> list[tuple[object, ...]]:
    async with store.transaction() as tx:
        found = await tx.connection.execute(text(statement), values)
        return [tuple(row) for row in found] if found.returns_rows else []


async def make_due(store: Store) -> None:
    await run(store, "UPDATE flowkeep.large_payload_need SET check_at = now()")


def files(tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "storage").rglob("*") if path.is_file()]


@pytest.mark.parametrize("place", ["ledger", "storage"])
@pytest.mark.parametrize("encrypt", [True, False])
@pytest.mark.parametrize(
    "content", [b"", b"x", TEXT, NOISE], ids=["empty", "byte", "text", "noise"]
)
async def test_contents_come_back(
    store: Store, place: PayloadPlace, encrypt: bool, content: bytes
) -> None:
    """What is stored comes back as it was, wherever it lies and however big it is."""
    kept = await store.large_payloads.put(TENANT, content, [NEED], place=place, encrypt=encrypt)
    assert kept.size == len(content)
    assert await store.large_payloads.get(TENANT, kept.sha256) == content


async def test_a_content_is_stored_once_per_tenant(store: Store, second: Store) -> None:
    """Sixteen writers in two processes store one content; another tenant's is its own."""
    stores = [store, second] * 8
    kept = await asyncio.gather(
        *(
            one.large_payloads.put(TENANT, TEXT, [Need("default", "workflow", str(n % 5))])
            for n, one in enumerate(stores)
        )
    )
    await store.large_payloads.put(OTHER, TEXT, [NEED])
    assert len({one.sha256 for one in kept}) == 1
    counted = "SELECT tenant_id, count(*) FROM flowkeep.{} GROUP BY 1 ORDER BY 1"
    assert dict(await run(store, counted.format("large_payload"))) == {TENANT: 1, OTHER: 1}
    assert dict(await run(store, counted.format("large_payload_need"))) == {TENANT: 5, OTHER: 1}
    assert dict(await run(store, counted.format("large_payload_chunk"))) == {TENANT: 2, OTHER: 2}
    await store.system.erase_tenant(TENANT)
    with pytest.raises(PayloadMissing, match="is not there"):
        await store.large_payloads.get(TENANT, kept[0].sha256)
    assert await store.large_payloads.get(OTHER, kept[0].sha256) == TEXT


async def test_writers_of_one_object_leave_one(store: Store, tmp_path: Path) -> None:
    """Those who store the same object at once leave a single one behind."""
    await asyncio.gather(
        *(store.large_payloads.put(TENANT, TEXT, [NEED], place="storage") for _ in range(6))
    )
    assert len(files(tmp_path)) == 1


async def test_damage_is_found(store: Store, tmp_path: Path) -> None:
    """A changed, cut or swapped piece is never returned as the content, encrypted or not."""
    for encrypt in (False, True):
        content = NOISE + bytes([encrypt])
        kept = await store.large_payloads.put(TENANT, content, [NEED], encrypt=encrypt)
        digest = bytes.fromhex(kept.sha256)
        for damage in (
            "SET data = overlay(data PLACING '\\x00ff00ff'::bytea FROM 1000) WHERE number = 1",
            "SET number = CASE number WHEN 0 THEN 77 WHEN 1 THEN 0 ELSE number END",
        ):
            await run(store, f"UPDATE flowkeep.large_payload_chunk {damage}")
            with pytest.raises(PayloadMissing, match="is damaged") as error:
                await store.large_payloads.get(TENANT, kept.sha256)
            assert error.value.code == "PAYLOAD_DAMAGED"
        await run(store, "DELETE FROM flowkeep.large_payload_need WHERE hash = :h", h=digest)
        await run(store, "DELETE FROM flowkeep.large_payload WHERE hash = :h", h=digest)
    kept = await store.large_payloads.put(TENANT, NOISE, [NEED], place="storage")
    [file] = files(tmp_path)
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(PayloadMissing, match="is damaged"):
        await store.large_payloads.get(TENANT, kept.sha256)
    file.unlink()
    with pytest.raises(PayloadMissing, match="is not there"):
        await store.large_payloads.get(TENANT, kept.sha256)


async def test_encryption_that_comes_later_takes_what_lay_in_clear(
    store: Store, ledger_url: str
) -> None:
    """With encryption on, a content that lay in clear is written anew, and keeps its needs."""
    kept = await store.large_payloads.put(TENANT, TEXT, [NEED])
    await store.large_payloads.put(TENANT, TEXT, [LATER], encrypt=True)
    [(key_id, needs)] = await run(
        store,
        "SELECT key_id, (SELECT count(*) FROM flowkeep.large_payload_need)"
        " FROM flowkeep.large_payload",
    )
    assert key_id is not None
    assert needs == 2
    for row in await run(store, "SELECT data FROM flowkeep.large_payload_chunk"):
        assert b"canary" not in bytes(row[0])  # type: ignore[arg-type]
    assert await store.large_payloads.get(TENANT, kept.sha256) == TEXT
    other = settings_for(ledger_url, key=Fernet.generate_key().decode())
    async with await connect(settings=other) as stranger:
        with pytest.raises(ConfigurationError, match=f"{key_id}, which is not configured"):
            await stranger.large_payloads.get(TENANT, kept.sha256)
        # Whoever stores it again can read it, though its key is lost.
        await stranger.large_payloads.put(TENANT, TEXT, [NEED])
        assert await stranger.large_payloads.get(TENANT, kept.sha256) == TEXT


async def test_without_a_key_nothing_is_encrypted(ledger_url: str) -> None:
    """Encryption without a key says how to make one, and stores nothing."""
    async with await connect(settings=settings_for(ledger_url, key=None)) as store:
        with pytest.raises(ConfigurationError, match="no key for secrets"):
            await store.large_payloads.put(TENANT, TEXT, [NEED], encrypt=True)
        assert await run(store, "SELECT 1 FROM flowkeep.large_payload") == []
        kept = await store.large_payloads.put(TENANT, TEXT, [NEED])
        assert await store.large_payloads.get(TENANT, kept.sha256) == TEXT


async def test_a_content_goes_with_the_last_need(store: Store, tmp_path: Path) -> None:
    """Rows, pieces and objects stay while anything needs them, and go with the last one."""
    await store.large_payloads.put(TENANT, TEXT, [NEED, LATER])
    await store.large_payloads.put(TENANT, NOISE, [NEED, LATER], place="storage")
    await make_due(store)
    for name, left in (("w", 2), ("later", 0)):
        [due] = [
            one for one in await store.large_payloads.due("default", 10) if one.need.id == name
        ]
        assert due.contents == 2
        assert await store.large_payloads.release(due) == 2
        await store.large_payloads.collect()
        assert await run(store, "SELECT count(*) FROM flowkeep.large_payload") == [(left,)]
        assert len(files(tmp_path)) == left // 2
    assert await run(store, "SELECT 1 FROM flowkeep.large_payload_chunk") == []


async def test_a_need_that_is_renewed_is_not_released(store: Store) -> None:
    """What is stored again after a sweep looked keeps its content."""
    kept = await store.large_payloads.put(TENANT, TEXT, [NEED])
    await run(
        store,
        "UPDATE flowkeep.large_payload_need"
        " SET check_at = now(), needed_at = now() - interval '1 hour'",
    )
    [due] = await store.large_payloads.due("default", 10)
    await store.large_payloads.put(TENANT, TEXT, [NEED])
    assert await store.large_payloads.release(due) == 0
    assert await store.large_payloads.collect() == (0, 0)
    assert await store.large_payloads.get(TENANT, kept.sha256) == TEXT


async def test_sweeps_and_writers_at_once_lose_nothing(store: Store, second: Store) -> None:
    """However stores, releases and collections interleave, what was stored last can be read."""
    contents = [bytes([n]) * 5_000 for n in range(6)]

    async def sweep() -> None:
        for _ in range(25):
            with contextlib.suppress(LedgerUnavailable):  # the sweeper comes again
                await make_due(second)
                for due in await second.large_payloads.due("default", 100):
                    await second.large_payloads.release(due)
                await second.large_payloads.collect()

    async def write(n: int) -> None:
        for turn in range(12):
            need = Need("default", "workflow", f"{n}-{turn % 2}")
            with contextlib.suppress(LedgerUnavailable):  # Temporal tries again
                await store.large_payloads.put(TENANT, contents[n % 3], [need, NEED])

    async with asyncio.TaskGroup() as group:  # nothing goes on behind a failure
        for work in (sweep(), *(write(n) for n in range(6))):
            group.create_task(work)
    keep = Need("default", "workflow", "keep")
    kept = [await store.large_payloads.put(TENANT, one, [keep]) for one in contents]
    await second.large_payloads.collect()
    for one, content in zip(kept, contents, strict=True):
        assert await store.large_payloads.get(TENANT, one.sha256) == content
    loose = """
        SELECT count(*) FROM flowkeep.large_payload AS p WHERE NOT EXISTS (
            SELECT FROM flowkeep.large_payload_need AS n
            WHERE n.tenant_id = p.tenant_id AND n.hash = p.hash)
    """
    assert await run(store, loose) == [(0,)]


async def test_objects_of_an_interrupted_store_go(store: Store, tmp_path: Path) -> None:
    """An object without a row goes a day later; young ones, known ones and strangers stay."""
    await store.large_payloads.put(TENANT, TEXT, [NEED], place="storage")
    storage = Storage((tmp_path / "storage").as_uri())
    storage.put("=payloads/acme/00-01935a1c-0000-7000-8000-000000000001", b"old")
    storage.put("=payloads/acme/README", b"a stranger")
    assert await store.large_payloads.collect_objects() == 1
    assert len(files(tmp_path)) == 2


async def test_a_storage_that_is_away_is_tried_again(ledger_url: str) -> None:
    """When the object storage cannot be reached, the error is one that Temporal retries."""
    place = StorageSettings(
        url="s3://bucket/x?endpoint=http://127.0.0.1:9&allow_http=true&skip_signature=true"
    )
    settings = settings_for(ledger_url).model_copy(update={"storage": place})
    async with await connect(settings=settings) as store:
        with pytest.raises(SourceUnavailable):
            await store.large_payloads.put(TENANT, TEXT, [NEED], place="storage")
        assert await run(store, "SELECT 1 FROM flowkeep.large_payload") == []


def test_pieces_are_compressed_only_where_it_helps() -> None:
    """Text shrinks; noise is left as it is, and no piece is bigger than the limit."""
    assert large_contents.take_apart(TENANT, b"", TEXT, None).stored < len(TEXT) / 20
    noise = large_contents.take_apart(TENANT, b"", NOISE, None)
    assert noise.encoding == "plain"
    assert [len(piece) for piece in noise.data] == [large_contents.PIECE] * 2 + [
        len(NOISE) - 2 * large_contents.PIECE
    ]


async def test_postponed_needs_wait(store: Store) -> None:
    """A need is due a day after its content was stored, and then as the sweep says."""
    await store.large_payloads.put(TENANT, TEXT, [NEED, Need("", "unknown", "")])
    assert await store.large_payloads.due("default", 10) == []
    await make_due(store)
    [due] = await store.large_payloads.due("default", 10)
    assert await store.large_payloads.due("other", 10) == []
    assert not due.gone
    await store.large_payloads.postpone(due.need, timedelta(0), gone=True)
    [due] = await store.large_payloads.due("default", 10)
    assert due.gone
    await store.large_payloads.postpone(due.need, timedelta(hours=1))
    assert await store.large_payloads.due("default", 10) == []
