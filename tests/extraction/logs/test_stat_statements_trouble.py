"""`pg_stat_statements` where something is missing: rights, settings, entries, the server."""

from pathlib import Path
from typing import Any

import psycopg
import pytest

from flowkeep.errors import ConfigurationError
from flowkeep.extraction.credentials import SourceCredentials
from flowkeep.extraction.logs.sources.stat_statements import StatStatementsSource
from flowkeep.extraction.logs.sources.stat_statements_difference import difference
from flowkeep.extraction.logs.sources.stat_statements_options import StatStatementsOptions
from flowkeep.extraction.logs.sources.stat_statements_snapshot import Counters, Key, Snapshot
from flowkeep.extraction.sources.sqlite import SQLiteSource
from flowkeep.settings import server_environment
from tests.extraction.logs.stat_statements_support import ONE, TWO, App, app, server
from tests.extraction.support import run, with_
from tests.servers.postgres import PostgresServer
from tests.support import eventually

__all__ = ["app", "server"]


def test_a_role_without_rights(app: App) -> None:
    """Hidden statements are counted together, under the server's marker; check tells how many."""
    url = app.url
    run(
        app.admin,
        f'GRANT USAGE ON SCHEMA "tools%s" TO "{app.name}"',
        "DROP ROLE IF EXISTS other_app",
        "CREATE ROLE other_app LOGIN PASSWORD 'x'",
        "GRANT SELECT ON t TO other_app",
    )
    other = with_(app.admin, user="other_app", password="x")
    try:
        app.work({TWO: 1, "SELECT a FROM t": 2}, url=other)
        app.runs.run(app.source(url))
        app.work({TWO: 3, "SELECT a FROM t": 4, "SELECT max(a) FROM t": 5}, url=other)
        app.work({TWO: 6})
        app.runs.run(app.source(url))
        hidden = [one for one in app.runs.statements if one.user == "other_app"]
        assert [(one.text, one.calls, one.query_id) for one in hidden] == [
            ("<insufficient privilege>", 12, 0)
        ]
        own = {one.text: one.calls for one in app.own(app.runs.statements)}
        assert own[TWO] == 6
        (check,) = app.source(url).check()
        assert (check.name, check.ok, check.level) == (
            "pg_stat_statements.rights",
            False,
            "warning",
        )
        assert "grant pg_read_all_stats" in check.message
        run(app.admin, f'GRANT pg_read_all_stats TO "{app.name}"')
        assert [one.ok for one in app.source(url).check()] == [True]
    finally:
        run(app.admin, "DROP OWNED BY other_app; DROP ROLE other_app")


def test_what_is_dropped_has_no_name(server: PostgresServer, app: App) -> None:
    """Counters of a role or database that is gone are counted, without its name."""
    app.count()
    run(
        server.url(),
        "DROP DATABASE IF EXISTS short_lived",
        "CREATE DATABASE short_lived",
    )
    app.work({"SELECT 'gone'": 3}, url=server.url("short_lived"))
    run(server.url(), "DROP DATABASE short_lived")
    app.runs.run(app.source())
    found = [one for one in app.runs.statements if one.database == ""]
    assert [(one.text, one.calls, one.user) for one in found] == [("SELECT $1", 3, "postgres")]


def test_an_older_version_of_the_extension(app: App) -> None:
    """Columns go by the version that is installed: 1.7 calls the time otherwise and knows less."""
    run(
        app.admin,
        "DROP EXTENSION pg_stat_statements",
        "CREATE EXTENSION pg_stat_statements SCHEMA \"tools%s\" VERSION '1.7'",
    )
    app.count()
    app.work({TWO: 2})
    assert app.count() == {TWO: 2}
    assert all(one.duration for one in app.own(app.runs.statements))


def test_checks_name_what_is_missing(app: App) -> None:
    """A database without the extension, a role that may not call it, and settings are told."""
    run(app.admin, f'ALTER DATABASE "{app.name}" SET compute_query_id = off')
    run(app.admin, f"ALTER DATABASE \"{app.name}\" SET pg_stat_statements.track = 'none'")
    off, none = app.source().check()
    assert (off.name, off.level) == ("pg_stat_statements.compute_query_id", "error")
    assert (none.name, none.level) == ("pg_stat_statements.track", "warning")
    (closed,) = app.source(app.url).check()
    assert (closed.name, closed.ok) == ("pg_stat_statements.rights", False)
    run(app.admin, "DROP EXTENSION pg_stat_statements")
    (missing,) = app.source().check()
    assert missing.name == "pg_stat_statements.extension"
    assert "CREATE EXTENSION pg_stat_statements" in missing.message
    with pytest.raises(ConfigurationError, match="not installed in database"):
        app.source().plan(None, app.runs.memory)
    wrong = with_(app.admin, user="nobody", password="x")
    assert [one.name for one in app.source(wrong).check()] == ["pg_stat_statements.connection"]


def test_the_last_snapshot_is_gone(app: App) -> None:
    """Then a run counts nothing, says so, and the next one goes on."""
    app.count()
    app.work({TWO: 2})
    app.runs.memory.files.clear()
    assert app.count(first="count") == {}
    assert app.runs.plan is not None
    assert "last snapshot is gone" in app.runs.plan.notes[0]
    app.work({TWO: 1})
    assert app.count() == {TWO: 1}


