"""tools/setup, which every make target goes through, says what is missing on a bare machine."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SETUP = Path(__file__).parent.parent / "tools" / "setup"
BARE_PYTHON = f"""#!/bin/sh
case "$*" in
*ensurepip* | *"-m pip"* | *"-m venv"*) exit 1 ;;
*) exec {sys.executable} "$@" ;;
esac
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with the script alone and a PATH of the shell's own tools."""
    (tmp_path / "tools").mkdir()
    shutil.copy(SETUP, tmp_path / "tools")
    (tmp_path / "bin").mkdir()
    for needed in ("sh", "dirname", "mkdir", "rm", "grep"):
        program = shutil.which(needed)
        assert program is not None
        (tmp_path / "bin" / needed).symlink_to(program)
    return tmp_path


def run(project: Path, python: str) -> "subprocess.CompletedProcess[str]":
    """Run the script; return its outcome."""
    return subprocess.run(
        [project / "tools" / "setup", "install"],
        env={"PATH": str(project / "bin"), "PYTHON": python, "HOME": str(project)},
        capture_output=True,
        text=True,
        check=False,
    )


def put(path: Path, script: str) -> str:
    path.write_text(script)
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize("script", ["#!/bin/sh\nexit 1\n", "not a program"])
def test_unsuitable_python_is_named(project: Path, script: str) -> None:
    """Without a Python that is recent enough, the versions that would do are named."""
    python = put(project / "old", script)
    outcome = run(project, python)
    assert outcome.returncode == 1
    assert f"Python 3.11, 3.12 or 3.13 is needed; tried: {python}" in outcome.stderr


def test_python_without_venv_and_pip_is_named(project: Path) -> None:
    """Where uv can be installed in no way, the three ways out are named."""
    python = put(project / "bare", BARE_PYTHON)
    outcome = run(project, python)
    assert outcome.returncode == 1
    assert "neither venv nor pip" in outcome.stderr
    assert "or uv itself" in outcome.stderr
