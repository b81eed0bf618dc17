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
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from flowkeep.errors import ConfigurationError

ENGINE_FILE = Path(".flowkeep") / "engine.json"
"""Where `flowkeep dev` leaves addresses and credentials, relative to the working directory."""
ENGINE_LOCK = ENGINE_FILE.with_name("engine.lock")
"""Locked while an engine runs in the folder."""


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TemporalSettings(_Group):
    """How Temporal is reached."""

    address: str | None = None
    """host:port; null leaves it to Temporal's envconfig, whose default is localhost:7233."""
    namespace: str | None = None
    """Temporal namespace; null leaves it to envconfig, whose default is `default`."""
    profile: str | None = None
    """Profile in Temporal's TOML file."""
    connect_timeout_seconds: float = Field(default=10.0, gt=0)
    """How long a start waits for the server to answer."""


class DatabaseSettings(_Group):
    """Where the ledger lies."""

    url: SecretStr | None = None
    """postgresql://user:password@host:port/database"""
    schema_name: str = Field(default="flowkeep", pattern=r"^[a-z_][a-z0-9_]{0,62}$")
    """PostgreSQL schema that holds all tables."""
    pool_size: int = Field(default=4, ge=1)
    """Connections per process."""
    connect_timeout_seconds: int = Field(default=5, ge=1)
    """How long one connection attempt may take."""
    statement_timeout_seconds: float = Field(default=30.0, gt=0)
    """Longest a statement of a repository may run."""
    secret_key: SecretStr | None = None
    """Key that encrypts secrets: 32 bytes, urlsafe base64 (a Fernet key)."""


class WorkerSettings(_Group):
    """How a worker process behaves."""

    task_queue: str = "flowkeep"
    """Used by workers and clients that name none."""
    processes: int = Field(default=1, ge=1)
    """Worker processes; spawned, never forked."""
    max_concurrent_activities: int = Field(default=100, ge=1)
    """Activity slots per process."""
    max_concurrent_workflow_tasks: int = Field(default=100, ge=2)
    """Workflow task slots per process."""
    threads: int = Field(default=100, ge=1)
    """Most threads per process for blocking work of activities; started when needed, and never
    fewer than activity slots."""
    graceful_shutdown_seconds: float = Field(default=30.0, ge=0)
    """How long running activities may finish after SIGTERM."""
    max_connections_per_source: int = Field(default=4, ge=1)
    """Connections that one process opens to one source system."""


class RecorderSettings(_Group):
    """How attempts are written to the ledger."""

    flush_interval_seconds: float = Field(default=0.2, gt=0)
    """Longest a record that nobody waits for stays in memory while the ledger answers; a quarter
    of it in which no other comes is enough."""
    flush_rows: int = Field(default=500, ge=1)
    """Rows that trigger a flush before the interval ends."""
    queue_rows: int = Field(default=20_000, ge=1)
    """Most records in memory; beyond it activities wait."""
    patience_seconds: float = Field(default=60.0, ge=0)
    """How long an activity waits for a ledger that is away before its result is kept anyway."""
    start_row_after_seconds: float = Field(default=1.0, ge=0)
    """Only attempts that run longer than this get a row while they run."""
    strict: bool = False
    """Wait for the record of successes too."""
    required: bool = False
    """Fail the attempt when the ledger stays away, instead of going on without the record."""
    payloads: Literal["none", "digest", "full"] = "digest"
    """What is kept of inputs and outputs of activities that are not flowkeep's own classes."""
    payload_bytes: int = Field(default=1024 * 1024, ge=0)
    """Most bytes of JSON of one input or output that are kept in full; of more, size and
    SHA-256."""


class ReconcilerSettings(_Group):
    """How the ledger is compared with Temporal and corrected, by one process at a time."""

    enabled: bool = True
    """Whether `flowkeep worker start` and `flowkeep dev` run it."""
    interval_seconds: float = Field(default=15.0, gt=0)
    """Time between two looks at what is due."""
    grace_seconds: float = Field(default=5.0, ge=0)
    """How long after the end of an execution its worker's own report is waited for."""
    describes_per_second: float = Field(default=50.0, gt=0)
    """Most executions that are looked at one by one."""
    lists_per_second: float = Field(default=2.0, gt=0)
    """Most pages of Temporal's list of executions; the server allows 10 a second by default."""
    overlap_seconds: float = Field(default=60.0, ge=0)
    """How far a look at Temporal's list reaches back behind the one before: the list lags."""
    batch: int = Field(default=500, ge=1, le=1000)
    """Executions per page and per statement."""
    adopt: Literal["served", "all", "none"] = "served"
    """Which executions that the ledger does not know are taken up: those of task queues that
    workers with flowkeep have served, all of the namespace, or none."""


class PayloadSettings(_Group):
    """Where arguments and results go that are too big for Temporal's history."""

    place: Literal["auto", "ledger", "storage", "off"] = "auto"
    """`ledger` or `storage` take what is above the threshold, `off` leaves everything in the
    history; `auto` is `ledger` for a WorkflowClient, `off` where the plugin was added to a client
    of one's own. What was stored can be read with each of them but `off`."""
    threshold_bytes: int = Field(default=256 * 1024, ge=1024)
    """Encoded values of this size and more leave the history."""
    limit_bytes: int = Field(default=256 * 1024 * 1024, ge=1024)
    """Most bytes of one encoded value that is stored."""
    temporal_limit_bytes: int = Field(default=2 * 1024 * 1024, ge=1024)
    """Most bytes of values that stay in the history, where the server does not say how many it
    takes (its `limit.blobSize.error`)."""
    encrypt: bool = False
    """Encrypt what is stored with the key of secrets."""


class StorageSettings(_Group):
    """Where big results lie."""

    url: str = "file://.flowkeep/storage"
    """file://, s3://, gs:// or az:// URL; a relative file path starts at the working directory."""
    archive_url: str | None = None
    """Where archived runs lie; null means the folder `archive` under the storage URL."""

    def place_of_archive(self) -> str:
        """Return the URL under which bundles of archived runs lie."""
        if self.archive_url is not None:
            return self.archive_url
        place, mark, query = self.url.partition("?")
        return f"{place.rstrip('/')}/archive{mark}{query}"


class TelemetrySettings(_Group):
    """How logs look, and where metrics are offered."""

    log_format: Literal["json", "console", "auto"] = "auto"
    """`auto`: console on a terminal, JSON elsewhere."""
    log_level: str = "INFO"
    """A level of the standard library's logging."""
    metrics_address: str | None = None
    """host:port on which the first worker process offers `/metrics` to Prometheus, each further
    one a port higher; null offers none."""


class SourceSettings(_Group):
    """The source system that `flowkeep extract` reads when its command line names none."""

    url: SecretStr | None = None
    """postgresql://user:password@host:port/database, mysql://…, sqlite:///file or another."""
    password: SecretStr | None = None
    """Password of the role in the URL; it beats the one in the URL."""


class DemoSettings(_Group):
    """What `flowkeep demo` extracts."""

    source: SecretStr | None = None
    """postgresql://user:password@host:port/database; null creates a sample database."""


class Settings(_Group):
    """All groups."""

    temporal: TemporalSettings = TemporalSettings()
    database: DatabaseSettings = DatabaseSettings()
    worker: WorkerSettings = WorkerSettings()
    recorder: RecorderSettings = RecorderSettings()
    reconciler: ReconcilerSettings = ReconcilerSettings()
    payloads: PayloadSettings = PayloadSettings()
    storage: StorageSettings = StorageSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    source: SourceSettings = SourceSettings()
    demo: DemoSettings = DemoSettings()

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
