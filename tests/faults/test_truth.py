"""The short form of the fault suite; the long one is `make test-faults`."""

import os
import subprocess
import sys

import pytest

SEED = os.environ.get("FAULT_SEED", "7")
SECONDS = 300


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 30)
def test_ledger_is_true_after_faults() -> None:
    """After kills, cuts and repeated writes ledger, histories and activities say the same."""
    command = [sys.executable, "-m", "tests.faults", "--seed", SEED, "--short"]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=SECONDS, check=False, env=os.environ.copy()
    )
    print(done.stdout)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
