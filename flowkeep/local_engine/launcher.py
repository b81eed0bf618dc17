"""The process between flowkeep and a server: it makes sure that the server never outlives us.

Runs as a script in its own process, with the standard library alone. Its standard input is a
pipe whose other end flowkeep holds: however flowkeep ends, `kill -9` included, the pipe closes
and the server is stopped. A parent-death signal does the same should this process be killed.
It reports the server's process id on standard output and ends with the server's exit code.
"""

import contextlib
import ctypes
import fcntl
import json
import os
import select
import signal
import sys
import time
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
POLL_SECONDS = 1.0
LOCK_POLL_SECONDS = 0.02


def main(spec: dict[str, Any]) -> int:
    """Run the server until it ends or its owner goes away.

    Args:
        spec: `command` (list), `environment`, `lock` (path), `owner` (process id), `uid` and
            `gid` (or null), `stop_seconds` (how long a clean stop may take).

    Returns:
        The server's exit code, 128 + signal when a signal ended it.
    """
    for ignored in (signal.SIGINT, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    wakeup_read, wakeup_write = os.pipe()
    for end in (wakeup_read, wakeup_write):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(wakeup_write, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    stopping: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stopping.append(number))
    _prctl(PR_SET_CHILD_SUBREAPER, 1)

    lock = os.open(spec["lock"], os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    if not _acquire(lock, spec["owner"]):
        return 0
    child = _start(spec)
    os.write(sys.stdout.fileno(), f"{child}\n".encode())
    deadline: float | None = None
    while (code := _exit_code(child)) is None:
        if deadline is None and (stopping or _orphaned(spec["owner"])):
            os.kill(child, signal.SIGINT)
            deadline = time.monotonic() + spec["stop_seconds"]
        elif deadline is not None and time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
        watched = [wakeup_read] if deadline is not None else [wakeup_read, sys.stdin.fileno()]
        ready, _, _ = select.select(watched, [], [], POLL_SECONDS)
        if wakeup_read in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(wakeup_read, 4096)
    _end_descendants()
    return code


def _acquire(lock: int, owner: int) -> bool:
    """Wait until the previous server on this data has ended; false if the owner leaves first."""
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if _orphaned(owner):
                return False
            time.sleep(LOCK_POLL_SECONDS)
        else:
            return True


def _orphaned(owner: int) -> bool:
    if os.getppid() != owner:
        return True
    ready, _, _ = select.select([sys.stdin.fileno()], [], [], 0)
    return bool(ready) and os.read(sys.stdin.fileno(), 1) == b""


def _start(spec: dict[str, Any]) -> int:
    launcher = os.getpid()
    child = os.fork()
    if child:
        return child
    try:
        signal.set_wakeup_fd(-1)
        for restored in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGCHLD):
            signal.signal(restored, signal.SIG_DFL)
        if spec["uid"] is not None:
            os.setgroups([])
            os.setgid(spec["gid"])
            os.setuid(spec["uid"])
        # After the change of user, because that change clears it.
        _prctl(PR_SET_PDEATHSIG, signal.SIGINT)
        if os.getppid() != launcher:
            os._exit(0)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.dup2(2, 1)
        os.execve(spec["command"][0], spec["command"], spec["environment"])  # noqa: S606 (no shell wanted)
    except OSError as error:
        os.write(2, f"cannot run {spec['command'][0]}: {error}\n".encode())
    os._exit(127)


def _exit_code(child: int) -> int | None:
    """Reap what has ended; return the server's code once it is among it."""
    code = None
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            if pid == child:
                code = os.waitstatus_to_exitcode(status)
    return 128 - code if code is not None and code < 0 else code


def _end_descendants() -> None:
    """End what a killed server left behind (PostgreSQL's backends), so a restart finds no one."""
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    with contextlib.suppress(ChildProcessError):
        while True:
            if children.exists():
                for pid in children.read_text().split():
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(int(pid), signal.SIGKILL)
            os.waitpid(-1, 0)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
