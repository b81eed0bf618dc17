"""A model of a database: what stands in it, what falls with what, and what each object is like.

The model knows PostgreSQL's rules by itself and never asks the server. `render` gives every object
of every kind a name and a content; two renderings tell what a diff has to say.
"""

from dataclasses import dataclass, field


@dataclass(eq=False)
class Named:
    """An object with a name and a comment."""

    name: str
    comment: str | None = field(default=None, kw_only=True)
    owner: str = field(default="first", kw_only=True)


@dataclass(eq=False)
class Enum(Named):
    """An enum type."""

    schema: Named
    labels: list[str]


@dataclass(eq=False)
class Column(Named):
    """A column of a table."""

    number: int
    type: str | Enum
    default: str | None = None
    not_null: bool = False

    @property
    def type_name(self) -> str:
        """The type as the catalogue shows it."""
        return (
            self.type if isinstance(self.type, str) else f"{self.type.schema.name}.{self.type.name}"
        )


@dataclass(eq=False)
class Function(Named):
    """A function, of triggers or of one argument."""

    schema: Named
    argument: str
    body: int
    for_triggers: bool


@dataclass(eq=False)
class Constraint(Named):
    """A constraint; a foreign key depends on a primary key."""

    type: str
    columns: list[Column]
    key: "tuple[Table, Constraint] | None" = None


@dataclass(eq=False)
class Index(Named):
    """An index, perhaps that of a constraint."""

    columns: list[Column]
    constraint: Constraint | None = None


@dataclass(eq=False)
class Trigger(Named):
    """A trigger."""

    function: Function
    enabled: bool = True


@dataclass(eq=False)
class Table(Named):
    """A table, a partitioned one, or a partition."""

    schema: Named
    columns: list[Column]
    type: str = "Regular"
    parent: "Table | None" = None
    constraints: list[Constraint] = field(default_factory=list)
    indexes: list[Index] = field(default_factory=list)
    triggers: list[Trigger] = field(default_factory=list)
    numbers: int = 0


@dataclass(eq=False)
class View(Named):
    """A view of some columns of one table."""

    schema: Named
    source: Table
    columns: list[tuple[Column, str]]


@dataclass(eq=False)
class Sequence(Named):
    """A sequence, perhaps owned by a column."""

    schema: Named
    increment: int
    owned_by: tuple[Table, Column] | None = None


Content = tuple[object, ...]


