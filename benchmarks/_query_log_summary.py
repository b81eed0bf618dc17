"""Medians and ratios of the query log benchmark, and what they look like."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks._support import interval

Figure = dict[str, Any]
_COLUMNS = (
    *("variant", "side", "statements", "per_cpu_second", "per_second"),
    *("ratio", "ratio_95", "peak_mib", "parsers_mib"),
)
_COUNTED = (
    *("shapes", "not_redacted", "resolved", "failed", "columns_failed", "problems", "edges"),
    *("rejected", "made", "counts", "stages"),
)


def summary(
    figures: Mapping[str, Mapping[str, Sequence[Figure]]], whole: Mapping[int, Sequence[Figure]]
) -> list[Figure]:
    """Return a row per variant and side, and per size of the pipeline's log.

    Args:
        figures: By variant and side, one per round.
        whole: The pipeline's, by size.
    """
    rows = []
    for variant, sides in figures.items():
        peer = sides.get("peer")
        for side, measured in sides.items():
            row = _row(variant, "DataHub" if side == "peer" else "ours", measured)
            if peer and side == "ours":
                rates = zip(
                    _rates(measured, "cpu_seconds"), _rates(peer, "cpu_seconds"), strict=True
                )
                ratios = [one / other for one, other in rates]
                row["ratio"] = round(statistics.median(ratios), 1)
                row["ratio_95"] = " to ".join(f"{end:.1f}" for end in interval(ratios))
            rows.append(row)
    rows += [_row("pipeline", "ours", measured) for measured in whole.values()]
    return rows


def _row(variant: str, side: str, measured: Sequence[Figure]) -> Figure:
    by_cpu, by_wall = _rates(measured, "cpu_seconds"), _rates(measured, "seconds")
    parsers = [one["parsers_mib"] for one in measured if "parsers_mib" in one]
    return {
        "variant": variant,
        "side": side,
        "statements": measured[0]["statements"],
        "per_cpu_second": round(statistics.median(by_cpu)),
        "per_second": round(statistics.median(by_wall)),
        "ratio": None,
        "ratio_95": None,
        "peak_mib": round(max(one["peak_mib"] for one in measured)),
        "parsers_mib": round(max(parsers)) if parsers else None,
        "counted": {name: measured[-1][name] for name in _COUNTED if name in measured[-1]},
        "per_cpu_second_raw": [round(one) for one in by_cpu],
        "per_second_raw": [round(one) for one in by_wall],
        "peak_mib_raw": [round(one["peak_mib"]) for one in measured],
    }


def _rates(measured: Sequence[Figure], seconds: str) -> list[float]:
    return [one["statements"] / one[seconds] for one in measured]


def show(rows: Sequence[Figure]) -> None:
    """Print a table, then raw figures and what was counted."""
    print("".join(f"{name:>16}" for name in _COLUMNS))
    for row in rows:
        print("".join(f"{'' if row[name] is None else row[name]:>16}" for name in _COLUMNS))
    print("\nratio: statements per processor second, ours to DataHub's, of the same round")
    for row in rows:
        print(f"\n{row['variant']}, {row['side']}: {row['statements']} statements")
        print(f"  per processor second {row['per_cpu_second_raw']}")
        print(f"  per second           {row['per_second_raw']}")
        print(f"  peak MiB             {row['peak_mib_raw']}")
        print(f"  counted              {row['counted']}")
