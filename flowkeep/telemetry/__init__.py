"""Telemetry: logs without secrets, metrics that leave with those of Temporal's SDK, and traces.

`logs` renders records, `core` sets up the native part of the SDK, `metrics` makes counters, gauges
and histograms, `traces` joins requests, workflows, activities and SQL. Everything is loaded when
first used.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flowkeep.telemetry.core import start_core
    from flowkeep.telemetry.logs import configure, get_logger, silence
    from flowkeep.telemetry.metrics import Meter
    from flowkeep.telemetry.traces import start_tracing

__all__ = [
    "Meter",
    "configure",
    "get_logger",
    "silence",
    "start_core",
    "start_tracing",
]

_HOMES = {
    "Meter": "flowkeep.telemetry.metrics",
    "configure": "flowkeep.telemetry.logs",
    "get_logger": "flowkeep.telemetry.logs",
    "silence": "flowkeep.telemetry.logs",
    "start_core": "flowkeep.telemetry.core",
    "start_tracing": "flowkeep.telemetry.traces",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
