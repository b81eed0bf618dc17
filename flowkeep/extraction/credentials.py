"""Credentials of a source system, as they come out of the secret store."""

import re
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

DIALECTS = {"postgres": "postgresql", "mariadb": "mysql", "sqlite3": "sqlite"}
"""Other names of dialects, as URLs spell them."""
_SERVERS = frozenset({"postgresql", "mysql"})
_FILES = frozenset({"sqlite"})
_ENCODE = "percent-encode user and password, or pass them as fields of their own"
_SCHEME = re.compile(r"^(?P<dialect>[A-Za-z][A-Za-z0-9_.\-]*)(?:\+(?P<driver>[\w.\-]+))?:(?=//)")


class SourceCredentials(BaseModel):
    """How to reach a source: single fields, or a URL that fields may override.

    Attributes:
        dialect: What kind of source it is, for example `mysql`: the scheme of the URL without
            its driver, in one spelling; `postgresql` when neither says anything.
        host: Host name or address; empty for a source that is a file.
        port: TCP port; null means the dialect's own.
        username: Role to log in as; `user` is accepted too.
        password: Its password; never shown.
        database: Database to connect to first; path of the file for SQLite.
        url: The URL as it was given; only sources without fields of their own read it.
        extra: Further options of the driver, for example `sslmode` or `sslrootcert`.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    dialect: str = "postgresql"
    host: str = Field(default="", max_length=255)
    port: int | None = Field(default=None, ge=1, le=65535)
    username: str = Field(default="", validation_alias=AliasChoices("username", "user"))
    password: SecretStr = SecretStr("")
    database: str = Field(default="", validation_alias=AliasChoices("database", "dbname"))
    url: SecretStr | None = None
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
        if fields.get("dialect"):
            fields["dialect"] = _dialect(str(fields["dialect"]))
        url = fields.pop("url", None)
        if url is None:
            return {name: one for name, one in fields.items() if (name, one) != ("dialect", None)}
        text = url.get_secret_value() if isinstance(url, SecretStr) else str(url)
        read = _read_url(text)
        if fields.get("dialect", read["dialect"]) != read["dialect"]:
            raise ConfigurationError(
                f"credentials.dialect is {fields['dialect']!r}, but credentials.url begins with "
                f"that of {read['dialect']!r}",
                hint="leave credentials.dialect out",
            )
        options = read.pop("extra")
        given = {name: one for name, one in fields.items() if one not in (None, "", {})}
        merged = {**read, **given, "url": text}
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
        _check_place(credentials)
        return credentials

    def redact(self, text: str) -> str:
        """Return a text without the password and whatever else looks like a secret."""
        return redact(text, [self.password.get_secret_value()])


def _check_place(credentials: SourceCredentials) -> None:
    """Require what names the source: a host, a file, or else any URL."""
    if credentials.dialect in _FILES:
        if credentials.host:
            raise ConfigurationError(
                f"credentials.url: a URL of {credentials.dialect} names no host; "
                f"{credentials.host!r} stands where one would stand",
                hint=f"write {credentials.dialect}:///relative/path or {credentials.dialect}:////full/path",
            )
        if not credentials.database:
            raise ConfigurationError(
                "credentials.database is missing: the path of the file",
                hint=f"pass database, or url={credentials.dialect}:////full/path",
            )
    elif credentials.dialect in _SERVERS and not credentials.host:
        raise ConfigurationError(
            "credentials.host is missing",
            hint=f"pass host, or url={credentials.dialect}://user@host/name",
        )
    elif not (credentials.host or credentials.database or credentials.url):
        raise ConfigurationError(
            f"credentials.url is missing: how to reach a source of {credentials.dialect}",
            hint=f"pass url={credentials.dialect}://…",
        )


def _dialect(name: str) -> str:
    """Return a dialect in the one spelling that we use, without its driver."""
    name = name.partition("+")[0].lower()
    return DIALECTS.get(name, name)


def _read_url(url: str) -> dict[str, Any]:
    scheme = _SCHEME.match(url)
    dialect = _dialect(scheme["dialect"]) if scheme else "postgresql"
    # Schemes of SQLAlchemy hold characters that the standard's do not, and would not be split off.
    try:
        parts = urlsplit(f"source:{url[scheme.end() :]}" if scheme else url)
    except ValueError:  # its text quotes what stands before the host, the password too
        raise ConfigurationError("credentials.url cannot be read", hint=_ENCODE) from None
    if dialect in _SERVERS and "@" in parts.path and "@" not in parts.netloc:
        # The slash ended the host: the rest of the password would become a database's name.
        raise ConfigurationError("credentials.url: an @ stands behind a slash", hint=_ENCODE)
    try:
        port = parts.port
    except ValueError:
        raise ConfigurationError("credentials.url: the port is no number below 65536") from None
    options = dict(parse_qsl(parts.query))
    # A file's path begins behind the third slash; one more slash makes it a full path.
    path = parts.path.lstrip("/") if dialect in _SERVERS else parts.path.removeprefix("/")
    return {
        "dialect": dialect,
        "host": unquote(parts.hostname or "") or options.pop("host", ""),
        "port": port or options.pop("port", None),
        "username": unquote(parts.username or "") or options.pop("user", ""),
        "password": unquote(parts.password or "") or options.pop("password", ""),
        "database": unquote(path) or options.pop("dbname", ""),
        "extra": options,
    }
