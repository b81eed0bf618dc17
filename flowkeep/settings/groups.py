"""The groups of settings, each value with its unit."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr


def _apart_by_commas(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return [word.strip() for word in value.split(",") if word.strip()]


Words = Annotated[tuple[str, ...], BeforeValidator(_apart_by_commas)]
"""Texts; in one text they are apart by commas."""


class Group(BaseModel):
    """Settings that belong together; they never change."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class TemporalSettings(Group):
    """How Temporal is reached."""

    address: str | None = None
    """host:port; null leaves it to Temporal's envconfig, whose default is localhost:7233."""
    namespace: str | None = None
    """Temporal namespace; null leaves it to envconfig, whose default is `default`."""
    profile: str | None = None
    """Profile in Temporal's TOML file."""
    connect_timeout_seconds: float = Field(default=10.0, gt=0)
    """How long a start waits for the server to answer."""


class DatabaseSettings(Group):
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
    pool_timeout_seconds: float | None = Field(default=None, gt=0)
    """Longest wait for a free connection; null waits as long as a statement may run. The REST API
    has a setting of its own."""
    secret_key: SecretStr | None = None
    """Key that encrypts secrets: 32 bytes, urlsafe base64 (a Fernet key)."""


class WorkerSettings(Group):
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


class RecorderSettings(Group):
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
    task_logs: Literal["off", "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "INFO"
    """Least level of log records that are kept with the run whose activity makes them."""
    task_log_lines: int = Field(default=200, ge=1)
    """Most lines that are kept of one attempt."""
    task_log_line_bytes: int = Field(default=4096, ge=64)
    """Most bytes that are kept of the message and of the fields of one line."""
    task_log_bytes: int = Field(default=64 * 1024, ge=64)
    """Most bytes that are kept of one attempt."""


class WebhookSettings(Group):
    """How runs are told to webhooks."""

    task_queue: str | None = None
    """Where a worker serves `flowkeep.workflows.webhook`; null is that of `FLOWKEEP_TASK_QUEUE`."""
    allow: Words = ()
    """Addresses, networks and names that may be reached although they are private."""
    attempts: int = Field(default=12, ge=1, le=100)
    """How often a message is sent at most; with the waits below, for about a day."""
    first_wait_seconds: float = Field(default=30.0, gt=0)
    """Wait before the second attempt; each further one is three times as long."""
    longest_wait_seconds: float = Field(default=4 * 3600.0, gt=0)
    """Longest wait between two attempts."""
    timeout_seconds: float = Field(default=20.0, gt=0, le=600)
    """How long one attempt may take."""
    poll_seconds: float = Field(default=2.0, gt=0)
    """How often it is looked what is due."""
    most_per_webhook: int = Field(default=10, ge=1, le=100_000)
    """How many messages to one webhook may be on their way."""
    most_per_tenant: int = Field(default=40, ge=1, le=100_000)
    """How many messages of one tenant may be on their way; fewer than a worker's activity slots."""
    keep_days: int = Field(default=30, ge=1, le=36_500)
    """How long deliveries are kept once they are over."""


class ReconcilerSettings(Group):
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


class PayloadSettings(Group):
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


class StorageSettings(Group):
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


class TelemetrySettings(Group):
    """How logs look, where metrics are offered, and where traces go."""

    log_format: Literal["json", "console", "auto"] = "auto"
    """`auto`: console on a terminal, JSON elsewhere."""
    log_level: str = "INFO"
    """A level of the standard library's logging."""
    metrics_address: str | None = None
    """host:port on which the first process of a command offers `/metrics` to Prometheus, each
    further one a port higher; null offers none."""
    otel_endpoint: str | None = None
    """URL of an OpenTelemetry collector that takes OTLP over HTTP, without `/v1/traces`; null
    makes no traces."""
    otel_service: str = "flowkeep"
    """What traces name as service."""


class DefinitionSettings(Group):
    """What workers let definitions do; see `flowkeep.definitions.builtin`."""

    allow_shell: bool = False
    """Offer `core.shell`: whoever may write definitions may then run any program as the worker's
    user."""
    http_allow: Words | None = None
    """Hosts that `core.http` may reach: names, patterns like `*.example.com`, addresses and
    networks; null for all but those that are refused."""
    http_refuse: Words | None = None
    """Hosts that `core.http` must not reach, beside those that it never does; null for private
    networks and this machine, or for none where `http_allow` says what may be reached."""


class SourceSettings(Group):
    """The source system that `flowkeep extract` reads when its command line names none."""

    url: SecretStr | None = None
    """postgresql://user:password@host:port/database, mysql://…, sqlite:///file or another."""
    password: SecretStr | None = None
    """Password of the role in the URL; it beats the one in the URL."""


class DemoSettings(Group):
    """What `flowkeep demo` extracts."""

    source: SecretStr | None = None
    """postgresql://user:password@host:port/database; null creates a sample database."""
