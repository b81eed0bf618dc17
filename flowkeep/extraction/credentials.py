"""Credentials of a source system, as they come out of the secret store."""

from collections.abc import Mapping
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)

from flowkeep.errors import ConfigurationError
from flowkeep.redaction import redact


class SourceCredentials(BaseModel):
    """How to reach a source: single fields, or a URL that fields may override.

    Attributes:
        host: Host name or address.
        port: TCP port; null means the dialect's own.
        username: Role to log in as; `user` is accepted too.
        password: Its password; never shown.
        database: Database to connect to first.
        extra: Further options of the driver, for example `sslmode` or `sslrootcert`.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    host: str = Field(default="", max_length=255)
    port: int | None = Field(default=None, ge=1, le=65535)
    username: str = Field(default="", validation_alias=AliasChoices("username", "user"))
    password: SecretStr = SecretStr("")
    database: str = Field(default="", validation_alias=AliasChoices("database", "dbname"))
    extra: dict[str, str | int | bool] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _from_url(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        fields = dict(value)
        extra = fields.get("extra")
        fields["extra"] = dict(extra) if isinstance(extra, Mapping) else extra or {}
        if "sslmode" in fields and isinstance(fields["extra"], dict):
            fields["extra"].setdefault("sslmode", fields["sslmode"])
        if isinstance(fields["extra"], dict) and "database" in fields["extra"]:
            fields.setdefault("database", fields["extra"].pop("database"))
        url = fields.pop("url", None)
        if url is None:
            return fields
        read = _read_url(url.get_secret_value() if isinstance(url, SecretStr) else str(url))
        options = read.pop("extra")
        given = {name: one for name, one in fields.items() if one not in (None, "", {})}
        merged = {**read, **given}
        merged["extra"] = {**options, **fields["extra"]}
        return merged

    @classmethod
    def read(cls, value: object) -> Self:
        """Check credentials of unknown origin.

        Args:
            value: A mapping with the fields above, or with `url`.

        Raises:
            ConfigurationError: If they cannot be used; names the field, never its value.
        """
        if not isinstance(value, Mapping):
            raise ConfigurationError(
                f"credentials must be a mapping, not {type(value).__name__}",
                hint="pass host, port, username, password, database, or url",
            )
        try:
            credentials = cls.model_validate(value)
        except ValidationError as error:
            problems = "; ".join(
                f"credentials.{'.'.join(str(step) for step in item['loc'])}: {item['msg']}"
                for item in error.errors(include_input=False, include_url=False)
            )
            raise ConfigurationError(problems, hint="correct the stored credentials") from None
        if not credentials.host:
            raise ConfigurationError(
                "credentials.host is missing", hint="pass host, or url=postgresql://user@host/name"
            )
        return credentials

    def redact(self, text: str) -> str:
        """Return a text without the password and whatever else looks like a secret."""
        return redact(text, [self.password.get_secret_value()])


def _read_url(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        raise ConfigurationError("credentials.url: the port is no number below 65536") from None
    options = dict(parse_qsl(parts.query))
    return {
        "host": unquote(parts.hostname or "") or options.pop("host", ""),
        "port": port or options.pop("port", None),
        "username": unquote(parts.username or "") or options.pop("user", ""),
        "password": unquote(parts.password or "") or options.pop("password", ""),
        "database": unquote(parts.path.lstrip("/")) or options.pop("dbname", ""),
        "extra": options,
    }
