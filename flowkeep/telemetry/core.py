"""The native part of Temporal's SDK: where its logs go, and where metrics are offered."""

import logging

from flowkeep.errors import ConfigurationError

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)
_RECORDS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0)

BUCKETS = {
    "flowkeep_api_request_duration": _SECONDS,
    "flowkeep_reconciler_pass": _SECONDS,
    "flowkeep_recorder_flush_size": _RECORDS,
    "flowkeep_recorder_flush_latency": _SECONDS,
}
"""Upper bounds of the buckets of our histograms; the SDK's own suit milliseconds."""


def start_core(metrics_address: str | None = None, *, port_offset: int = 0) -> None:
    """Send what Temporal's core logs through our handler, and offer metrics if asked to.

    Call it before the first client is made; later it changes nothing for clients that exist. Left
    out, the core writes to standard error by itself, in a format of its own, and metrics go
    nowhere.

    Args:
        metrics_address: host:port on which `/metrics` answers Prometheus with the SDK's metrics
            and ours; null for none.
        port_offset: Added to the port: several processes cannot share one.

    Raises:
        ConfigurationError: If the address cannot be listened on; names the setting.
    """
    from temporalio import runtime

    forwarding = runtime.LogForwardingConfig(
        logger=logging.getLogger("temporalio.core"),
        append_target_to_name=False,
        prepend_target_on_message=False,
        append_log_fields_to_message=False,
    )
    logs = runtime.LoggingConfig(
        filter=runtime.TelemetryFilter(core_level="WARN", other_level="ERROR"),
        forwarding=forwarding,
    )
    metrics = None
    if metrics_address is not None:
        metrics = runtime.PrometheusConfig(
            bind_address=_shifted(metrics_address, port_offset),
            counters_total_suffix=True,
            unit_suffix=True,
            durations_as_seconds=True,
            histogram_bucket_overrides=BUCKETS,
        )
    try:
        made = runtime.Runtime(telemetry=runtime.TelemetryConfig(logging=logs, metrics=metrics))
    except (RuntimeError, ValueError) as error:
        raise ConfigurationError(
            f"metrics cannot be offered on {metrics_address}: {error}",
            hint="set FLOWKEEP_TELEMETRY_METRICS_ADDRESS to a free host:port",
        ) from error
    runtime.Runtime.set_default(made, error_if_already_set=False)


def _shifted(address: str, offset: int) -> str:
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) + offset < 65536:
        raise ConfigurationError(
            f"FLOWKEEP_TELEMETRY_METRICS_ADDRESS: {address!r} is not host:port",
            hint="for example 127.0.0.1:9464",
        )
    return f"{host}:{int(port) + offset}"
