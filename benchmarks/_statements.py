"""Statements as a server's log has them, made with what is true of them: no parser has a say.

    shapes()            200 statements over 30 tables and 8 views, without their literals
    distinct(n)         any number over 10,000 tables, all of different fingerprints
    executions(n, …)    those with literals, users and times, counted while they are made
    Truth               the counts

The same seed makes the same statements.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import add
from typing import NamedTuple, Self

from benchmarks._query_log_catalogue import (
    SEARCH_PATH,
    Catalogue,
    Column,
    Table,
    large_catalogue,
    small_catalogue,
)
from benchmarks._query_log_literals import CANARIES
from benchmarks._query_log_shapes import SHAPES, Shape, distinct, shapes
from benchmarks._query_log_values import Edge

__all__ = [
    "CANARIES",
    "DAY",
    "SEARCH_PATH",
    "SHAPES",
    "START",
    "Catalogue",
    "Column",
    "Count",
    "Edge",
    "Execution",
    "Executions",
    "Shape",
    "Table",
    "Truth",
    "distinct",
    "executions",
    "large_catalogue",
    "shapes",
    "small_catalogue",
]

DAY = 86_400_000_000
"""Microseconds of a day."""
START = 20_000 * DAY
"""First moment of a log, in microseconds since 1970 UTC: the beginning of 2024-10-04."""
_ODD_USERS = ("ann", "O'Brien", "maría", 'dr "no"', "a,b", "svc report")
_ODD_DATABASES = ("shop", "Shop-EU")


class Execution(NamedTuple):
    """A line of a log.

    Attributes:
        text: The statement with its literals.
        shape: Number of its shape.
        user: Who ran it.
        database: Where.
        at: When, in microseconds since 1970 UTC; whole milliseconds, as logs have them.
        duration: How long it took, in microseconds.
        rows: Rows returned or changed.
    """

    text: str
    shape: int
    user: str
    database: str
    at: int
    duration: int
    rows: int


class Key(NamedTuple):
    """By what executions are counted; `day` counts days since 1970 UTC."""

    shape: int
    user: str
    database: str
    day: int


class Count(NamedTuple):
    """Executions that are alike, with times in microseconds."""

    calls: int
    duration: int
    fastest: int
    slowest: int
    rows: int
    first: int
    last: int


class Truth:
    """Exact counts of executions.

    Args:
        shapes: The shapes they are numbered by.
    """

    def __init__(self, shapes: Sequence[Shape]) -> None:
        self.shapes = shapes
        self._counts: dict[Key | tuple[int, str, str, int], list[int]] = {}

    def add(self, one: Execution) -> None:
        """Count an execution."""
        key = (one.shape, one.user, one.database, one.at // DAY)
        count = self._counts.get(key)
        if count is None:
            self._counts[key] = [
                1,
                one.duration,
                one.duration,
                one.duration,
                one.rows,
                one.at,
                one.at,
            ]
            return
        count[0] += 1
        count[1] += one.duration
        if one.duration < count[2]:
            count[2] = one.duration
        elif one.duration > count[3]:
            count[3] = one.duration
        count[4] += one.rows
        if one.at < count[5]:
            count[5] = one.at
        elif one.at > count[6]:
            count[6] = one.at

    def __iadd__(self, other: "Truth") -> Self:
        """Add what was counted of the same shapes elsewhere."""
        for key, theirs in other._counts.items():
            ours = self._counts.get(key)
            if ours is None:
                self._counts[key] = list(theirs)
                continue
            for place, merge in enumerate(_MERGED):
                ours[place] = merge(ours[place], theirs[place])
        return self

    @property
    def calls(self) -> int:
        """All executions."""
        return sum(count[0] for count in self._counts.values())

    def counts(self) -> dict[Key, Count]:
        """Return all counts, by shape, user, database and day."""
        return {Key(*key): Count(*count) for key, count in self._counts.items()}

    def by_shape(self) -> Counter[int]:
        """Return executions by shape."""
        found: Counter[int] = Counter()
        for key, count in self._counts.items():
            found[key[0]] += count[0]
        return found

    def by_user_and_day(self) -> Counter[tuple[int, str, int]]:
        """Return executions by shape, user and day."""
        found: Counter[tuple[int, str, int]] = Counter()
        for (shape, user, _, day), count in self._counts.items():
            found[shape, user, day] += count[0]
        return found

    def usage(self) -> Counter[tuple[str, Table | Column, str, int, str]]:
        """Return executions by database, table or column, user, day and `read` or `write`.

        Tables behind views count as read, and so do columns that decide about the rows of views;
        columns that may be said to be read or not (`either`) are left out.
        """
        found: Counter[tuple[str, Table | Column, str, int, str]] = Counter()
        used = [list(_accesses(shape)) for shape in self.shapes]
        for (shape, user, database, day), count in self._counts.items():
            for what, access in used[shape]:
                found[database, what, user, day, access] += count[0]
        return found

    def edges(self) -> Counter[tuple[str, Edge]]:
        """Return executions by database and edge."""
        found: Counter[tuple[str, Edge]] = Counter()
        for (shape, _, database, _), count in self._counts.items():
            for edge in self.shapes[shape].truth.edges:
                found[database, edge] += count[0]
        return found


_MERGED: tuple[Callable[[int, int], int], ...] = (add, add, min, max, add, min, max)
"""What becomes of each field of two counts."""


def _accesses(shape: Shape) -> Iterator[tuple[Table | Column, str]]:
    truth = shape.truth
    read: Iterable[Table | Column] = {*truth.reads, *truth.behind}
    columns = truth.columns_read | truth.columns_deciding
    yield from ((one, "read") for one in read)
    yield from ((one, "read") for one in columns - truth.either)
    yield from ((one, "write") for one in truth.writes)
    yield from ((one, "write") for one in truth.columns_written)


class Executions:
    """Executions, made anew each time they are gone through; see `executions`.

    Attributes:
        truth: Counts of what has been made so far, when it is gone through.
        users: Names of the users.
        databases: Names of the databases.
    """

    def __init__(
        self, count: int, seed: int, shapes: Sequence[Shape], names: tuple[int, int], days: int
    ) -> None:
        self._count = count
        self._seed = seed
        self._shapes = shapes
        self._days = days
        self.users = _names(_ODD_USERS, "user", names[0])
        self.databases = _names(_ODD_DATABASES, "shop", names[1])
        self.truth = Truth(shapes)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Execution]:
        self.truth = truth = Truth(self._shapes)
        draw = random.Random(self._seed)
        users, databases, count = self.users, self.databases, self._count
        templates = [shape.template for shape in self._shapes]
        step, many = self._days * DAY, len(templates)
        count_one, chance, newest, at = truth.add, draw.random, -1, START
        for number in range(count):
            # New shapes come in evenly; the older ones come back more often.
            latest = number * many // count
            shape = latest if latest > newest else int((latest + 1) * chance() ** 2)
            newest = latest
            bits = draw.getrandbits(32)
            if bits & 15:  # otherwise at the same time as the one before
                at = START + number * step // count // 1000 * 1000
            one = Execution(
                templates[shape].fill(draw),
                shape,
                users[int(len(users) * chance() ** 2)],
                databases[bits % len(databases)],
                at,
                (bits >> 4 & 1023) * (bits >> 14 & 1023) + 7,
                bits >> 24,
            )
            count_one(one)
            yield one


def executions(
    count: int,
    seed: int,
    *,
    users: int = 8,
    databases: int = 1,
    days: int = 1,
    shapes: Sequence[Shape],
    repetition: float | None = None,
) -> Executions:
    """Return executions of shapes.

    Args:
        count: How many.
        seed: Of all that is drawn.
        users: How many users, the first ones with odd names.
        databases: How many databases, all with the same tables.
        days: Over how many days from `START` they are spread, in order.
        shapes: What is executed: all of them, each at least once, unless `repetition` is given.
        repetition: How often each shape is repeated on average: 9 means that one of ten
            executions is of a new shape, and that the first tenth of as many shapes is taken.

    Raises:
        ValueError: If there are not as many shapes, or more than executions.
    """
    needed = len(shapes) if repetition is None else max(1, round(count / (repetition + 1)))
    if needed > len(shapes) or needed > count:
        raise ValueError(f"{count} executions need {needed} shapes of {len(shapes)}")
    return Executions(count, seed, shapes[:needed], (users, databases), days)


def _names(odd: Sequence[str], stem: str, count: int) -> list[str]:
    return [odd[one] if one < len(odd) else f"{stem}_{one:03}" for one in range(count)]
