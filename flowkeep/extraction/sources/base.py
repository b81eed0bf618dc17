"""What a source is: a server whose catalogue can be read, one snapshot at a time."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Collection, Generator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from flowkeep.contracts.extraction import SourceInfo
from flowkeep.extraction.credentials import SourceCredentials
from flowkeep.extraction.filters.scope import Scope
from flowkeep.extraction.filters.syntax import FilterSyntax
from flowkeep.extraction.metadata.kinds import ColumnType

if TYPE_CHECKING:
    import pyarrow as pa

    from flowkeep.extraction.options import ExtractionOptions


SOURCE_CHANGED = "SOURCE_CHANGED"
"""Code of the error that an object was dropped while a statement looked at it."""
_EXAMPLES = 5
SOURCE_REFUSED = "SOURCE_REFUSED"
"""Code of the error that the server does not accept the credentials: true for every database."""
DATABASE_REFUSED = "SOURCE_DATABASE_REFUSED"
"""Code of the error that one database is closed, gone, or does not let the role in or read."""
SOURCE_REGEX = "SOURCE_REGEX"
"""Code of the error that the server cannot read a regular expression of a filter."""
SOURCE_VERSION = "SOURCE_VERSION"
"""Code of the error that the server is older than the statements."""


def summary(problems: Collection[str]) -> str | None:
    """Return the first of many problems, and how many there are beside them; None for none."""
    shown = "; ".join(list(problems)[:_EXAMPLES])
    more = len(problems) - _EXAMPLES
    return (f"{shown} and {more} more" if more > 0 else shown) or None


@dataclass(frozen=True, slots=True)
class Order:
    """The order in which a statement's rows are read.

    Attributes:
        by: Expressions behind `ORDER BY`.
        columns: Columns of the result that hold the values of these expressions; together they
            name one row.
        after: Condition that is true for the rows behind one row, whose values bind to
            `after_0`, `after_1` and so on.
    """

    by: str
    columns: tuple[str, ...]
    after: str


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement and what binds to its parameters.

    Attributes:
        text: The SQL, with the driver's named placeholders. Where there is an order, it ends in
            its `WHERE` clause, so that a condition can be added.
        parameters: Values by name; never pasted into the text by hand.
        order: How the rows are ordered; None for whatever order they come in.
        scope: Judges names; for sources without a `filter_syntax`, None for all others.
    """

    text: str
    parameters: Mapping[str, Any]
    order: Order | None = None
    scope: Scope | None = None

    @property
    def inner(self) -> str:
        """The text as it can stand inside another: a comment at its end hides nothing behind it."""
        text = self.text.strip().rstrip(";")
        return f"{text}\n" if "--" in text or "#" in text else text

    def behind(self, values: Sequence[Any]) -> "Statement":
        """Return the statement for the rows behind one row.

        Args:
            values: What the row holds in the columns of the order.
        """
        assert self.order is not None, "rows without an order have no place to go on from"
        bound = {f"after_{number}": value for number, value in enumerate(values)}
        text = f"{self.text} AND {self.order.after}"
        return replace(self, text=text, parameters={**self.parameters, **bound})

    def upto(self, values: Sequence[Any]) -> "Statement":
        """Return the statement, unordered, for the rows up to one row, that row included.

        Args:
            values: What the row holds in the columns of the order.
        """
        behind = self.behind(values)
        assert self.order is not None
        return Statement(f"{self.text} AND NOT ({self.order.after})", behind.parameters)


class Session(ABC):
    """A connection inside one read-only snapshot. Used by one thread; `cancel` by any."""

    info: SourceInfo
    """The server, as this session sees it."""
    snapshot: str
    """The server's name of the snapshot."""
    taken_at: datetime
    """When the snapshot began, by the server's clock, UTC."""
    visibility: str
    """What the role can see: two runs of equal visibility miss the same objects, if any."""

    @property
    def shortfall(self) -> str | None:
        """What the server said it could not show of the rows read so far; None for nothing."""
        return None

    @abstractmethod
    def describe(self, statement: Statement) -> dict[str, ColumnType]:
        """Return the columns of a statement and their types, without running it."""

    @abstractmethod
    def count(self, statement: Statement) -> int:
        """Return how many rows a statement has in this snapshot."""

    @abstractmethod
    def rows(self, statement: Statement) -> list[tuple[Any, ...]]:
        """Return all rows of a small statement."""

    @abstractmethod
    def tables(
        self, statement: Statement, columns: Mapping[str, ColumnType]
    ) -> Generator["pa.Table"]:
        """Yield the rows of a statement as Arrow tables of some megabytes each.

        The same rows give the same sequence of tables.

        Args:
            statement: What to run.
            columns: Its columns and their types, in order.
        """


