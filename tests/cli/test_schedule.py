"""`flowkeep schedule` on real servers."""

from tests.cli.calling import Ask, Call

DAILY = ("--workflow-type", "Extract", "--cron", "0 3 * * *")


async def test_a_schedule_is_made_shown_and_removed(ask: Ask, call: Call) -> None:
    """What is given is stored, an update leaves the rest alone, and it is gone when deleted."""
    made = await ask(
        *("schedule", "create", "nightly", *DAILY, "--time-zone", "Europe/Berlin"),
        *("--arg", "table=t", "--label", "team=data", "--overlap", "allow_all"),
    )
    assert made["spec"]["cron"] == ["0 3 * * *"]
    assert (made["labels"], made["applied"]) == ({"team": "data"}, True)
    changed = await ask("schedule", "update", "nightly", "--every", "2h", "--catchup", "1h")
    assert changed["spec"]["cron"] == []
    assert changed["spec"]["intervals"] == [{"every_seconds": 7200, "offset_seconds": 0}]
    assert changed["spec"]["time_zone"] == "Europe/Berlin"
    assert changed["policy"]["overlap"] == "allow_all"
    shown = await ask("schedule", "show", "nightly")
    assert shown["arguments"] == {"table": "t"}
    assert len(shown["state"]["next_at"]) > 1
    listed = await call("schedule", "list")
    assert "every 2 h 00 min" in listed.stdout
    text = await call("schedule", "show", "nightly")
    assert "Europe/Berlin" in text.stdout
    assert (await call("schedule", "delete", "nightly")).exit_code == 2  # nobody to ask
    assert (await call("schedule", "delete", "nightly", "--yes")).exit_code == 0
    assert (await call("schedule", "show", "nightly")).exit_code == 3


async def test_a_schedule_is_steered(ask: Ask, call: Call) -> None:
    """It is paused with a reason, resumed, fired and made up for."""
    await ask("schedule", "create", "nightly", *DAILY, "--overlap", "allow_all")
    paused = await ask("schedule", "pause", "nightly", "--note", "moving")
    assert (paused["paused"], paused["note"]) == (True, "moving")
    assert not (await ask("schedule", "resume", "nightly"))["paused"]
    assert (await ask("schedule", "trigger", "nightly"))["fired"]
    span = ("--since", "2026-03-01", "--until", "2026-03-03")
    assert (await ask("schedule", "backfill", "nightly", *span))["fired"]
    backwards = ("--since", "2026-03-03", "--until", "2026-03-01")
    done = await call("schedule", "backfill", "nightly", *backwards)
    assert (done.exit_code, "before start_at" in done.stderr) == (2, True)


async def test_bad_words_are_named(call: Call) -> None:
    """A wrong cron expression, or none at all, is a mistake of the command line."""
    wrong = await call("schedule", "create", "a", "--workflow-type", "X", "--cron", "61 * * * *")
    assert (wrong.exit_code, "minute '61'" in wrong.stderr) == (2, True)
    none = await call("schedule", "create", "a", "--workflow-type", "X")
    assert (none.exit_code, "it never fires" in none.stderr) == (2, True)
