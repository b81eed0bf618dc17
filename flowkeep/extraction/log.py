"""Loggers whose library is loaded when something is logged.

Workflow and activity modules reach most of the extraction, and none of them may load a library that
Temporal's sandbox would load anew for every run.
"""

from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from structlog.stdlib import BoundLogger


def get_logger(name: str) -> "BoundLogger":
    """Return a logger whose calls take fields as keywords; see `flowkeep.telemetry.get_logger`.

    Args:
        name: Name of the standard library's logger behind it, usually `__name__`.
    """
    return cast("BoundLogger", _Late(name))


class _Late:
    def __init__(self, name: str) -> None:
        self._name = name

    @cached_property
    def _logger(self) -> "BoundLogger":
        from flowkeep.telemetry import get_logger as make

        return make(self._name)

    def __getattr__(self, method: str) -> Any:
        return getattr(self._logger, method)
