"""Percentiles from the logarithmic steps in which the rollups keep durations."""

from collections.abc import Sequence

from flowkeep.contracts.statistics import Durations
from flowkeep.statestore.repositories.rollups import STEPS_PER_OCTAVE

_SHORTEST = 0.001
"""Seconds at which step 1 begins; step 0 is all below."""


def summary(steps: Sequence[tuple[int, int]]) -> Durations:
    """Return count, mean and percentiles.

    Args:
        steps: Step and count, in ascending order of the step.
    """
    total = sum(count for _, count in steps)
    if total <= 0:
        return Durations(count=0)
    seconds = sum(count * _within(step, 0.5) for step, count in steps)
    return Durations(
        count=total,
        mean=seconds / total,
        p50=_percentile(steps, 0.50 * total),
        p90=_percentile(steps, 0.90 * total),
        p95=_percentile(steps, 0.95 * total),
        p99=_percentile(steps, 0.99 * total),
    )


def _percentile(steps: Sequence[tuple[int, int]], rank: float) -> float:
    for step, count in steps:
        if rank <= count:
            return _within(step, rank / count)
        rank -= count
    return _within(steps[-1][0], 1.0)


def _within(step: int, part: float) -> float:
    """Return the duration at a part of a step, as if its runs were spread evenly."""
    if step == 0:
        return float(_SHORTEST * part)
    return float(_SHORTEST * 2 ** ((step - 1 + part) / STEPS_PER_OCTAVE))
