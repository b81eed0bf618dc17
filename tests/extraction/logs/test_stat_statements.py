"""`pg_stat_statements` by difference: counts against a workload that is known."""

from tests.extraction.logs.stat_statements_support import MOST, ONE, TWO, App, app, server
from tests.servers.postgres import PostgresServer

__all__ = ["app", "server"]


def test_each_run_counts_what_ran_since_the_last(app: App) -> None:
    """The first run counts nothing and says so; each later one exactly what ran in between."""
    app.work({"SELECT a FROM t WHERE a < 3": 4})
    assert app.count() == {}
    assert app.runs.plan is not None
    assert "counts nothing" in app.runs.plan.notes[0]
    assert app.runs.total.notes["baseline"] > 0
    app.work({"SELECT a FROM t WHERE a < 3": 5, "SELECT a FROM t WHERE a < 4": 2, TWO: 1})
    assert app.count() == {ONE: 7, TWO: 1}
    (one,) = [one for one in app.own(app.runs.statements) if one.text == ONE]
    assert one.rows == 5 * 2 + 2 * 3
    assert one.duration is not None
    assert 0 < one.duration < 1_000_000
    assert one.query_id != 0
    assert (one.at, one.errors) == (app.own(app.runs.statements)[-1].at, 0)
    assert app.count() == {}
    app.work({TWO: 2})
    assert app.count() == {TWO: 2}
    assert app.runs.plan.notes == []


def test_the_first_run_may_count_everything(app: App) -> None:
    """By option the first run counts what ran since the reset; the second does not again."""
    app.work({TWO: 6})
    assert app.count(first="count") == {TWO: 6}
    assert app.count(first="count") == {}


def test_a_retry_counts_up_to_its_own_snapshot(app: App) -> None:
    """What a failed attempt has read is read again, and what ran meanwhile is counted once."""
    app.count()
    app.work({TWO: 3})
    source, runs = app.source(), app.runs
    plan = source.plan(runs.mark, runs.memory)
    list(source.read(plan.windows[0], runs.memory))
    runs.memory.new.clear()
    app.work({TWO: 2})
    runs.add(source.read(plan.windows[0], runs.memory))
    runs.memory.succeed(plan)
    runs.mark = plan.mark
    assert [one.calls for one in app.own(runs.statements)] == [5]
    app.work({TWO: 1})
    assert app.count() == {TWO: 1}


def test_a_reset_between_runs(app: App) -> None:
    """After a reset the new counters count from zero, which is noted."""
    app.work({TWO: 2})
    app.count()
    app.work({TWO: 3})
    app.reset()
    app.work({TWO: 4})
    assert app.count() == {TWO: 4}
    assert app.runs.total.notes["reset"] == 1
    app.work({TWO: 1})
    assert app.count() == {TWO: 1}
    assert "reset" not in app.runs.total.notes


def test_a_reset_of_one_shape(app: App) -> None:
    """A shape whose counters begin anew counts from zero, is noted, and harms no other."""
    app.work({"SELECT a FROM t WHERE a < 3": 3, TWO: 2})
    app.count(first="count")
    (shape,) = [one.query_id for one in app.own(app.runs.statements) if one.text == ONE]
    app.work({TWO: 5})
    app.reset(f"0, 0, {shape}")
    app.work({"SELECT a FROM t WHERE a < 3": 2})
    assert app.count() == {ONE: 2, TWO: 5}
    assert app.runs.total.notes == {"entries_anew": 1}


def test_an_entry_that_came_back_has_more_calls_than_before(
    server: PostgresServer, app: App
) -> None:
    """PostgreSQL 17 tells that an entry was made anew; before, the count is a lower bound."""
    app.work({TWO: 2})
    app.count(first="count")
    (shape,) = [one.query_id for one in app.own(app.runs.statements)]
    app.reset(f"0, 0, {shape}")
    app.work({TWO: 5})
    counted = app.count()
    assert counted == ({TWO: 5} if server.major >= 17 else {TWO: 3})


def test_evictions_are_noted(app: App) -> None:
    """More shapes than the server keeps: nothing is counted twice, and the loss is noted."""
    app.work({TWO: 50})
    app.count(first="count")
    truth = {f"SELECT {', '.join(['a'] * number)} FROM t": 1 for number in range(1, 2 * MOST)}
    app.work({TWO: 50} | truth)
    counted = app.count()
    assert counted.pop(TWO) == 50
    assert counted.items() <= truth.items()
    assert len(counted) < MOST
    assert app.runs.total.notes["evictions"] > 0


def test_entries_that_go_before_their_text_is_fetched(app: App) -> None:
    """An entry that vanishes between counters and texts is counted, without its text."""
    app.count()
    app.work({TWO: 1})
    source, runs = app.source(), app.runs
    plan = source.plan(runs.mark, runs.memory)
    chunks = source.read(plan.windows[0], runs.memory)
    runs.add([next(chunks)])
    app.reset()
    runs.add(chunks)
    assert [(one.text, one.calls) for one in app.own(runs.statements)] == [("<evicted>", 1)]
