"""How a dialect writes a filter: the few expressions that differ between servers."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from flowkeep.extraction.filters.rule import Level

Bind = Callable[[object], str]
"""Takes a value as a parameter and returns the placeholder that stands for it in the SQL."""


class FilterSyntax(ABC):
    """One dialect's expressions. They stand in every statement that has slots.

    Attributes:
        names: Level to the SQL expression of such an object's name.
        system_schema: Condition that is true for the server's own schemas.
        system_schemas: Portable expression of their whole names, for the original SDK's texts;
            None leaves it to these texts.
        view: Condition that is true for views of every sort; None when there are none to tell.
        empty: Condition that is true for tables that the server's statistics call empty; unknown
            does not count as empty. None when the server has no such statistics.
        doubles_percent: Whether the driver takes a percent sign in a statement with parameters
            for the beginning of a placeholder.
    """

    names: ClassVar[Mapping[Level, str]]
    system_schema: ClassVar[str]
    system_schemas: ClassVar[str | None] = None
    view: ClassVar[str | None] = None
    empty: ClassVar[str | None] = None
    doubles_percent: ClassVar[bool] = True

    def placeholder(self, name: str) -> str:
        """Return what stands for a parameter in the SQL.

        Args:
            name: Name of the parameter, letters, digits and underscores.
        """
        return f"%({name})s"

    @abstractmethod
    def equals(self, expression: str, names: Sequence[str], bind: Bind) -> str:
        """Return the condition that an expression is one of some names, byte for byte.

        Args:
            expression: SQL of the name.
            names: At least one.
            bind: Takes the values.
        """

    @abstractmethod
    def matches(self, expression: str, regex: str, bind: Bind) -> str:
        """Return the condition that the whole of an expression matches a regular expression.

        Args:
            expression: SQL of the name.
            regex: A portable one, see `flowkeep.extraction.filters.regex`, not yet anchored; case
                counts, and `.` takes line breaks too.
            bind: Takes the values.
        """
