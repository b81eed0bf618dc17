"""`flowkeep extract diff`, on a database that changes."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from flowkeep.cli.app import CALL_FAILED, RUN_FAILED, USAGE
from flowkeep.local_engine import LocalEngine
from tests.cli.calling import Ask, Call
from tests.cli.extracting import Extract
from tests.conftest import drop_database

pytestmark = pytest.mark.slow


def execute(url: str, *statements: str) -> None:
    """Run statements, each by itself."""
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


@pytest.fixture
async def shop(engine: LocalEngine) -> AsyncIterator[str]:
    """URL of a small database that a test may change."""
    name = f"shop_{uuid4().hex[:8]}"
    url = await engine.create_database(name)
    execute(url, "CREATE TABLE kept (id int PRIMARY KEY, label text)")
    execute(url, *(f"CREATE TABLE t{number} (id int)" for number in range(20)))
    yield url
    await drop_database(engine, name)


def names(changes: list[dict[str, Any]]) -> dict[str, set[str]]:
    """Names that changed, without the source, by change."""
    found: dict[str, set[str]] = {}
    for one in changes:
        found.setdefault(one["change"], set()).add(one["qualifiedName"].partition(".public.")[2])
    return found


async def test_diff_names_what_changed(extract: Extract, shop: str, ask: Ask, call: Call) -> None:
    """The second extraction says what changed since the first, and so do two runs by themselves."""
    first = await extract.json("--source", shop)
    execute(
        shop,
        "ALTER TABLE kept ALTER label SET NOT NULL, ADD extra int",
        "DROP TABLE t7",
        "CREATE TABLE fresh (id int)",
    )
    second = await extract.json("--source", shop)
    run, base = second["run"]["id"], first["run"]["id"]
    found = await ask("extract", "diff")
    assert (found["run_id"], found["base_run_ids"]) == (run, [base])
    expected = {
        "added": {"fresh", "fresh.id", "kept.extra"},
        "changed": {"kept.label"},
        "removed": {"t7", "t7.id"},
    }
    listed = names(found["changes"])
    assert {one: listed[one] & expected[one] for one in expected} == expected
    assert listed.keys() == expected.keys()
    for change, members in listed.items():
        assert found["counts"][change] == len(members)
    tables = {one["kind"]: one for one in second["kinds"]}["tables"]
    assert (tables["added"], tables["changed"], tables["removed"]) == (1, 0, 1)
    compared = await ask("extract", "diff", base, run)
    assert names(compared["changes"]) == listed
    back = await ask("extract", "diff", run, base, "--kind", "columns", "--change", "added")
    assert names(back["changes"]) == {"added": {"t7.id"}}
    assert not back["truncated"]
    short = await ask("extract", "diff", run, "--limit", "1")
    assert (len(short["changes"]), short["truncated"]) == (1, True)
    shown = await call("extract", "diff", run)
    assert "removed   tables" in shown.stdout
    assert (await call("extract", "diff", run, "--kind", "tabels")).exit_code == USAGE


async def test_a_first_run_has_nothing_to_be_compared_with(
    extract: Extract, shop: str, ask: Ask, call: Call
) -> None:
    """Without an earlier run the diff says so instead of calling everything added."""
    report = await extract.json("--source", shop)
    found = await ask("extract", "diff", report["run"]["id"])
    assert (found["base_run_ids"], found["changes"]) == ([], [])
    shown = await call("extract", "diff", report["run"]["id"])
    assert shown.exit_code == 0
    assert "compared with no other" in shown.stdout


@pytest.mark.long
async def test_too_many_removals_are_held_back(extract: Extract, shop: str, ask: Ask) -> None:
    """A mass removal is a warning, which --strict counts, until somebody says that it is meant."""
    await extract.json("--source", shop)
    execute(shop, *(f"DROP TABLE t{number}" for number in range(20)))
    code, _, err = await extract("--source", shop, "--strict")
    assert code == RUN_FAILED
    assert "withheld" in err
    held = await ask("extract", "diff", "--change", "withheld", "--kind", "tables")
    assert names(held["changes"]) == {"withheld": {f"t{number}" for number in range(20)}}
    assert held["counts"]["removed"] == 0
    meant = await extract.json("--source", shop, "--removal-threshold", "1", "--strict")
    assert meant["warnings"] == []
    tables = {one["kind"]: one for one in meant["kinds"]}["tables"]
    assert tables["removed"] == 20


async def test_nothing_was_extracted_yet(call: Call) -> None:
    """`extract diff` without a run, before any run, says what to do first."""
    done = await call("extract", "diff")
    assert done.exit_code == CALL_FAILED
    assert "flowkeep extract metadata" in done.stderr
