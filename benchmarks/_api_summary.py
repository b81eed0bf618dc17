"""What the service's raw figures add up to."""

import statistics
from typing import Any

from benchmarks._support import interval

Figures = dict[str, dict[str, list[dict[str, float]]]]


def summary(figures: Figures, baselines: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return a row per phase and variant.

    Args:
        figures: By phase and variant, a figure per round.
        baselines: The variants that others are divided by, round by round.
    """
    rows = []
    for phase, by_variant in figures.items():
        for variant, measured in by_variant.items():
            raw = [one["figure"] for one in measured]
            rows.append(
                {
                    "phase": phase,
                    "variant": variant,
                    "median": round(statistics.median(raw), 1),
                    **{key: _median(measured, key) for key in ("p50", "p99", "cpu_ms")},
                    "ratios": {
                        name: _ratio(raw, [one["figure"] for one in by_variant[name]])
                        for name in baselines
                        if variant not in baselines
                    },
                    "raw": [round(one, 1) for one in raw],
                }
            )
    return rows


def _median(measured: list[dict[str, float]], key: str) -> float:
    return round(statistics.median(one[key] for one in measured), 2)


def _ratio(ours: list[float], theirs: list[float]) -> dict[str, Any]:
    ratios = [one / other for one, other in zip(ours, theirs, strict=True)]
    return {
        "ratio": round(statistics.median(ratios), 3),
        "interval": [round(bound, 3) for bound in interval(ratios)],
    }


def show(rows: list[dict[str, Any]], what: str) -> None:
    """Print rows of requests.

    Args:
        rows: Of `summary`.
        what: What is counted per second.
    """
    unit = f"{what}/s"
    print(f"\n{'':22} {'':14} {unit:>11} {'p50 ms':>9} {'p99 ms':>9} {'CPU ms':>8}   ratio (95 %)")
    for row in rows:
        told = "; ".join(
            f"{one['ratio']} of {name} ({one['interval'][0]} … {one['interval'][1]})"
            for name, one in row["ratios"].items()
        )
        times = f"{row['p50']:9} {row['p99']:9} {row['cpu_ms']:8}"
        print(f"{row['phase']:22} {row['variant']:14} {row['median']:11} {times}   {told}")
    for row in rows:
        print(f"raw {row['phase']:22} {row['variant']:14} {row['raw']}")


def show_watchers(rows: list[dict[str, Any]]) -> None:
    """Print rows of watchers."""
    print("\nthe service's memory in MiB: before, all open, at most, all gone; growth between the")
    print("first and the last third; descriptors before, all open, all gone; events; MiB received")
    for row in rows:
        rest = f"{row['growth_mib']:+7}   {row['descriptors']} {row['events']:7}"
        print(f"{row['what']:36} {row['mib']} {rest} {row['received_mib']:9}")
