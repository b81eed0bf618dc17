"""The example `query_log`."""

from pathlib import Path

import pytest

from examples.query_log.main import main


async def test_the_ledgers_own_log_is_mined(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All statements of the ledger are read, the table of runs is written, nothing fails."""
    found = await main(tmp_path / "engine")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{found['statements']} statements, {found['counts']['queries']} queries"
    assert found["statements"] > 100
    assert (found["failed"], found["rejected"]) == (0, 0)
    assert any(line.startswith("  run: write by ") for line in lines)
    assert "  run_event.revision from run.revision" in lines
