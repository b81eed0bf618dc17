"""Counts and durations of runs."""

from flowkeep.statestore.session import Scope


class Statistics:
    """Statistics; see the Protocol `StatisticsRepository`.

    Args:
        scope: Where sessions come from.
    """

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
