"""The fault suite: mixed runs while servers, processes and links break; then ledger = truth.

`python -m tests.faults --seed 7 --runs 200` carries one seed through; `--seeds 20` twenty seeds
from there on. Everything random follows from the seed, which is printed first and when it fails.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import uvloop

from tests.faults.driver import Options, Report, run_seed
from tests.faults.injections import FAULTS

SHORT_RUNS, SHORT_SECONDS, SHORT_INTERVAL_SECONDS = 40, 12, 2
_INSIDE = "FAULTS_NAMESPACE"


def main() -> int:
    """Run the seeds; 0 when all passed."""
    options = _parser().parse_args()
    if options.short:
        options.runs, options.seconds = SHORT_RUNS, SHORT_SECONDS
        options.set.append(f"FLOWKEEP_RECONCILER_INTERVAL_SECONDS={SHORT_INTERVAL_SECONDS}")
    apart = os.environ.get(_INSIDE) == "1"
    if not apart:
        _enter_namespace()
    faults = options.faults
    if faults is None:
        faults = [name for name, fault in FAULTS.items() if fault.cheap or not options.short]
        if not apart:
            faults.remove("disk-full")
            print("disk-full is left out: no file system of its own can be mounted here")
    elif "disk-full" in faults and not apart:
        sys.exit("disk-full needs a mount namespace: `unshare --mount` must work")
    failed = []
    for seed in range(options.seed, options.seed + options.seeds):
        if not _one(seed, options, faults):
            failed.append(seed)
            if not options.go_on:
                break
    if failed:
        print(f"FAILED: seeds {', '.join(map(str, failed))}")
    return 1 if failed else 0


def _one(seed: int, options: argparse.Namespace, faults: list[str]) -> bool:
    folder = Path(tempfile.mkdtemp(prefix=f"faults-{seed}-"))
    begin = time.monotonic()

    def say(text: str) -> None:
        print(f"[{seed}] {time.monotonic() - begin:6.1f} {text}", flush=True)

    say(f"seed {seed}: {options.runs} runs in {options.seconds:.0f} s, faults {', '.join(faults)}")
    wanted = Options(
        runs=options.runs,
        seconds=options.seconds,
        faults=faults,
        small_disk="disk-full" in faults,
        variables=dict(one.split("=", 1) for one in options.set),
    )
    try:
        report = uvloop.run(run_seed(seed, wanted, folder, say))
    except Exception as error:  # noqa: BLE001 - whatever it is, the seed has failed
        report = Report(seed, [f"{type(error).__name__}: {error}"])
        if isinstance(error, ExceptionGroup):
            report.differences += [f"{type(one).__name__}: {one}" for one in error.exceptions]
        sys.excepthook(type(error), error, error.__traceback__)
    for line in report.lines:
        say(line)
    for difference in report.differences[:60]:
        say(f"DIFFERENT: {difference}")
    if report.differences:
        say(f"FAILED, seed {seed}: {len(report.differences)} differences; all logs are in {folder}")
        return False
    say(f"passed, seed {seed}")
    if not options.keep:
        shutil.rmtree(folder, ignore_errors=True)
    return True


def _enter_namespace() -> None:
    """Become a process whose mounts are its own and whose processes end with it.

    Returns where that is not allowed.
    """
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    spaces = ["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    command = [shutil.which("unshare") or "unshare", *user, *spaces]
    try:
        subprocess.run([*command, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return
    command += [sys.executable, "-m", "tests.faults", *sys.argv[1:]]
    os.execve(command[0], command, os.environ | {_INSIDE: "1"})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tests.faults", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=1, help="how many, one after the other")
    parser.add_argument("--runs", type=int, default=220)
    parser.add_argument("--seconds", type=float, default=45, help="how long things break")
    parser.add_argument("--faults", type=lambda text: [one for one in text.split(",") if one])
    parser.add_argument(
        "--short", action="store_true", help="few runs, and only faults that cost little time"
    )
    parser.add_argument("--go-on", action="store_true", help="carry on after a seed that failed")
    parser.add_argument("--keep", action="store_true", help="keep logs of seeds that passed")
    parser.add_argument("--set", action="append", default=[], help="NAME=value for all processes")
    return parser


if __name__ == "__main__":
    sys.exit(main())
