"""Rules: which objects are in the scope of an extraction."""

from collections.abc import Sequence
from functools import cached_property
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from flowkeep.errors import InvalidInput
from flowkeep.extraction.filters import regex

Action = Literal["include", "exclude"]
Level = Literal["database", "schema", "table", "procedure"]
Match = Literal["exact", "glob", "regex"]
Case = Literal["sensitive", "insensitive"]

_LONGEST = 1_000
_SHOWN = 80


class Pattern(BaseModel):
    """What a name must look like. It is always the whole name that has to match.

    Attributes:
        match: `exact`; `glob`, where `*` stands for any characters, `?` for one and everything
            else, brackets too, for itself; or `regex`, see `flowkeep.extraction.filters.regex`.
        value: The name, glob or expression; 1 to 1,000 characters.
        case: `insensitive` makes `A` to `Z` equal to `a` to `z`; other letters stay different.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True)

    match: Match = "exact"
    value: str = Field(min_length=1, max_length=_LONGEST)
    case: Case = "sensitive"

    @field_validator("value")
    @classmethod
    def _text(cls, value: str) -> str:
        if "\x00" in value:
            raise ValueError("holds a NUL character, which no name has")
        return value

    @model_validator(mode="after")
    def _readable(self) -> "Pattern":
        if self.match == "regex":
            try:
                _ = self.expression
            except ValueError as error:
                raise ValueError(
                    f"the regular expression {self.value!r} is wrong: {error}"
                ) from None
        return self

    @cached_property
    def expression(self) -> str | None:
        """The portable expression, to be anchored; None for one exact name."""
        insensitive = self.case == "insensitive"
        if self.match == "regex":
            return regex.portable(self.value, insensitive=insensitive)
        if self.match == "glob":
            return regex.wildcards(self.value, insensitive=insensitive)
        return regex.literal(self.value, insensitive=True) if insensitive else None

    def matching(self, names: Sequence[str]) -> list[bool]:
        """Return for each name whether it matches.

        The engine is RE2, which takes linear time, so that no expression can hold up a worker.

        Args:
            names: Whole names.
        """
        if self.expression is None:
            return [name == self.value for name in names]
        import pyarrow as pa
        import pyarrow.compute as pc

        anchored = f"(?s)^(?:{self.expression})$"
        try:
            found = pc.match_substring_regex(pa.array(names, pa.string()), pattern=anchored)
        except pa.ArrowInvalid as error:
            raise InvalidInput(
                f"the regular expression {self.value[:_SHOWN]!r} cannot be used: {error}",
                hint="simplify it, or write several rules",
            ) from None
        return [bool(one) for one in found.to_pylist()]

    def matches(self, name: str) -> bool:
        """Return whether one name matches."""
        return self.matching([name])[0]

    def __str__(self) -> str:
        case = "insensitive " if self.case == "insensitive" else ""
        return f"{case}{self.match} {self.value}"


class Rule(Pattern):
    """One rule. Rules keep their order in reports; it does not change what they mean.

    An exclude is stronger than an include. A parent that no include rule concerns is taken as a
    whole. The server's own schemas are taken only when an exact rule includes them, or when
    `include_system_schemas` is set.

    Attributes:
        action: `include` or `exclude`.
        level: What the names are names of.
        in_database: Restricts the rule to databases that look so; written `database`. A plain
            text is an exact name.
        in_schema: The same for schemas; written `schema`.
    """

    action: Action
    level: Level
    in_database: Pattern | None = Field(default=None, alias="database")
    in_schema: Pattern | None = Field(default=None, alias="schema")

    @field_validator("in_database", "in_schema", mode="before")
    @classmethod
    def _exact(cls, value: object) -> object:
        return {"value": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _fitting(self) -> "Rule":
        if self.level == "database" and self.in_database is not None:
            raise ValueError("a rule for databases cannot be restricted to a database")
        if self.level in ("database", "schema") and self.in_schema is not None:
            raise ValueError(f"a rule for {self.level}s cannot be restricted to a schema")
        return self

    def concerns(self, database: str) -> bool:
        """Return whether the rule applies in a database at all."""
        return self.in_database is None or self.in_database.matches(database)

    def __str__(self) -> str:
        parents = "".join(
            f" {name}={pattern.value if pattern.expression is None else f'({pattern})'}"
            for name, pattern in (("database", self.in_database), ("schema", self.in_schema))
            if pattern is not None
        )
        return f"{self.action} {self.level}{parents} {super().__str__()}"
