"""Counters, gauges and histograms that leave with the metrics of Temporal's SDK.

Whoever configured the SDK's runtime to export metrics (Prometheus, OpenTelemetry) gets ours in the
same place; where nothing is exported they cost next to nothing. A part of flowkeep that counts
something takes a `Meter` and makes its instruments once; buckets of histograms stand in `core`:

    lag = meter.gauge("reconciler_lag", "Age of the oldest execution that is not proven", "seconds")
    lag.set(2.5)
    failures = meter.counter("reconciler_failures", "Rounds that failed")
    failures.add(1)
    failures.add(1, {"kind": "timeout"})
    latency = meter.histogram("reconciler_round", "How long one round takes", "seconds")
    latency.record(0.12)

Names get the prefix `flowkeep_`; the exporter may add the unit and `_total`. Instruments may be
used from any thread.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from temporalio.client import Client
    from temporalio.common import (
        MetricCounter,
        MetricGaugeFloat,
        MetricHistogramFloat,
        MetricMeter,
    )

PREFIX = "flowkeep_"


class Meter:
    """Makes the instruments of one process.

    Args:
        client: The client whose runtime exports; None measures nothing.
    """

    def __init__(self, client: "Client | None" = None) -> None:
        self._meter = _meter_of(client)

    @classmethod
    def of_process(cls) -> "Meter":
        """Return the meter of this process, for what counts before there is any client.

        It exports where `start_core` said; call that first.
        """
        from temporalio.runtime import Runtime

        meter = cls()
        meter._meter = Runtime.default().metric_meter
        return meter

    def counter(self, name: str, description: str, unit: str | None = None) -> "MetricCounter":
        """Make a counter that only grows; `add(n)`."""
        return self._meter.create_counter(PREFIX + name, description, unit)

    def gauge(self, name: str, description: str, unit: str | None = None) -> "MetricGaugeFloat":
        """Make a gauge of what is now; `set(value)`."""
        return self._meter.create_gauge_float(PREFIX + name, description, unit)

    def histogram(
        self, name: str, description: str, unit: str | None = None
    ) -> "MetricHistogramFloat":
        """Make a histogram of sizes or durations; `record(value)`."""
        return self._meter.create_histogram_float(PREFIX + name, description, unit)


def _meter_of(client: "Client | None") -> "MetricMeter":
    from temporalio.common import MetricMeter
    from temporalio.runtime import Runtime

    if client is None:
        return MetricMeter.noop
    runtime = client.service_client.config.runtime or Runtime.default()
    return runtime.metric_meter
