"""What the orchestration benchmark's raw figures add up to."""

import statistics
from typing import Any

from benchmarks._orchestration_load import LATENCIES, PHASES
from benchmarks._support import interval

VARIANTS = ("bare", "plugin", "surface", "sequence")
PEERS = ("dbos", "dbos_threads")
WHAT = {
    "one": "a run of 1, alone",
    "ten": "a run of 10, alone",
    "start": "runs of 1, 32 at once",
    "seq": "runs of 10, 16 at once",
    "fan": "fan-out of 200",
    "one_local": "a run of 1 local, alone",
    "ten_local": "a run of 10 local, alone",
    "start_local": "runs of 1 local, 32 at once",
    "seq_local": "runs of 10 local, 16 at once",
    "fan_local": "fan-out of 200 local",
}

Figure = dict[str, float]
Figures = dict[str, dict[str, list[Figure]]]


def summary(figures: Figures) -> list[dict[str, Any]]:
    """Return a row per phase and variant: median, ratio of pairs, processor time per activity."""
    rows = []
    for phase, by_variant in figures.items():
        baseline = [figure["figure"] for figure in by_variant["bare"]]
        for variant, measured in by_variant.items():
            if not measured:
                continue
            raw = [figure["figure"] for figure in measured]
            ratios = [ours / base for base, ours in zip(baseline, raw, strict=True)]
            rows.append(
                {
                    "phase": phase,
                    "what": WHAT[phase],
                    "unit": _unit(phase),
                    "variant": variant,
                    "median": round(statistics.median(raw), 1),
                    "ratio": round(statistics.median(ratios), 3),
                    "interval": [round(bound, 3) for bound in interval(ratios)],
                    "wal_bytes": round(_per_activity(measured, "wal") / 1000),
                    "cpu_ms": {
                        name: round(_per_activity(measured, key), 2)
                        for name, key in (
                            ("process", "cpu"),
                            ("temporal", "Temporal"),
                            ("postgresql", "PostgreSQL"),
                        )
                    },
                    "raw": [round(figure, 1) for figure in raw],
                }
            )
    return rows


def beside_peer(figures: Figures) -> list[dict[str, Any]]:
    """Return how flowkeep stands beside the better form of DBOS, pair by pair."""
    rows = []
    for phase, by_variant in figures.items():
        peers = [by_variant[name] for name in PEERS if by_variant.get(name)]
        for variant in VARIANTS[1:]:
            measured = by_variant.get(variant)
            if not peers or not measured:
                continue
            best = min if phase in LATENCIES else max
            pairs = [best(raw["figure"] for raw in pair) for pair in zip(*peers, strict=True)]
            ratios = [ours["figure"] / base for base, ours in zip(pairs, measured, strict=True)]
            rows.append(
                {
                    "phase": phase,
                    "what": WHAT[phase],
                    "variant": variant,
                    "ratio": round(statistics.median(ratios), 3),
                    "interval": [round(bound, 3) for bound in interval(ratios)],
                }
            )
    return rows


def per_step(figures: Figures) -> list[dict[str, Any]]:
    """Return what one activity more takes in a lone run: the tenth part of ten, less the first.

    So the costs of a run, paid once, are left out.
    """
    rows = []
    for one, ten, what in (("one", "ten", "remote"), ("one_local", "ten_local", "local")):
        if not {one, ten} <= figures.keys():
            continue
        taken = {
            name: [
                (long["figure"] - short["figure"]) / 9
                for short, long in zip(figures[one][name], figures[ten][name], strict=True)
            ]
            for name in figures[ten]
            if figures[ten][name]
        }
        for name, steps in taken.items():
            more = [ours - base for ours, base in zip(steps, taken["bare"], strict=True)]
            rows.append(
                {
                    "what": what,
                    "variant": name,
                    "ms": round(statistics.median(steps), 2),
                    "more_ms": round(statistics.median(more), 2),
                    "interval": [round(bound, 2) for bound in interval(more)],
                }
            )
    return rows


def _unit(phase: str) -> str:
    if phase in LATENCIES:
        return "ms"
    return "runs/s" if PHASES[phase][1] == 1 else "activities/s"


def _per_activity(measured: list[Figure], key: str) -> float:
    return statistics.median(figure[key] * 1000 / figure["activities"] for figure in measured)
