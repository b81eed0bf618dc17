"""MariaDB's server from the distribution's packages: downloaded once, unpacked, not installed."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from flowkeep.settings import server_environment, user_cache
from tests.servers.binaries import UnavailableError

PACKAGE = "mariadb-server-core"
_SECONDS = 120
_TOOLS = ("apt-get", "apt-cache", "dpkg-deb", "ldd")


def mariadb_home() -> Path:
    """Return the folder that holds `usr/sbin/mariadbd`, with the libraries it needs in `lib`.

    Raises:
        UnavailableError: If the packages cannot be had here.
    """
    home = user_cache() / "mariadb" / _distribution()
    if not home.exists():
        missing = [tool for tool in _TOOLS if shutil.which(tool) is None]
        if missing:
            raise UnavailableError(
                f"MariaDB comes as a Debian package, and {missing[0]} is missing"
            )
        home.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=".staging-", dir=home.parent))
        try:
            _unpack(_Apt(staging / "apt"), staging / "root")
            # One rename: another process sees all of it or nothing.
            (staging / "root").rename(home)
        except OSError as error:
            if not home.exists():  # else another process was faster
                raise UnavailableError(f"MariaDB: {error}") from error
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    return home


def mariadb_environment(home: Path) -> dict[str, str]:
    """Return the environment in which the server finds its libraries."""
    return server_environment({"LD_LIBRARY_PATH": str(home / "lib")})


class _Apt:
    """The package manager as an ordinary user: it downloads, and installs nothing.

    Where this machine keeps no lists of packages, it fetches its own.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir()
        self._options: list[str] = []
        if _run(["apt-cache", "show", PACKAGE]).returncode != 0:
            for name in ("lists/partial", "cache/archives/partial"):
                (folder / name).mkdir(parents=True)
            self._options = [
                *("-o", f"Dir::State::lists={folder / 'lists'}"),
                *("-o", f"Dir::Cache={folder / 'cache'}"),
            ]
            self._call("apt-get", "update")

    def dependencies(self, package: str) -> list[str]:
        """Return the libraries a package needs."""
        told = self._call("apt-cache", "depends", package).splitlines()
        words = [line.split() for line in told if line.strip().startswith("Depends: lib")]
        return [name for _, name in words]

    def download(self, package: str, target: Path) -> None:
        """Unpack a package into a folder."""
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        self._call("apt-get", "download", package, folder=folder)
        [archive] = folder.glob("*.deb")
        outcome = _run(["dpkg-deb", "--extract", str(archive), str(target)])
        if outcome.returncode != 0:
            raise UnavailableError(f"{archive.name}: {outcome.stderr.strip()[-500:]}")

    def _call(self, tool: str, *words: str, folder: Path | None = None) -> str:
        outcome = _run([tool, *self._options, *words], folder)
        if outcome.returncode != 0:
            raise UnavailableError(f"{tool} {words[0]} failed: {outcome.stderr.strip()[-500:]}")
        return outcome.stdout


def _unpack(apt: _Apt, root: Path) -> None:
    apt.download(PACKAGE, root)
    libraries = root / "lib"
    libraries.mkdir(exist_ok=True)
    for package in apt.dependencies(PACKAGE):
        missing = _missing(root)
        if not missing:
            return
        unpacked = root.parent / package
        apt.download(package, unpacked)
        for name in missing:
            for found in unpacked.rglob(name):
                shutil.copy(found, libraries / name)
    if _missing(root):
        raise UnavailableError(f"MariaDB: no package holds {', '.join(_missing(root))}")


def _missing(root: Path) -> list[str]:
    """Return the libraries that the server does not find."""
    told = _run(["ldd", str(root / "usr" / "sbin" / "mariadbd")], root).stdout.splitlines()
    return [line.split()[0] for line in told if line.endswith("not found")]


def _run(command: list[str], folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    library = str(folder / "lib") if folder is not None else ""
    try:
        return subprocess.run(
            command,
            cwd=folder,
            env={**server_environment({"LC_ALL": "C"}), "LD_LIBRARY_PATH": library},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise UnavailableError(f"{command[0]} took longer than {_SECONDS} s") from None


def _distribution() -> str:
    try:
        lines = Path("/etc/os-release").read_text().splitlines()
    except OSError as error:
        raise UnavailableError(f"MariaDB comes as a Debian package: {error}") from error
    told = dict(line.split("=", 1) for line in lines if "=" in line)
    name = f"{told.get('ID', '')}-{told.get('VERSION_ID', '')}".replace('"', "")
    return f"{name}-{os.uname().machine}"
