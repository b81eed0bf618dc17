"""What was measured, as tables for people and as JSON."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

Times = Mapping[str, Mapping[int, Sequence[float]]]
"""Milliseconds by call and size."""

MOST_MS = 10.0
MOST_RATIO = 1.5


def summary(times: Times) -> list[dict[str, Any]]:
    """Return a row per call and size, with ratios to the smallest size."""
    rows = []
    for name, by_size in times.items():
        base: dict[str, Any] | None = None
        for runs, taken in by_size.items():
            cut = statistics.quantiles(taken, n=20)
            row: dict[str, Any] = {
                "call": name,
                "runs": runs,
                "calls": len(taken),
                "p50_ms": statistics.median(taken),
                "p95_ms": cut[18],
                "max_ms": max(taken),
            }
            base = base or row
            row |= {
                "p50_ratio": row["p50_ms"] / base["p50_ms"],
                "p95_ratio": row["p95_ms"] / base["p95_ms"],
            }
            rows.append(row)
    return rows


def outliers(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, int]]:
    """Return the calls and sizes that miss what is wanted of every call."""
    return [
        (row["call"], row["runs"])
        for row in rows
        if row["p95_ms"] >= MOST_MS or row["p50_ratio"] > MOST_RATIO
    ]


def show_times(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print a line per call: p50, p95 and max of each size, and the ratios to the first."""
    sizes = list(dict.fromkeys(row["runs"] for row in rows))
    cells = ["p50", "p95", "max", "ratio p50", "ratio p95"]
    titles = [
        f"{cell} {runs:,}" for runs in sizes for cell in cells[: 3 if runs == sizes[0] else 5]
    ]
    table = [["ms", *titles]]
    for name in dict.fromkeys(row["call"] for row in rows):
        line = [name]
        for row in (row for row in rows if row["call"] == name):
            line += [f"{row[key]:.2f}" for key in ("p50_ms", "p95_ms", "max_ms")]
            if row["runs"] != sizes[0]:
                line += [f"{row[key]:.2f}" for key in ("p50_ratio", "p95_ratio")]
        table.append(line)
    show(table)


def show_facts(facts: Mapping[int, Mapping[str, Any]]) -> None:
    """Print what was measured once per size: a line per fact, a column per size."""
    names = list(dict.fromkeys(name for of_size in facts.values() for name in of_size))
    table = [["", *(f"{runs:,} runs" for runs in facts)]]
    table += [[name, *(_cell(of_size.get(name)) for of_size in facts.values())] for name in names]
    show(table)


def show(table: Sequence[Sequence[str]]) -> None:
    """Print a Markdown table whose columns are aligned."""
    widths = [max(len(row[n]) for row in table) for n in range(len(table[0]))]
    for number, row in enumerate(table):
        print("| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |")
        if not number:
            print("|" + "|".join("-" * (width + 2) for width in widths) + "|")


def _cell(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return f"{value:,.2f}" if isinstance(value, float) else f"{value:,}"
