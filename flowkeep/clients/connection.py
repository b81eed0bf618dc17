"""Connecting to Temporal."""

import asyncio
from ipaddress import ip_address

from temporalio.client import Client
from temporalio.envconfig import ClientConfig
from temporalio.service import GrpcCompression

from flowkeep.errors import ConfigurationError, TemporalUnavailable
from flowkeep.recording.plugin import Plugin
from flowkeep.settings import TemporalSettings
from flowkeep.telemetry.traces import interceptors

DEFAULT_ADDRESS = "localhost:7233"


async def connect_temporal(settings: TemporalSettings, plugin: Plugin) -> Client:
    """Connect by Temporal's own configuration, with our settings on top.

    Args:
        settings: Address, namespace and profile.
        plugin: Joins the client and every worker made from it.

    Raises:
        TemporalUnavailable: If the server does not answer in time; names the address.
        ConfigurationError: If the profile or the namespace does not exist.
    """
    try:
        config = ClientConfig.load_client_connect_config(profile=settings.profile)
    except (ValueError, KeyError, RuntimeError) as error:
        raise ConfigurationError(
            f"Temporal's configuration cannot be read: {error}",
            hint="correct the TEMPORAL_* variables or the profile",
        ) from error
    address = settings.address or config.get("target_host") or DEFAULT_ADDRESS
    config["target_host"] = address
    config["namespace"] = settings.namespace or config.get("namespace") or "default"
    # Compressing what never leaves the machine only costs CPU on both sides.
    compression = GrpcCompression.NONE if _is_loopback(address) else GrpcCompression.GZIP
    try:
        async with asyncio.timeout(settings.connect_timeout_seconds):
            return await Client.connect(
                **config,
                # Around the plugin's: what it does belongs to the trace too.
                interceptors=interceptors(),
                plugins=[plugin],
                grpc_compression=compression,
            )
    except (TimeoutError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else "no answer in time"
        raise TemporalUnavailable(f"Temporal at {address} cannot be reached: {reason}") from error
    except ValueError as error:
        raise ConfigurationError(
            f"{address!r} is no address of a Temporal server: {error}",
            hint="write host:port into TEMPORAL_ADDRESS",
        ) from error


def _is_loopback(address: str) -> bool:
    host = address.rpartition(":")[0].strip("[]") or address
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
