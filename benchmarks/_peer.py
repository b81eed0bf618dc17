"""Environments of their own for what others made, kept in the user's cache."""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks._support import say
from flowkeep.settings import user_cache


class PeerError(Exception):
    """A peer cannot be installed or does not do its work; the message says why."""


def install(name: str, requirements: Sequence[str], constraints: Path) -> Path:
    """Return the environment that holds some packages; it is made on first use.

    Args:
        name: Name of its folder in the cache, with the version.
        requirements: What to install.
        constraints: Pins everything that comes with it.

    Raises:
        PeerError: If it cannot be installed.
    """
    wish = " ".join(requirements)
    made_of = constraints.read_bytes() + wish.encode() + sys.version.encode()
    wanted = hashlib.sha256(made_of).hexdigest()
    home = user_cache() / "benchmarks" / name
    complete = home / "complete"
    if complete.is_file() and complete.read_text() == wanted:
        return home
    say(f"installing {wish} into {home}")
    shutil.rmtree(home, ignore_errors=True)
    home.parent.mkdir(parents=True, exist_ok=True)
    for command in _commands(home, requirements, constraints):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise PeerError(
                f"{wish} cannot be installed: `{' '.join(command)}` says:\n"
                f"{end_of(done.stderr or done.stdout)}\n"
                "A package registry has to be within reach; without --peer the benchmark "
                "needs none."
            )
    complete.write_text(wanted)
    return home


def end_of(text: str) -> str:
    """Return the last lines of what a program said."""
    return "\n".join(text.strip().splitlines()[-15:])


def _commands(home: Path, requirements: Sequence[str], constraints: Path) -> list[list[str]]:
    uv = shutil.which("uv") or next(map(str, Path(".tools").glob("uv-*/bin/uv")), None)
    python = str(home / "bin" / "python")
    if uv is not None:
        pip = [uv, "pip", "install", "--compile-bytecode", "--python", python]
        return [
            [uv, "venv", "--python", sys.executable, str(home)],
            [*pip, "-c", str(constraints), *requirements],
        ]
    return [
        [sys.executable, "-m", "venv", str(home)],
        [python, "-m", "pip", "install", "-c", str(constraints), *requirements],
    ]
