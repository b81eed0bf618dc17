"""Random changes of a database, each made in SQL and in the model."""

import random
from collections.abc import Callable
from typing import TypeVar

from tests.extraction.mutations.model import (
    Column,
    Enum,
    Function,
    Model,
    Sequence,
    Table,
    View,
)

T = TypeVar("T")


class Mutations:
    """Changes a model at random and says the SQL that does the same to a database.

    Args:
        seed: Equal seeds give equal changes.
        second: A role that objects may be given to.
        changes: What may happen; one that is not possible now returns None.
    """

    def __init__(
        self, seed: int, second: str, changes: "list[Callable[[Mutations], str | None]]"
    ) -> None:
        self._changes = changes
        self.model = Model()
        self.second = second
        self._random = random.Random(seed)
        self._count = 0

    def next(self) -> str:
        """Make one change and return its SQL."""
        while True:
            statement = self._random.choice(self._changes)(self)
            if statement is not None:
                return statement

    def new(self, prefix: str) -> str:
        """A name that nothing else has."""
        return f"{prefix}{self.number()}"

    def number(self) -> int:
        """A number that was not used before."""
        self._count += 1
        return self._count

    def one(self, among: list[T]) -> T | None:
        """One of them, if there are any."""
        return self._random.choice(among) if among else None

    def table(self) -> Table | None:
        """A table that is no partition and has none."""
        return self.one([one for one in self.model.tables if one.type == "Regular"])

    def column(self, table: Table) -> Column | None:
        """A column that is not the key."""
        return self.one(table.columns[1:])


def at(thing: Table | View | Sequence | Function | Enum) -> str:
    """The name of a thing with its schema, as SQL."""
    return f"{thing.schema.name}.{thing.name}"
