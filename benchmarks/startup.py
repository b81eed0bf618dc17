"""How long the command line and the package take to start, beside what cannot be avoided.

Each measurement is a new interpreter. The variants take turns, and the order is reversed in every
other repeat, so that noise of the machine hits all of them.
"""

import argparse
import platform
import statistics
import subprocess
import sys
import time

VARIANTS = {
    "an empty program (baseline)": ["-c", "pass"],
    "import flowkeep": ["-c", "import flowkeep"],
    "import temporalio.client (baseline)": ["-c", "import temporalio.client"],
    "flowkeep --help": ["-m", "flowkeep", "--help"],
    "flowkeep run list --help": ["-m", "flowkeep", "run", "list", "--help"],
}


def measure(words: list[str]) -> float:
    """Return how many milliseconds a new interpreter takes, start to end."""
    begin = time.perf_counter()
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
    return (time.perf_counter() - begin) * 1000


def main() -> None:
    """Measure and print medians and raw numbers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=15, help="measurements per variant")
    repeats = parser.parse_args().repeats
    figures: dict[str, list[float]] = {name: [] for name in VARIANTS}
    for words in VARIANTS.values():
        measure(words)  # byte code and page cache
    for repeat in range(repeats):
        names = list(VARIANTS) if repeat % 2 == 0 else list(VARIANTS)[::-1]
        for name in names:
            figures[name].append(measure(VARIANTS[name]))
    print(f"Python {platform.python_version()}, {repeats} interleaved repeats, milliseconds")
    empty = statistics.median(figures["an empty program (baseline)"])
    for name, values in figures.items():
        median = statistics.median(values)
        print(f"{name:38} median {median:7.1f}  above an empty program {median - empty:7.1f}")
    print("\nraw:")
    for name, values in figures.items():
        print(f"  {name}: {' '.join(f'{value:.1f}' for value in values)}")


if __name__ == "__main__":
    main()