class Source(ABC):
    """A server. Subclasses are one dialect each.

    Args:
        credentials: How to reach it.
        max_connections: Most connections of this process to it.
        statement_timeout_seconds: Longest a statement may run on the server.
    """

    dialect: ClassVar[str]
    """Name in errors and logs, for example `postgresql`."""
    orders: ClassVar[Mapping[str, Order]]
    """Kind to the order of its statement, which makes equal content give equal files."""
    filter_syntax: ClassVar[FilterSyntax | None] = None
    """How filters are written in SQL; None when sessions apply a statement's `scope` themselves."""
    database_in_names: ClassVar[bool] = True
    """Whether qualified names begin with the database, or with the schema."""

    def __init__(
        self,
        credentials: SourceCredentials,
        *,
        max_connections: int = 4,
        statement_timeout_seconds: float = 600.0,
    ) -> None:
        self.credentials = credentials
        self.max_connections = max_connections
        self.statement_timeout_seconds = statement_timeout_seconds

    @property
    @abstractmethod
    def statements(self) -> Mapping[str, str]:
        """Kind to the text of its statement, without an order; a class attribute will do.

        A kind that is left out does not exist in sources of this dialect. Where that depends on
        the server, asking for it may connect, and raise what `session` raises.
        """

    @property
    @abstractmethod
    def namespace(self) -> str:
        """First part of every qualified name, as OpenLineage names data sources."""

    @property
    @abstractmethod
    def default_database(self) -> str:
        """The database that is read when none is listed."""

    def narrowed(self, options: "ExtractionOptions") -> "ExtractionOptions":
        """Return the options with what the credentials alone say about the scope.

        Args:
            options: What was asked for; whatever it chooses is stronger.
        """
        return options

    @abstractmethod
    def session(
        self, database: str | None = None, stop: threading.Event | None = None
    ) -> AbstractContextManager[Session]:
        """Connect, open a snapshot, and close both at the end.

        Args:
            database: Database to read; the default one when None.
            stop: When set, running statements are cancelled on the server and
                `concurrent.futures.CancelledError` is raised.

        Raises:
            ConfigurationError: If host, database, role or rights are wrong: retrying is no use.
            SourceUnavailable: If the server cannot be reached now.
        """

    @abstractmethod
    def check_version(self, info: SourceInfo) -> tuple[bool, str]:
        """Return whether the statements were made for this server version, and a sentence."""

    @abstractmethod
    def list_databases(self, session: Session) -> list[str]:
        """Return the databases that the role may connect to, by name."""

    def all_databases(self, session: Session) -> list[str]:
        """Return the databases that rules choose from, those included that the role may not enter.

        So that a database is never left out just because a right is missing.
        """
        return self.list_databases(session)

    @abstractmethod
    def list_schemas(self, session: Session) -> list[str]:
        """Return all schemas of the session's database, by name, system schemas included."""

    @abstractmethod
    def is_system_schema(self, name: str) -> bool:
        """Return whether a schema is the server's own."""

    @abstractmethod
    def closed_schemas(self, session: Session, schemas: list[str]) -> list[str]:
        """Return those of `schemas` whose objects the role may not use."""

    def check_rights(self, session: Session, schemas: list[str]) -> tuple[bool, str]:
        """Return whether nothing is hidden or closed to the role, and a sentence.

        Args:
            session: An open session.
            schemas: Schemas that are going to be read.
        """
        closed = self.closed_schemas(session, schemas)
        names = ", ".join(closed[:_EXAMPLES])
        if len(closed) > _EXAMPLES:
            names += f" and {len(closed) - _EXAMPLES} more"
        return not closed, "the catalogue shows all objects; " + (
            f"{session.info.role} lacks USAGE on {names}, whose data it cannot query"
            if closed
            else f"{session.info.role} may use every schema"
        )
