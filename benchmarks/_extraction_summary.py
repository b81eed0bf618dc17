"""Medians and ratios of the extraction benchmark, and what they look like."""

import statistics
from typing import Any

from benchmarks._extraction_rounds import (
    AGAIN,
    COLD,
    COPY,
    FIXED,
    PEER,
    START,
    WHOLE,
    Figure,
)

Figures = dict[str, dict[str, list[Figure]]]


def summary(figures: Figures) -> list[dict[str, Any]]:
    """Return a row per catalogue and variant; round 0 gives the statements and nothing else.

    Args:
        figures: Catalogue, variant, one figure per round, that of round 0 first.
    """
    rows = []
    for catalogue, by_variant in figures.items():
        _check_same(by_variant)
        floor = _seconds(by_variant[COPY])
        for variant, measured in by_variant.items():
            counted = measured[1:]
            seconds = _seconds(measured)
            ratios = [one / base for one, base in zip(seconds, floor, strict=True)]
            rows.append(
                {
                    "catalogue": catalogue,
                    "variant": variant,
                    "seconds": round(statistics.median(seconds), 3),
                    "to_copy": round(statistics.median(seconds) / statistics.median(floor), 2),
                    "to_copy_of_rounds": round(statistics.median(ratios), 2),
                    "peak_mib": _most(counted, "peak_mib"),
                    "statements": measured[0].get("statements"),
                    "rows": counted[0].get("rows") or counted[0].get("events"),
                    "bytes": counted[0].get("bytes"),
                    "datasets": counted[0].get("datasets"),
                    "unchanged": counted[0].get("unchanged"),
                    "counts": counted[0].get("counts"),
                    "cpu_seconds": _cpu(counted),
                    "seconds_raw": [round(one, 3) for one in seconds],
                    "peak_mib_raw": [
                        round(one["peak_mib"]) for one in counted if "peak_mib" in one
                    ],
                }
            )
    return rows


def _check_same(by_variant: dict[str, list[Figure]]) -> None:
    """Check that the baseline ran what the workflow ran, by the server's log of round 0.

    Raises:
        RuntimeError: If it did not, so that the ratio would say nothing.
    """
    if by_variant[COPY][0]["copies"] != by_variant[WHOLE][0]["copies"]:
        raise RuntimeError("the baseline's COPY statements are not those of the workflow")


def _seconds(measured: list[Figure]) -> list[float]:
    return [one["seconds"] for one in measured[1:]]


def _most(measured: list[Figure], name: str) -> int | None:
    found = [one[name] for one in measured if name in one]
    return round(max(found)) if found else None


def _cpu(measured: list[Figure]) -> dict[str, float] | None:
    if "cpu" not in measured[0]:
        return None
    return {
        name: round(statistics.median(one["cpu"][name] for one in measured), 2)
        for name in measured[0]["cpu"]
    }


def findings(rows: list[dict[str, Any]]) -> list[str]:
    """Return the figures that targets speak of, a sentence per figure."""
    by_catalogue: dict[str, dict[str, dict[str, Any]]] = {}
    for row in rows:
        by_catalogue.setdefault(row["catalogue"], {})[row["variant"]] = row
    lines = []
    for catalogue, of in by_catalogue.items():
        copy, fixed, whole = (of[name]["seconds"] for name in (COPY, FIXED, WHOLE))
        lines.append(
            f"{catalogue}: {whole:.2f} s = {fixed:.2f} s fixed + {(whole - fixed) / copy:.2f} x "
            f"the raw COPYs ({copy:.2f} s); {of[WHOLE]['statements']} statements"
        )
        if PEER in of:
            peer = of[PEER]["seconds"]
            cold = whole + of[COLD]["seconds"] + of[START]["seconds"]
            lines.append(
                f"{catalogue}: DataHub takes {peer:.1f} s, {peer / whole:.1f} x as long; "
                f"{peer / cold:.1f} x with the worker's start and first run counted in; "
                f"{of[PEER]['peak_mib'] / of[WHOLE]['peak_mib']:.1f} x the memory; "
                f"{of[PEER]['statements']} statements"
            )
    wholes = [of[WHOLE] for of in by_catalogue.values()]
    if len(wholes) > 1:
        peaks = [row["peak_mib"] for row in wholes]
        lines.append(
            f"most memory {' and '.join(map(str, peaks))} MiB: {peaks[-1] / peaks[0]:.2f} x; "
            f"statements {' and '.join(str(row['statements']) for row in wholes)}"
        )
    return lines


def show(rows: list[dict[str, Any]]) -> None:
    """Print the table, what the targets speak of, and the raw figures."""
    names = ("seconds", "to_copy", "to_copy_of_rounds", "peak_mib", "statements", "rows", "bytes")
    for catalogue in dict.fromkeys(row["catalogue"] for row in rows):
        print(f"{catalogue:36}" + "".join(f"{name:>18}" for name in names))
        for row in rows:
            if row["catalogue"] == catalogue:
                cells = ("" if row[name] is None else f"{row[name]:,}" for name in names)
                print(f"{row['variant']:36}" + "".join(f"{cell:>18}" for cell in cells))
        print()
    print("\n".join(findings(rows)))
    print("\nprocessor seconds of a run")
    for row in rows:
        if row["cpu_seconds"]:
            print(f"{row['catalogue']:22} {row['variant']:36} {row['cpu_seconds']}")
    print("\nrows by kind, objects the diff found unchanged, data sets found")
    for row in rows:
        found = {
            WHOLE: row["counts"],
            AGAIN: f"{row['unchanged']} unchanged",
            PEER: f"{row['datasets']} data sets",
        }.get(row["variant"])
        if found is not None:
            print(f"{row['catalogue']:22} {row['variant']:36} {found}")
    print("\nraw seconds and MiB, one per round")
    for row in rows:
        print(
            f"{row['catalogue']:22} {row['variant']:36} {row['seconds_raw']} {row['peak_mib_raw']}"
        )
