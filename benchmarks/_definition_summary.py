"""What the raw figures of the definitions' benchmark add up to."""

import statistics
from collections.abc import Sequence
from typing import Any

from benchmarks._definition_rounds import VARIANTS, Figure, Phase
from benchmarks._support import interval

Figures = dict[str, dict[str, list[Figure]]]
"""By phase and variant, one per repeat."""

PHASES = {
    "ten": Phase("sequence", 10, runs=6, at_once=1),
    "ten_16": Phase("sequence", 10, runs=32, at_once=16),
    "fifty_16": Phase("sequence", 50, runs=16, at_once=16),
    "fan": Phase("items", 200, runs=4, at_once=1, concurrency=200),
    "items_800": Phase("items", 800, runs=2, at_once=1),
}
WHAT = {
    "ten": "10 tasks, a run alone",
    "ten_16": "10 tasks, 16 runs at once",
    "fifty_16": "50 tasks, 16 runs at once",
    "fan": "fan-out of 200, all at once",
    "items_800": "800 items, 50 at a time",
}
GROWTH = {
    "items_1000": Phase("items", 1_000, runs=1, at_once=1, checked=True),
    "items_10000": Phase("items", 10_000, runs=1, at_once=1, checked=True),
    "rows_2000": Phase("rows", 2_000, runs=1, at_once=1, checked=True),
    "graph_1000": Phase("graph", 1_000, runs=1, at_once=1, checked=True),
    "graph_2000": Phase("graph", 2_000, runs=1, at_once=1, checked=True),
    "crowded_1000": Phase("items", 1_000, runs=1, at_once=1, concurrency=200, checked=True),
}
GROWTH_WHAT = {
    "items_1000": "1,000 items",
    "items_10000": "10,000 items",
    "rows_2000": "2,000 items of 10 KB",
    "graph_1000": "graph of 1,000 tasks",
    "graph_2000": "graph of 2,000 tasks",
    "crowded_1000": "1,000 items, 200 at a time",
}
WARM_UP = Phase("items", 200, runs=2, at_once=1)
LATENCIES = {"ten"}
OVERHEAD = {
    "sequence": Phase("sequence", 100, runs=8, at_once=8),
    "items": Phase("items", 400, runs=1, at_once=1),
}
OVERHEAD_WHAT = {"sequence": "100 tasks in sequence", "items": "400 items, 50 at a time"}


def summary(figures: Figures) -> list[dict[str, Any]]:
    """Return a row per phase and variant: median, ratio of pairs, what a task takes."""
    rows = []
    for phase, by_variant in figures.items():
        lone = phase in LATENCIES
        baseline = [_figure(one, lone) for one in by_variant[VARIANTS[0]]]
        for variant, measured in by_variant.items():
            raw = [_figure(one, lone) for one in measured]
            ratios = [ours / base for base, ours in zip(baseline, raw, strict=True)]
            cpu = [_cpu(one) for one in measured]
            count = PHASES[phase].count
            rows.append(
                {
                    "phase": phase,
                    "what": WHAT[phase],
                    "unit": "ms" if lone else "tasks/s",
                    "variant": variant,
                    "median": round(statistics.median(raw), 1),
                    "ratio": round(statistics.median(ratios), 3),
                    "interval": [round(bound, 3) for bound in interval(ratios)],
                    "cpu_ms": round(statistics.median(cpu), 2),
                    "events": round(_median(one["events"] for one in measured) / count, 2),
                    "bytes": round(_median(one["size"] for one in measured) / count),
                    "raw": [round(one, 1) for one in raw],
                    "raw_cpu_ms": [round(one, 2) for one in cpu],
                }
            )
    return rows


def overhead(figures: Figures) -> list[dict[str, Any]]:
    """Return a row per phase and variant: what a task takes, and how much over a coded one's.

    What a run takes once is in it, shared by its tasks.
    """
    rows = []
    for phase, by_variant in figures.items():
        base = [_cpu(one) for one in by_variant[VARIANTS[0]]]
        for variant, measured in by_variant.items():
            raw = [_cpu(one) for one in measured]
            over = [ours - theirs for theirs, ours in zip(base, raw, strict=True)]
            count = OVERHEAD[phase].count
            rows.append(
                {
                    "what": OVERHEAD_WHAT[phase],
                    "variant": variant,
                    "cpu_ms": round(statistics.median(raw), 2),
                    "more_cpu_ms": round(statistics.median(over), 2),
                    "interval": [round(bound, 2) for bound in interval(over)],
                    "events": round(_median(one["events"] for one in measured) / count, 2),
                    "bytes": round(_median(one["size"] for one in measured) / count),
                    "raw_cpu_ms": [round(one, 2) for one in raw],
                    "raw_more_cpu_ms": [round(one, 2) for one in over],
                }
            )
    return rows


def growth(figures: Figures) -> list[dict[str, Any]]:
    """Return a row per large run: how long, how many executions, how much memory."""
    return [
        {
            "what": GROWTH_WHAT[phase],
            "variant": variant,
            "seconds": round(one["seconds"], 1),
            "cpu_ms": round(one["cpu"] * 1000 / one["tasks"], 2),
            "events": round(one["events"] / one["tasks"], 2),
            "bytes": round(one["size"] / one["tasks"]),
            "segments": one["segments"],
            "executions": one["executions"],
            "most_events": one["most_events"],
            "most_kb": round(one["most_bytes"] / 1000),
            "turns": one["turns"],
            "lost": one["lost"],
            "mib": one["mib"],
        }
        for phase, by_variant in figures.items()
        for variant, measured in by_variant.items()
        for one in measured
    ]


def _figure(one: Figure, lone: bool) -> float:
    """Milliseconds of a lone run, or tasks per second."""
    found: float = one["ms"] if lone else one["tasks"] / one["seconds"]
    return found


def _cpu(one: Figure) -> float:
    """Processor milliseconds of the worker per task."""
    found: float = one["cpu"] * 1000 / one["tasks"]
    return found


def _median(values: Any) -> float:
    found: Sequence[float] = list(values)
    return statistics.median(found)