@pytest.mark.parametrize("crash", [False, True])
async def test_a_server_that_starts_again(server: PostgresServer, app: App, crash: bool) -> None:
    """A clean stop saves the counters, and the difference is exact; a crash discards them, and
    the new ones count from zero. Without the library in its settings, the server counts nothing."""
    app.work({TWO: 5, "SELECT a FROM t": 5, "SELECT a FROM t WHERE a < 3": 2})
    app.count()
    app.work({TWO: 2})
    await restart(server, crash=crash)
    app.work({"SELECT a FROM t WHERE a < 3": 6})
    expected = {ONE: 6} if crash else {ONE: 6, TWO: 2}
    assert app.count() == expected
    assert ("discarded" in app.runs.total.notes or "reset" in app.runs.total.notes) == crash
    if not crash:
        kept = await restart(server, crash=False, without="shared_preload_libraries=")
        (check,) = app.source().check()
        assert check.name == "pg_stat_statements.library"
        assert "shared_preload_libraries" in check.message
        await restart(server, crash=False, command=kept)


async def restart(
    server: PostgresServer, *, crash: bool, without: str = "", command: list[str] | None = None
) -> list[str]:
    """End a server, start it again, and return the command it ran with before."""
    assert server.process.pid is not None
    before = command_of(server.process.pid)
    if crash:
        run(server.url(), "CHECKPOINT")  # else the server forgets what the test made
        server.process.kill()
    await server.process.stop()
    given = command or before
    if without:
        at = next(place for place, part in enumerate(given) if part.startswith(without))
        given = [*given[: at - 1], *given[at + 1 :]]
    await server.process.start(given, server_environment())

    async def answers() -> None:
        try:
            psycopg.connect(server.url(), connect_timeout=5).close()
        except psycopg.OperationalError as error:
            raise AssertionError(str(error)) from None

    await eventually(answers, timeout=60)
    return before


def command_of(process: int) -> list[str]:
    """How a process was started."""
    shown = Path(f"/proc/{process}/cmdline").read_bytes()
    return [part.decode() for part in shown.split(b"\0")[:-1]]


def test_only_postgresql_has_it(tmp_path: Path) -> None:
    """Another server is refused at once."""
    login = SourceCredentials.read({"url": f"sqlite:///{tmp_path / 'a.db'}"})
    with pytest.raises(ConfigurationError, match="cannot be read from sqlite"):
        StatStatementsSource(source=SQLiteSource(login), options=StatStatementsOptions())


KEY, OTHER, THIRD = (Key(10, 5, number, True) for number in (1, 2, 3))


def snapshot(entries: dict[Key, Counters], **head: int | None) -> Snapshot:
    """A snapshot of a server that was never reset."""
    told: dict[str, Any] = {"at": 0, "started": 0, "stats_reset": 0, "evictions": 0, **head}
    return Snapshot(**told, entries=entries)


@pytest.mark.parametrize(
    ("old", "new", "calls", "notes"),
    [
        # A crash after which more ran than before: all counters, none of them the difference.
        ({}, {"started": 1}, {1: 20, 3: 4}, {"discarded": 1}),
        # The same without a start is somebody's reset of two shapes.
        ({}, {}, {1: 10, 3: 4}, {}),
        # Evictions begin at zero again: nothing but a crash does that.
        ({"evictions": 7}, {"evictions": 2}, {1: 20, 3: 4}, {"discarded": 1, "evictions": 2}),
        ({"evictions": 7}, {"evictions": 9, "started": 1}, {1: 10, 3: 4}, {"evictions": 2}),
        ({}, {"stats_reset": 5}, {1: 20, 3: 4}, {"reset": 1}),
        # The version of the extension that tells of resets has come in between.
        ({"stats_reset": None}, {"stats_reset": 5}, {1: 10, 3: 4}, {}),
        ({"evictions": None, "stats_reset": None}, {"evictions": None, "stats_reset": None},
         {1: 10, 3: 4}, {}),
    ],
)  # fmt: skip
def test_what_happened_is_told_from_what_is_left(
    old: dict[str, Any], new: dict[str, Any], calls: dict[int, int], notes: dict[str, int]
) -> None:
    """Two of three entries are gone: which of the counts are new depends on what goes with it."""
    gone = Key(10, 5, 4, True)
    before = snapshot(dict.fromkeys((KEY, OTHER, gone), Counters(10, 100, 10)), **old)
    after = snapshot({KEY: Counters(20, 200, 20), THIRD: Counters(4, 40, 4)}, **new)
    found = difference(Snapshot.of([before.table()]), Snapshot.of([after.table()]))
    assert {key.query_id: one.calls for key, one in found.added.items()} == calls
    assert found.notes == notes


def test_hidden_entries_that_shrink_count_nothing() -> None:
    """Evictions among entries seen only together leave no difference: nothing is counted twice."""
    hidden = Key(10, 5, 0, True)
    before, after = (snapshot({hidden: Counters(calls, calls, 0)}) for calls in (9, 8))
    found = difference(before, after)
    assert (found.added, found.notes) == ({}, {"hidden_shrunk": 1})


def test_a_snapshot_survives_its_file() -> None:
    """What is written is read again, cut into tables or whole, with no entry at all too."""
    whole = snapshot({KEY: Counters(1, 2, 3, 4), OTHER: Counters(5, 6, 7)}, evictions=None, at=9)
    table = whole.table()
    assert Snapshot.of([table]) == Snapshot.of([table[:2], table[2:]]) == whole
    assert Snapshot.of([snapshot({}).table()]) == snapshot({})
