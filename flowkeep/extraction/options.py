"""What the arguments of a metadata extraction may say under `metadata`."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    ValidationError,
    field_validator,
    model_validator,
)

from flowkeep.errors import InvalidInput
from flowkeep.extraction.filters.rule import Action, Level, Rule
from flowkeep.extraction.filters.text import parse_rule, problem
from flowkeep.extraction.legacy.dictionaries import LegacyFilters, Translation, translate


class ExtractionOptions(BaseModel):
    """Which part of a server is extracted, and how.

    The original SDK's `include-filter`, `exclude-filter` and `temp-table-regex` are taken too, and
    translated into rules; see `flowkeep.extraction.legacy.dictionaries`.

    Attributes:
        databases: Databases by exact name; without these and without rules that include databases
            it is the one that the credentials name.
        include_schemas: Schemas by exact name; empty means all but the system's.
        exclude_schemas: Schemas by exact name that are left out; stronger than an include.
        filters: Rules beside these names, written `filters`; each an object with the fields of
            `Rule`, or a line as `parse_rule` takes it.
        include_system_schemas: Whether the server's own schemas count among all.
        exclude_views: Whether views and materialised views are left out.
        exclude_empty_tables: Whether tables are left out whose row estimate is 0; tables without
            an estimate are kept.
        statement_timeout_seconds: Longest a statement may run on the source.
        part_rows: Rows after which a raw part ends, with the block of about 1 MiB that reaches it;
            a retry repeats one part at most.
        removal_threshold: Share of a scope's objects, 0 to 1, above which removals are held back.
        removal_minimum: Removals that are never held back, however large their share is.
        openlineage: Whether OpenLineage events of the schema are written too.
        namespace: First part of every qualified name instead of the server's address, so that
            names survive a move to another host.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True)

    databases: tuple[str, ...] = ()
    include_schemas: tuple[str, ...] = ()
    exclude_schemas: tuple[str, ...] = ()
    listed_rules: tuple[Rule, ...] = Field(default=(), alias="filters")
    include_system_schemas: bool = False
    exclude_views: bool = False
    exclude_empty_tables: bool = False
    statement_timeout_seconds: float = Field(default=600.0, gt=0, le=86_400)
    part_rows: int = Field(default=250_000, ge=1_000)
    removal_threshold: float = Field(default=0.25, ge=0, le=1)
    removal_minimum: int = Field(default=10, ge=0)
    openlineage: bool = False
    namespace: str | None = Field(default=None, min_length=1, max_length=255)

    _translation: Translation = PrivateAttr(default_factory=lambda: Translation({}))

    @model_validator(mode="wrap")
    @classmethod
    def _translate(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if not isinstance(value, Mapping):
            return handler(value)
        translation = translate(value)
        options = handler(translation.fields)
        options._translation = translation  # noqa: SLF001 - it is this class's own
        return options

    @field_validator("databases", "include_schemas", "exclude_schemas")
    @classmethod
    def _names(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if not name or "\x00" in name:
                raise ValueError("a name is empty or holds a NUL character")
        return tuple(dict.fromkeys(names))

    @field_validator("listed_rules", mode="before")
    @classmethod
    def _read_lines(cls, rules: object) -> object:
        if not isinstance(rules, list | tuple):
            return rules
        try:
            return [parse_rule(one) if isinstance(one, str) else one for one in rules]
        except InvalidInput as error:
            raise ValueError(str(error)) from None

    @classmethod
    def read(cls, value: object) -> Self:
        """Check options of unknown origin.

        Args:
            value: A mapping with the fields above, or None for the defaults.

        Raises:
            InvalidInput: If one is unknown or does not fit; the message names it.
        """
        if value is None:
            return cls()
        if not isinstance(value, Mapping):
            raise InvalidInput(f"metadata must be a mapping, not {type(value).__name__}")
        try:
            return cls.model_validate(dict(value))
        except ValidationError as error:
            errors = error.errors(include_url=False)
            problems = "; ".join(f"metadata.{problem(item)}" for item in errors)
            known = ", ".join(field.alias or name for name, field in cls.model_fields.items())
            unknown = any(item["type"] == "extra_forbidden" for item in errors)
            raise InvalidInput(
                problems, hint=f"metadata takes {known}" if unknown else "correct these options"
            ) from None

    @cached_property
    def rules(self) -> tuple[Rule, ...]:
        """All rules in order: names first, then the listed ones, then the translated ones."""
        return (
            *_exact("include", "database", self.databases),
            *_exact("include", "schema", self.include_schemas),
            *_exact("exclude", "schema", self.exclude_schemas),
            *self.listed_rules,
        )

    def within(self, schema: str) -> Self:
        """Return the same options for one schema only.

        Args:
            schema: Its exact name.
        """
        narrowed = self.model_copy(update={"include_schemas": (schema,)})
        vars(narrowed).pop("rules", None)  # those of the copied options, where they were asked for
        return narrowed

    def parameters(self) -> dict[str, Any]:
        """Return what binds to the parameters that a user's own SQL may use."""
        return {
            "include": list(self.include_schemas) or None,
            "exclude": list(self.exclude_schemas),
            "system": self.include_system_schemas,
        }

    @property
    def warnings(self) -> tuple[str, ...]:
        """Where the original SDK's settings meant something else there, one sentence each."""
        return self._translation.warnings

    @cached_property
    def legacy(self) -> LegacyFilters:
        """The original SDK's settings, for the placeholders of its SQL texts."""
        return LegacyFilters.read(self._translation.original)

    def filters(self) -> dict[str, Any]:
        """Return what decides which objects of a database are in the scope, for the manifest.

        Rules for databases are left out: the databases are the manifest's scopes, and one more of
        them changes nothing for the others.
        """
        found: dict[str, Any] = {
            "include_schemas": list(self.include_schemas),
            "exclude_schemas": list(self.exclude_schemas),
            "rules": [
                rule.model_dump(mode="json", by_alias=True, exclude_none=True)
                for rule in self.listed_rules
                if rule.level != "database"
            ],
            "include_system_schemas": self.include_system_schemas,
            "exclude_views": self.exclude_views,
            "exclude_empty_tables": self.exclude_empty_tables,
        }
        if self._translation.original:
            found["translated_from"] = dict(self._translation.original)
            found["warnings"] = list(self.warnings)
        return found


def _exact(action: Action, level: Level, names: tuple[str, ...]) -> tuple[Rule, ...]:
    return tuple(Rule(action=action, level=level, value=name) for name in names)
