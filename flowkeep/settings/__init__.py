"""Settings in frozen groups, each with its units. The only module that reads the environment.

Precedence: an argument (a flag) beats the environment, the environment beats the file that
`flowkeep dev` leaves in `./.flowkeep/engine.json`, the file beats the default. Temporal's own
variables (`TEMPORAL_ADDRESS`, `TEMPORAL_NAMESPACE`, `TEMPORAL_API_KEY`, `TEMPORAL_TLS…`) and its
TOML profiles are read by the SDK's envconfig.
"""

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from flowkeep.errors import ConfigurationError
from flowkeep.settings.groups import (
    DatabaseSettings,
    DefinitionSettings,
    DemoSettings,
    Group,
    PayloadSettings,
    ReconcilerSettings,
    RecorderSettings,
    SourceSettings,
    StorageSettings,
    TelemetrySettings,
    TemporalSettings,
    WebhookSettings,
    WorkerSettings,
)
from flowkeep.settings.service import ApiSettings, ClientSettings

__all__ = [
    "ENGINE_FILE",
    "ENGINE_LOCK",
    "ApiSettings",
    "ClientSettings",
    "DatabaseSettings",
    "DefinitionSettings",
    "DemoSettings",
    "PayloadSettings",
    "ReconcilerSettings",
    "RecorderSettings",
    "Settings",
    "SourceSettings",
    "StorageSettings",
    "TelemetrySettings",
    "TemporalSettings",
    "WebhookSettings",
    "WorkerSettings",
    "server_environment",
    "user_cache",
    "variables",
]

ENGINE_FILE = Path(".flowkeep") / "engine.json"
"""Where `flowkeep dev` leaves addresses and credentials, relative to the working directory."""
ENGINE_LOCK = ENGINE_FILE.with_name("engine.lock")
"""Locked while an engine runs in the folder."""


class Settings(Group):
    """All groups."""

    temporal: TemporalSettings = TemporalSettings()
    database: DatabaseSettings = DatabaseSettings()
    worker: WorkerSettings = WorkerSettings()
    recorder: RecorderSettings = RecorderSettings()
    reconciler: ReconcilerSettings = ReconcilerSettings()
    webhooks: WebhookSettings = WebhookSettings()
    payloads: PayloadSettings = PayloadSettings()
    storage: StorageSettings = StorageSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    definitions: DefinitionSettings = DefinitionSettings()
    source: SourceSettings = SourceSettings()
    demo: DemoSettings = DemoSettings()
    api: ApiSettings = ApiSettings()
    client: ClientSettings = ClientSettings()

    @classmethod
    def load(cls, **flags: Any) -> "Settings":
        """Read flags, environment, engine file and defaults, in this order of precedence.

        Args:
            **flags: `group__field=value`; a value of None counts as not given.

        Raises:
            ConfigurationError: If a value does not fit; the message names the variable.
        """
        values: dict[str, dict[str, Any]] = {name: {} for name in cls.model_fields}
        for layer in (_from_engine_file(), _from_environment(), _from_flags(flags)):
            for group, fields in layer.items():
                values[group].update(fields)
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise ConfigurationError(_explain(error)) from None

    def database_url(self) -> str:
        """Return the ledger's URL.

        Raises:
            ConfigurationError: If none is configured.
        """
        if self.database.url is None:
            raise ConfigurationError(
                "no ledger is configured",
                hint="set FLOWKEEP_DATABASE_URL, or run `flowkeep dev` in this folder",
            )
        return self.database.url.get_secret_value()


_ALIASES = {
    "FLOWKEEP_DATABASE_URL": ("database", "url"),
    "FLOWKEEP_SECRET_KEY": ("database", "secret_key"),
    "FLOWKEEP_STORAGE_URL": ("storage", "url"),
    "FLOWKEEP_TASK_QUEUE": ("worker", "task_queue"),
    "FLOWKEEP_LOG_FORMAT": ("telemetry", "log_format"),
    "FLOWKEEP_LOG_LEVEL": ("telemetry", "log_level"),
    "OTEL_EXPORTER_OTLP_ENDPOINT": ("telemetry", "otel_endpoint"),
    "OTEL_SERVICE_NAME": ("telemetry", "otel_service"),
    "FLOWKEEP_SERVER": ("client", "server"),
    "FLOWKEEP_API_KEY": ("client", "api_key"),
    "FLOWKEEP_PROFILE": ("client", "profile"),
    "FLOWKEEP_CONFIG": ("client", "config"),
    "TEMPORAL_ADDRESS": ("temporal", "address"),
    "TEMPORAL_NAMESPACE": ("temporal", "namespace"),
    "TEMPORAL_PROFILE": ("temporal", "profile"),
}


@cache
def variables() -> dict[str, tuple[str, str]]:
    """Return every environment variable we read and the (group, field) it sets."""
    names = dict(_ALIASES)
    taken = set(_ALIASES.values())
    for group, info in Settings.model_fields.items():
        model = info.annotation
        assert model is not None
        for name in model.model_fields:
            if (group, name) not in taken:
                names[f"FLOWKEEP_{group}_{name}".upper()] = (group, name)
    return names


def user_cache() -> Path:
    """Return flowkeep's folder in the user's cache; it may not exist yet.

    Raises:
        ConfigurationError: If the user has no home folder.
    """
    base = os.environ.get("XDG_CACHE_HOME", "")
    if Path(base).is_absolute():
        return Path(base) / "flowkeep"
    try:
        return Path.home() / ".cache" / "flowkeep"
    except RuntimeError:
        raise ConfigurationError(
            "no folder for the cache: this user has no home", hint="set HOME or XDG_CACHE_HOME"
        ) from None


def server_environment(extra: dict[str, str] | None = None) -> dict[str, str]:
    """Return the environment for a server process: no settings or secrets meant for others.

    Args:
        extra: Variables to set on top.
    """
    foreign = ("FLOWKEEP_", "TEMPORAL_", "PG")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return kept | (extra or {})


def _from_environment() -> dict[str, dict[str, Any]]:
    layer: dict[str, dict[str, Any]] = {}
    for variable, (group, name) in variables().items():
        value = os.environ.get(variable)
        if value:
            layer.setdefault(group, {})[name] = value
    return layer


def _from_flags(flags: dict[str, Any]) -> dict[str, dict[str, Any]]:
    layer: dict[str, dict[str, Any]] = {}
    for flag, value in flags.items():
        group, _, name = flag.partition("__")
        if value is not None:
            layer.setdefault(group, {})[name] = value
    return layer


def _from_engine_file() -> dict[str, dict[str, Any]]:
    """Read what a running `flowkeep dev` left; a file whose process is gone is ignored."""
    try:
        content = json.loads(ENGINE_FILE.read_text())
        os.kill(int(content["pid"]), 0)
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    if _is_unlocked(ENGINE_LOCK):  # the process id belongs to another process by now
        return {}
    settings = content.get("settings", {})
    return {group: dict(fields) for group, fields in settings.items()}


def _is_unlocked(path: Path) -> bool:
    """Tell whether the file exists and nobody holds its lock."""
    try:
        import fcntl

        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except (ImportError, OSError):
        return False
    return True


def _explain(error: ValidationError) -> str:
    by_field = {field: variable for variable, field in variables().items()}
    parts = []
    for item in error.errors(include_input=False):
        path = tuple(str(step) for step in item["loc"][:2])
        name = by_field.get(path) if len(path) == 2 else None
        parts.append(f"{name or '.'.join(path)}: {item['msg']}")
    return "; ".join(parts)
