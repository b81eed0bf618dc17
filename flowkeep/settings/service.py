"""Settings of the REST API and of those who call it."""

from pathlib import Path

from pydantic import Field, SecretStr

from flowkeep.settings.groups import Group, Words


class ApiSettings(Group):
    """How `flowkeep api` serves."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = Field(default=8800, ge=0, le=65535)
    """Port to listen on; 0 takes a free one."""
    open: bool = False
    """Let everybody do everything without a key; only on a loopback address."""
    cors_origins: Words = ()
    """Origins of web pages that may call, apart by commas."""
    session_hours: float = Field(default=12.0, gt=0, le=24 * 365)
    """How long a browser's session lasts."""
    oidc_issuer: str | None = None
    """OpenID provider whose bearer tokens are taken; null takes API keys only."""
    oidc_audience: str | None = None
    """What tokens for this service name as audience."""
    oidc_jwks_url: str | None = None
    """Where the provider's keys are; null asks its discovery document."""
    oidc_subject_claim: str = "sub"
    """Claim with the user. A name with dots leads into objects, here and below."""
    oidc_tenant_claim: str = "tenant"
    """Claim with the tenant."""
    oidc_tenant: str | None = None
    """Tenant of tokens without that claim; null refuses them."""
    oidc_role_claim: str = "roles"
    """Claim with the roles in the tenant: a list, or words apart by spaces."""
    oidc_app_roles_claim: str = "app_roles"
    """Claim with an object of roles by app id."""
    oidc_roles: Words = ()
    """Roles of the provider and what they mean here, like `devs=editor,ops=system`, apart by
    commas; empty takes viewer, operator, editor and admin by their names."""

    trusted_proxies: Words = ()
    """Addresses and networks of proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are
    believed, apart by commas."""
    shutdown_seconds: float = Field(default=20.0, ge=0)
    """How long requests may finish after SIGTERM."""
    request_seconds: float = Field(default=60.0, gt=0)
    """Longest until the answer to a request begins."""
    pool_seconds: float = Field(default=5.0, gt=0)
    """Longest that a request waits for a connection to the ledger."""
    audit_days: int = Field(default=365, ge=1, le=36_500)
    """How long lines of the audit log are kept."""
    body_bytes: int = Field(default=5 * 1024 * 1024, ge=1024)
    """Most bytes of a request's body."""
    body_seconds: float = Field(default=30.0, gt=0)
    """Longest that the body of a request may take to arrive."""
    bodies_bytes: int = Field(default=256 * 1024 * 1024, ge=1024)
    """Most bytes of bodies that a process holds at a time."""
    concurrency: int = Field(default=100, ge=1)
    """Requests that a process works on at a time."""
    waiting: int = Field(default=200, ge=0)
    """Requests that may wait for their turn; more are refused at once."""
    waiting_seconds: float = Field(default=2.0, gt=0)
    """Longest that a request waits for its turn."""
    rate_per_second: float = Field(default=1000.0, gt=0)
    """Requests per second that one key may make for long, in one process."""
    burst: int = Field(default=5000, ge=1)
    """Requests that one key may make at once."""
    failures_per_minute: int = Field(default=30, ge=1)
    """Wrong keys that one address may show; beyond them wrong ones are answered 429."""
    streams: int = Field(default=100, ge=1)
    """Streams of events that one key may have open at a time, in one process."""


class ClientSettings(Group):
    """How the command line and remote clients reach a service."""

    server: str | None = None
    """URL of the service; null uses ledger and Temporal directly."""
    api_key: SecretStr | None = None
    """Key that says who calls."""
    profile: str | None = None
    """Name of a profile in the file of profiles."""
    config: Path | None = None
    """The file of profiles; null is `~/.config/flowkeep/config.toml`."""
    ca_file: Path | None = None
    """Certificates of the authorities that may have signed the service's, in PEM; null trusts
    those that browsers do."""
    timeout_seconds: float = Field(default=60.0, gt=0)
    """Longest silence while a request is sent or its answer is awaited."""
    patience_seconds: float = Field(default=10.0, ge=0)
    """Longest time from the first sending of a request to its last; 0 sends each once."""
