"""Checking and browsing a source before anything is extracted."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

from flowkeep.contracts import CheckResult, PreflightResult
from flowkeep.errors import ConfigurationError, FlowkeepError, InvalidInput
from flowkeep.extraction.credentials import SourceCredentials
from flowkeep.extraction.filters.scope import Scope
from flowkeep.extraction.metadata.restrict import check_applicable, is_named, resolve_databases
from flowkeep.extraction.options import ExtractionOptions
from flowkeep.extraction.sources import registry
from flowkeep.extraction.sources.base import DATABASE_REFUSED, SOURCE_REGEX, Session, Source
from flowkeep.extraction.tally import RuleTally
from flowkeep.storage import Storage


class HandlerInterface(ABC):
    """What a handler can do. Its methods may block: they are called in a thread.

    Overrides may also be `async def`.
    """

    @classmethod
    def create(
        cls,
        storage: Storage,
        output_prefix: str,
        source_class: type[Source] | None,
        max_connections: int,
    ) -> Self:
        """Make the handler of one attempt; override to keep what is offered.

        Args:
            storage: Where files will go.
            output_prefix: Folder in it that the run will write to.
            source_class: The activities' `client_class`.
            max_connections: Most connections of this process to the source.
        """
        return cls()

    @abstractmethod
    def load(self, credentials: Mapping[str, Any]) -> Any:
        """Take the credentials; called before everything else.

        Args:
            credentials: As `SourceCredentials` takes them.
        """

    @abstractmethod
    def test_auth(self) -> Any:
        """Return True when a login works, else raise an error that says why."""

    @abstractmethod
    def preflight_check(self, arguments: Mapping[str, Any]) -> Any:
        """Return a `PreflightResult` with one `CheckResult` per check.

        Args:
            arguments: The arguments of the run.
        """

    @abstractmethod
    def fetch_metadata(self, kind: str = "databases", database: str | None = None) -> Any:
        """Return names to choose from.

        Args:
            kind: `databases` or `schemas`.
            database: The database whose schemas are meant.
        """


class SQLHandler(HandlerInterface):
    """Handler of a SQL source. Subclass it to check more.

    Args:
        storage: Where files will go; checked by the preflight when given.
        output_prefix: Folder in it that the run will write to.
        source_class: Class of the source; the class attribute when left out, and without that
            the one for the credentials' dialect.
        max_connections: Most connections of this process to the source.
    """

    source_class: ClassVar[type[Source] | None] = None

    def __init__(
        self,
        storage: Storage | None = None,
        output_prefix: str = "",
        *,
        source_class: type[Source] | None = None,
        max_connections: int = 4,
    ) -> None:
        self._storage = storage
        self._output_prefix = output_prefix
        self._class = source_class or self.source_class
        self._max_connections = max_connections
        self._source: Source | None = None

    @classmethod
    def create(
        cls,
        storage: Storage,
        output_prefix: str,
        source_class: type[Source] | None,
        max_connections: int,
    ) -> Self:
        """Make the handler of one attempt; see `HandlerInterface.create`."""
        return cls(
            storage, output_prefix, source_class=source_class, max_connections=max_connections
        )

    @property
    def source(self) -> Source:
        """The source.

        Raises:
            ConfigurationError: If `load` was not called.
        """
        if self._source is None:
            raise ConfigurationError("the handler has no credentials", hint="call load() first")
        return self._source

    def load(self, credentials: Mapping[str, Any]) -> None:
        """Make the source; connects to nothing yet.

        Raises:
            ConfigurationError: If the credentials cannot be used; names the field.
        """
        login = SourceCredentials.read(credentials)
        source_class = self._class or registry.source_class(login)
        self._source = source_class(login, max_connections=self._max_connections)

    def test_auth(self) -> bool:
        """Log in once.

        Raises:
            ConfigurationError: If host, database, role or password are wrong.
            SourceUnavailable: If the server cannot be reached now.
        """
        with self.source.session():
            return True

    def preflight_check(self, arguments: Mapping[str, Any]) -> PreflightResult:
        """Check connection, version, rights, filters and output.

        Args:
            arguments: The arguments of the run; `metadata` and `credentials` are read, the latter
                unless `load` was called.

        Raises:
            SourceUnavailable: If server or store cannot be reached now: worth another try.
        """
        checks: list[CheckResult] = []
        try:
            options = ExtractionOptions.read(arguments.get("metadata"))
            if self._source is None:
                self.load(arguments.get("credentials") or {})
        except (InvalidInput, ConfigurationError) as error:
            checks.append(_failed("arguments", error))
            return PreflightResult(checks=[*checks, *self._check_output()])
        options = self.source.narrowed(options)
        checks.append(CheckResult(name="arguments", ok=True, message="they are complete"))
        checks += (
            CheckResult(name="translated filters", ok=False, message=warning, level="warning")
            for warning in options.warnings
        )
        return PreflightResult(checks=[*checks, *self._check_scope(options), *self._check_output()])

    def fetch_metadata(
        self, kind: str = "databases", database: str | None = None
    ) -> list[dict[str, str]]:
        """List databases, or the schemas of one, for people to choose from.

        Args:
            kind: `databases` or `schemas`.
            database: The database whose schemas are meant; the credentials' when left out.

        Returns:
            One object per name: `database_name`, and `schema_name` for schemas.

        Raises:
            InvalidInput: If `kind` is neither.
            ConfigurationError: If the login fails.
            SourceUnavailable: If the server cannot be reached now.
        """
        if kind not in ("databases", "schemas"):
            raise InvalidInput(f"kind {kind!r} cannot be listed", hint="use databases or schemas")
        with self.source.session(database) as session:
            if kind == "databases":
                return [{"database_name": name} for name in self.source.list_databases(session)]
            return [
                {"database_name": session.info.database, "schema_name": name}
                for name in self.source.list_schemas(session)
            ]

    def _check_scope(self, options: ExtractionOptions) -> list[CheckResult]:
        """Check every database, and what the rules match in all of them."""
        tally = RuleTally(self.source, options)
        try:
            check_applicable(self.source, options)
        except ConfigurationError as error:
            return [_failed("options", error)]
        try:
            databases = self._databases(options, tally)
        except (ConfigurationError, InvalidInput) as error:
            return [_failed("databases", error)]
        checks: list[CheckResult] = []
        for database in databases:
            named = is_named(database, options)
            checks += self._check_database(database, options, tally, named=named)
        if any(not check.ok and check.level == "error" for check in checks):
            return checks
        complete = all(check.ok for check in checks if check.name.startswith("connection"))
        return [*checks, *tally.checks(complete=complete)]

    def _databases(self, options: ExtractionOptions, tally: RuleTally) -> tuple[str, ...]:
        if not any(rule.level == "database" for rule in options.rules):
            return (self.source.default_database,)
        with self.source.session() as session:
            tally.add_databases(self.source.all_databases(session))
            return resolve_databases(self.source, options, session)

    def _check_database(
        self, database: str, options: ExtractionOptions, tally: RuleTally, *, named: bool
    ) -> list[CheckResult]:
        """Return the checks of one database.

        Args:
            database: The database.
            options: The rules.
            tally: Counts what the rules match.
            named: Whether it has to be there, or a pattern happened to match it.
        """
        name = f"connection to {database}"
        try:
            with self.source.session(database) as session:
                info = session.info
                right, sentence = self.source.check_version(info)
                schemas = self.source.list_schemas(session)
                tally.add(session, database, schemas)
                return [
                    CheckResult(name=name, ok=True, message=f"as {info.role}"),
                    CheckResult(name="version", ok=right, message=sentence),
                    self._check_rights(session, database, schemas, options),
                ]
        except (ConfigurationError, InvalidInput) as error:
            if error.code == SOURCE_REGEX:
                return [_failed(name, error), *tally.rejected(database)]
            if named or error.code != DATABASE_REFUSED:
                return [_failed(name, error)]
            message = f"{error}; its scopes will be denied, and nothing of it counts as removed"
            return [CheckResult(name=name, ok=False, message=message, level="warning")]

    def _check_rights(
        self, session: Session, database: str, schemas: list[str], options: ExtractionOptions
    ) -> CheckResult:
        wanted = Scope(options, self.source.is_system_schema).schemas(database, schemas)
        if not options.include_system_schemas:
            wanted = [name for name in wanted if not self.source.is_system_schema(name)]
        right, sentence = self.source.check_rights(session, wanted)
        return CheckResult(
            name=f"visibility in {database}", ok=right, message=sentence, level="warning"
        )

    def _check_output(self) -> list[CheckResult]:
        if self._storage is None:
            return []
        return [_attempt("output", self._write_probe)]

    def _write_probe(self) -> str:
        assert self._storage is not None
        self._storage.check_writable(self._output_prefix)
        return f"{self._storage.url} can be written to"


def _attempt(name: str, check: Callable[[], str]) -> CheckResult:
    try:
        return CheckResult(name=name, ok=True, message=check())
    except ConfigurationError as error:
        return _failed(name, error)


def _failed(name: str, error: FlowkeepError) -> CheckResult:
    return CheckResult(name=name, ok=False, message=str(error))
