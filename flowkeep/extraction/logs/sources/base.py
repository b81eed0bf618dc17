"""What a source of query logs is: something that can be planned in windows and read by window."""

import inspect
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, TypeVar

from pydantic import BaseModel, Field, ValidationError

from flowkeep.contracts import CheckResult
from flowkeep.contracts.extraction_reports import Message
from flowkeep.errors import InvalidInput
from flowkeep.extraction.credentials import SourceCredentials
from flowkeep.extraction.filters.text import problem
from flowkeep.extraction.logs.statement import Chunk
from flowkeep.extraction.sources.base import Source

if TYPE_CHECKING:
    import pyarrow as pa


Options = TypeVar("Options", bound=BaseModel)


class Window(Message):
    """A part of the log that one activity reads. Windows of a plan never share a row.

    Attributes:
        where: What `LogSource.read` needs to find it: plain JSON values, no secrets.
        planned: How much it was planned to hold.
        unit: What `planned` counts.
        late: Whether it was read before, and is read again for rows that arrived since.
    """

    where: dict[str, Any]
    planned: int
    unit: Literal["rows", "bytes"]
    late: bool = False


class Plan(Message):
    """What one run is going to read.

    Attributes:
        windows: The windows, oldest first.
        mark: How far the log is read once all windows are counted: plain JSON values. The next
            run's plan starts from it.
        since: Where the plan begins, for people.
        until: Where it ends, for people.
        notes: What the report is to say, one sentence each: rotated or truncated files, a reset.
        keep: Files that an earlier run remembered and that the next one still needs.
    """

    windows: list[Window]
    mark: dict[str, Any]
    since: str = ""
    until: str = ""
    notes: list[str] = Field(default_factory=list)
    keep: list[str] = Field(default_factory=list)


class Memory(ABC):
    """Tables that a source keeps from one run to the next, for example what it has counted."""

    @property
    @abstractmethod
    def kept(self) -> list[str]:
        """Keys of what earlier runs kept, oldest first."""

    @abstractmethod
    def recall(self, keys: Iterable[str] | None = None) -> Iterator["pa.Table"]:
        """Yield what was kept.

        Args:
            keys: Which files; all when None.

        Raises:
            NotFound: If a file has gone.
        """

    @abstractmethod
    def keep(self, table: "pa.Table") -> None:
        """Keep a table for the next run. It counts once the run has succeeded."""


@dataclass(frozen=True, slots=True)
class SourceContext:
    """What a source may need beside its options.

    Attributes:
        credentials: How to reach the server; None when the run has none.
        source_class: Class of the server, where the activities name one.
        max_connections: Most connections of this process to the server.
        statement_timeout_seconds: Longest a statement may run on it.
    """

    credentials: SourceCredentials | None = None
    source_class: type[Source] | None = None
    max_connections: int = 4
    statement_timeout_seconds: float = 600.0

    def server(self) -> Source:
        """Return the server that the credentials name.

        Raises:
            InvalidInput: If the run has no credentials.
        """
        from flowkeep.extraction.sources.registry import source_class

        if self.credentials is None:
            raise InvalidInput(
                "credentials are missing: this log is read from a server",
                hint='start with {"credentials": {"url": "postgresql://…"}, "logs": {…}}',
            )
        return (self.source_class or source_class(self.credentials))(
            self.credentials,
            max_connections=self.max_connections,
            statement_timeout_seconds=self.statement_timeout_seconds,
        )


class LogSource(ABC):
    """A source of query logs. Its methods block: they are called in threads.

    A subclass is made once per attempt of an activity, by `create`, and needs a `plan` that cuts
    the log into windows and a `read` that returns a window's rows.
    """

    kind: ClassVar[str]
    """Name in options, errors and manifests, for example `csvlog`."""
    dialect: str = "postgres"
    """The SQL the statements are written in, as sqlglot names it."""

    @classmethod
    def create(cls, options: Mapping[str, Any], context: SourceContext) -> Self:
        """Make the source of one attempt; by default of the options as keyword arguments.

        Args:
            options: `logs.options` of the run's arguments.
            context: What it may need beside them.

        Raises:
            InvalidInput: If an option is missing or unknown; names it.
        """
        taken = _parameters(cls)
        lacking = [name for name, one in taken.items() if one.default is one.empty]
        problems = [f"{name} is missing" for name in lacking if name not in options]
        problems += [f"{name} is unknown" for name in options if name not in taken]
        if problems:
            raise InvalidInput(
                f"logs.options of {cls.kind}: {', '.join(problems)}",
                hint=f"{cls.kind} takes {', '.join(taken)}",
            )
        return cls(**options)

    @property
    @abstractmethod
    def identity(self) -> str:
        """What is read, without secrets: runs of equal identity share one high-water mark."""

    @property
    @abstractmethod
    def namespace(self) -> str:
        """First part of qualified names, as OpenLineage names data sources."""

    @abstractmethod
    def check(self) -> list[CheckResult]:
        """Return what keeps the log from being read, one result per check.

        Raises:
            SourceUnavailable: If the source cannot be reached now: worth another try.
        """

    @abstractmethod
    def plan(self, mark: Mapping[str, Any] | None, memory: Memory) -> Plan:
        """Cut what is new since the mark into windows.

        Args:
            mark: What the plan of the last run that succeeded ended with; None for a first run.
            memory: What that run kept.
        """

    @abstractmethod
    def read(
        self, window: Window, memory: Memory, stop: threading.Event | None = None
    ) -> Iterator[Chunk]:
        """Yield the rows of a window, some thousand at a time.

        The same window gives the same rows again, as long as the source keeps them.

        Args:
            window: One of the plan's.
            memory: What the last run kept; takes what this one keeps.
            stop: Ends the reading when set, by `concurrent.futures.CancelledError`.

        Raises:
            SourceUnavailable: If the source goes away.
            Incomplete: If the window has lost rows since it was planned.
        """


def read_options(model: type[Options], options: Mapping[str, Any], kind: str) -> Options:
    """Return `logs.options` as a model.

    Args:
        model: The model.
        options: What was given.
        kind: Kind of the source, for messages.

    Raises:
        InvalidInput: If one is missing, unknown or does not fit; the message names it.
    """
    try:
        return model.model_validate(dict(options))
    except ValidationError as error:
        problems = "; ".join(
            problem(item) for item in error.errors(include_url=False, include_input=False)
        )
        raise InvalidInput(
            f"logs.options of {kind}: {problems}",
            hint=f"{kind} takes {', '.join(model.model_fields)}",
        ) from None


def _parameters(cls: type[Any]) -> dict[str, inspect.Parameter]:
    """Return what the initialisers of a class and of its bases take by name."""
    found: dict[str, inspect.Parameter] = {}
    for base in cls.__mro__:
        if "__init__" in vars(base) and base is not object:
            for name, one in list(inspect.signature(vars(base)["__init__"]).parameters.items())[1:]:
                if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY):
                    found.setdefault(name, one)
    return found