class Model:
    """All objects of a database."""

    def __init__(self) -> None:
        self.schemas: list[Named] = []
        self.tables: list[Table] = []
        self.views: list[View] = []
        self.sequences: list[Sequence] = []
        self.functions: list[Function] = []
        self.enums: list[Enum] = []

    def drop_schema(self, schema: Named) -> None:
        """Drop a schema with all that it holds."""
        for table in [one for one in self.tables if one.schema is schema]:
            self.drop_table(table)
        for function in [one for one in self.functions if one.schema is schema]:
            self.drop_function(function)
        for enum in [one for one in self.enums if one.schema is schema]:
            self.drop_enum(enum)
        self.views = [one for one in self.views if one.schema is not schema]
        self.sequences = [one for one in self.sequences if one.schema is not schema]
        self.schemas.remove(schema)

    def drop_table(self, table: Table) -> None:
        """Drop a table, its partitions, and what depends on it."""
        if table not in self.tables:
            return
        for child in [one for one in self.tables if one.parent is table]:
            self.drop_table(child)
        for column in list(table.columns):
            self.drop_column(table, column)
        self.views = [one for one in self.views if one.source is not table]
        self.tables.remove(table)

    def drop_column(self, table: Table, column: Column) -> None:
        """Drop a column, and the views, constraints, indexes and sequences that need it."""
        self.views = [
            view for view in self.views if not any(source is column for source, _ in view.columns)
        ]
        for constraint in [one for one in table.constraints if column in one.columns]:
            self.drop_constraint(table, constraint)
        table.indexes = [one for one in table.indexes if column not in one.columns]
        self.sequences = [
            one for one in self.sequences if one.owned_by is None or one.owned_by[1] is not column
        ]
        table.columns.remove(column)

    def drop_constraint(self, table: Table, constraint: Constraint) -> None:
        """Drop a constraint with its index, and the foreign keys that depend on it."""
        for other in self.tables:
            other.constraints = [
                one for one in other.constraints if one.key is None or one.key[1] is not constraint
            ]
        table.indexes = [one for one in table.indexes if one.constraint is not constraint]
        table.constraints = [one for one in table.constraints if one is not constraint]

    def drop_function(self, function: Function) -> None:
        """Drop a function and its triggers."""
        for table in self.tables:
            table.triggers = [one for one in table.triggers if one.function is not function]
        self.functions.remove(function)

    def drop_enum(self, enum: Enum) -> None:
        """Drop a type and the columns of this type."""
        for table in self.tables:
            for column in [one for one in table.columns if one.type is enum]:
                self.drop_column(table, column)
        self.enums.remove(enum)

    def render(self) -> dict[tuple[str, str], Content]:
        """Return kind and name behind the database of each object, and its content."""
        found: dict[tuple[str, str], Content] = {}
        for schema in self.schemas:
            found["schemas", schema.name] = (schema.comment, schema.owner)
        for table in self.tables:
            self._render_table(found, table)
        for view in self.views:
            self._render_view(found, view)
        for sequence in self.sequences:
            owned = sequence.owned_by
            found["sequences", f"{sequence.schema.name}.{sequence.name}"] = (
                sequence.increment,
                (owned[0].schema.name, owned[0].name, owned[1].name) if owned else None,
                sequence.comment,
                sequence.owner,
            )
        for function in self.functions:
            name = f"{function.schema.name}.{function.name}({function.argument})"
            found["procedures", name] = (function.body, function.comment, function.owner)
        for enum in self.enums:
            name = f"{enum.schema.name}#type.{enum.name}"
            found["types", name] = (tuple(enum.labels), enum.comment, enum.owner)
        return found

    def _render_table(self, found: dict[tuple[str, str], Content], table: Table) -> None:
        name = f"{table.schema.name}.{table.name}"
        parent = (table.parent.schema.name, table.parent.name) if table.parent else None
        found["tables", name] = (table.type, parent, table.comment, table.owner)
        for column in table.columns:
            found["columns", f"{name}.{column.name}"] = (
                column.number,
                column.type_name,
                column.default,
                column.not_null,
                column.comment,
            )
        for constraint in table.constraints:
            target = constraint.key
            found["constraints", f"{name}#constraint.{constraint.name}"] = (
                constraint.type,
                _names(constraint.columns),
                (target[0].schema.name, target[0].name, _names(target[1].columns))
                if target
                else None,
                constraint.comment,
            )
        for index in table.indexes:
            found["indexes", f"{name}#index.{index.name}"] = (
                _names(index.columns),
                index.constraint is not None,
                index.comment,
            )
        for trigger in table.triggers:
            function = trigger.function
            found["triggers", f"{name}#trigger.{trigger.name}"] = (
                (function.schema.name, function.name),
                trigger.enabled,
                trigger.comment,
            )

    def _render_view(self, found: dict[tuple[str, str], Content], view: View) -> None:
        name = f"{view.schema.name}.{view.name}"
        source = f"{view.source.schema.name}.{view.source.name}"
        pairs = tuple((column.name, out) for column, out in view.columns)
        found["tables", name] = (source, pairs, view.comment, view.owner)
        for number, (column, out) in enumerate(view.columns):
            found["columns", f"{name}.{out}"] = (number, column.type_name)
        used = sorted({(column.number, column.name) for column, _ in view.columns})
        found["view_dependencies", f"{name}#reads.{source}"] = (view.source.type, *used)


def _names(columns: list[Column]) -> tuple[str, ...]:
    return tuple(column.name for column in columns)
