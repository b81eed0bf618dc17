"""The counters of `pg_stat_statements` at one moment, and how they lie in a file."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import pyarrow as pa


class Key(NamedTuple):
    """Names an entry.

    Attributes:
        user: Identifier of the role.
        database: Identifier of the database.
        query_id: Of the statement's shape; 0 for all those together that the role may not see.
        toplevel: Whether it was run by itself, not inside a function.
    """

    user: int
    database: int
    query_id: int
    toplevel: bool

    @property
    def hidden(self) -> bool:
        """Whether it stands for entries of others that the role may not see."""
        return self.query_id == 0


class Counters(NamedTuple):
    """Counts of an entry.

    Attributes:
        calls: Executions.
        duration: Of all of them, in microseconds.
        rows: Returned or changed.
        since: When the entry was made, in microseconds since 1970; None before PostgreSQL 17.
    """

    calls: int
    duration: int
    rows: int
    since: int | None = None

    def below(self, other: "Counters") -> bool:
        """Return whether any count is smaller: counters only grow, so it begins anew."""
        return self.calls < other.calls or self.duration < other.duration or self.rows < other.rows

    def minus(self, other: "Counters") -> "Counters":
        """Return what was added since."""
        return Counters(
            self.calls - other.calls,
            self.duration - other.duration,
            self.rows - other.rows,
            self.since,
        )


@dataclass(slots=True)
class Snapshot:
    """All counters at one moment.

    Attributes:
        at: When, by the server's clock, in microseconds since 1970.
        started: When the server started, likewise.
        stats_reset: When all counters were last reset, likewise; None if not told.
        evictions: How often the least used entries were evicted; None if not told.
        entries: The counters.
    """

    at: int
    started: int
    stats_reset: int | None
    evictions: int | None
    entries: dict[Key, Counters] = field(default_factory=dict)

    def table(self) -> "pa.Table":
        """Return it as a table; the first row holds what is said of the whole."""
        import pyarrow as pa

        head = (self.at, self.started, self.stats_reset, self.evictions, None, None, None, None)
        rows = [head, *((*key, *counters) for key, counters in self.entries.items())]
        columns = zip(
            *((int(v) if v is not None else None for v in row) for row in rows), strict=True
        )
        return pa.table([pa.array(column, pa.int64()) for column in columns], names=list(_COLUMNS))

    @classmethod
    def of(cls, tables: "Iterable[pa.Table]") -> "Snapshot":
        """Return what `table` has written, which may have been cut into several tables."""
        found: Snapshot | None = None
        for table in tables:
            columns = (table[name].to_pylist() for name in _COLUMNS)
            for row in zip(*columns, strict=True):
                if found is None:
                    found = cls(*row[:4])
                else:
                    user, database, query_id, toplevel, *counters = row
                    key = Key(user, database, query_id, bool(toplevel))
                    found.entries[key] = Counters(*counters)
        assert found is not None, "a snapshot has a first row"
        return found


_COLUMNS = (*Key._fields, *Counters._fields)
"""Columns of the file: those of an entry."""
