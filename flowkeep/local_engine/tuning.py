"""What makes the development server of Temporal fast on one small machine, as plain data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """Settings of the Temporal development server and of workers beside it."""

    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables of the server's Go runtime."""
    sqlite_pragmas: Mapping[str, str] = field(default_factory=dict)
    """Journal of the server's state file."""
    dynamic_config: Mapping[str, str] = field(default_factory=dict)
    """Temporal's dynamic configuration: key to JSON value."""
    log_level: str | None = None
    """Level of the server's log; null leaves the server's default."""
    worker: Mapping[str, Any] = field(default_factory=dict)
    """What clients and workers on the same machine add; a Temporal cluster gets these too."""

    def arguments(self, *, on_file: bool) -> list[str]:
        """Return the arguments for `temporal server start-dev`.

        Args:
            on_file: Whether the state lies in a file; pragmas matter only then.
        """
        arguments = [] if self.log_level is None else ["--log-level", self.log_level]
        if on_file:
            for name, value in self.sqlite_pragmas.items():
                arguments += ["--sqlite-pragma", f"{name}={value}"]
        for key, value in self.dynamic_config.items():
            arguments += ["--dynamic-config-value", f"{key}={value}"]
        return arguments

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON-ready data."""
        return {
            "environment": dict(self.environment),
            "sqlite_pragmas": dict(self.sqlite_pragmas),
            "dynamic_config": dict(self.dynamic_config),
            "worker": dict(self.worker),
        }

    def describe(self) -> list[tuple[str, str]]:
        """Return pairs of what is set and why, for people."""
        return [(what, why) for what, why in _REASONS if self._has(what.split("=")[0])]

    def _has(self, name: str) -> bool:
        return any(
            key.rpartition(".")[2] == name
            for group in (self.environment, self.sqlite_pragmas, self.dynamic_config, self.worker)
            for key in group
        )


DEFAULTS = Tuning()
"""The server and workers as they come."""

TUNED = Tuning(
    environment={"GOGC": "400", "GOMEMLIMIT": "700MiB"},
    sqlite_pragmas={"journal_mode": "WAL", "synchronous": "NORMAL", "locking_mode": "EXCLUSIVE"},
    dynamic_config={
        "system.enableActivityEagerExecution": "true",
        "history.transferProcessorMaxPollRPS": "5000",
        "history.timerProcessorMaxPollRPS": "5000",
        "history.timerProcessorMaxTimeShift": '"10ms"',
        "history.maximumBufferedEventsBatch": "2000",
        "matching.numTaskqueueReadPartitions": "1",
        "matching.numTaskqueueWritePartitions": "1",
        "frontend.rps": "100000",
        "frontend.namespaceRPS": "100000",
        "history.rps": "100000",
        "matching.rps": "100000",
    },
    log_level="error",
    worker={
        "grpc_compression": "none",
        "max_eager_activity_reservations_per_workflow_task": 100,
        "request_eager_start": True,
        "event_loop": "uvloop",
    },
)
"""For one small machine; benchmarks/engine.py measures it against DEFAULTS."""

_REASONS = [
    ("transferProcessorMaxPollRPS=5000", "steps do not wait for a queue read 20 times a second"),
    ("numTaskqueueReadPartitions=1", "one partition per task queue: fan-out needs no forwarding"),
    ("journal_mode=WAL, synchronous=NORMAL", "state on a file at near the speed of memory"),
    ("locking_mode=EXCLUSIVE", "no second server can open the same state"),
    ("maximumBufferedEventsBatch=2000", "200 answers at once do not void the workflow task"),
    ("timerProcessorMaxTimeShift=10ms", "short timers fire on time, not a second late"),
    ("enableActivityEagerExecution=true", "an activity travels with the workflow task's answer"),
    ("GOGC=400", "memory for CPU: less garbage collection, limited by GOMEMLIMIT=700MiB"),
    ("rps=100000", "guard rails of the server are out of the way"),
    ("grpc_compression=none", "no compression on the loopback (workers and clients)"),
    ("max_eager_activity_reservations_per_workflow_task=100", "wide fan-outs go eager (workers)"),
    ("request_eager_start=true", "a run's first task travels with the start's answer (clients)"),
    ("event_loop=uvloop", "a faster event loop (workers)"),
]
