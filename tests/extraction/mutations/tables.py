"""Changes of schemas, tables and what belongs to one table."""

from tests.extraction.mutations.model import (
    Column,
    Constraint,
    Enum,
    Index,
    Named,
    Table,
)
from tests.extraction.mutations.mutator import Mutations, at


def create_schema(m: Mutations) -> str:
    schema = Named(m.new("s"))
    m.model.schemas.append(schema)
    return f"CREATE SCHEMA {schema.name}"


def drop_schema(m: Mutations) -> str | None:
    schema = m.one(m.model.schemas)
    if schema is None or len(m.model.schemas) < 4:
        return None
    m.model.drop_schema(schema)
    return f"DROP SCHEMA {schema.name} CASCADE"


def rename_schema(m: Mutations) -> str | None:
    schema = m.one(m.model.schemas)
    if schema is None:
        return None
    old, schema.name = schema.name, m.new("s")
    return f"ALTER SCHEMA {old} RENAME TO {schema.name}"


def create_table(m: Mutations) -> str | None:
    schema = m.one(m.model.schemas)
    if schema is None:
        return None
    columns = [
        Column("id", 1, "integer", not_null=True),
        Column(m.new("c"), 2, "text", "'x'::text"),
    ]
    table = Table(m.new("t"), schema, columns, numbers=2)
    m.model.tables.append(table)
    return f"CREATE TABLE {at(table)} (id integer NOT NULL, {columns[1].name} text DEFAULT 'x')"


def create_partitioned(m: Mutations) -> str | None:
    schema = m.one(m.model.schemas)
    if schema is None:
        return None
    parent = Table(m.new("p"), schema, [Column("k", 1, "integer")], "Partitioned")
    child = Table(m.new("p"), schema, [Column("k", 1, "integer")], "Partition", parent)
    m.model.tables += [parent, child]
    return (
        f"CREATE TABLE {at(parent)} (k integer) PARTITION BY LIST (k);"
        f"CREATE TABLE {at(child)} PARTITION OF {at(parent)} FOR VALUES IN (1)"
    )


def drop_table(m: Mutations) -> str | None:
    table = m.one(m.model.tables)
    if table is None:
        return None
    m.model.drop_table(table)
    return f"DROP TABLE {at(table)} CASCADE"


def rename_table(m: Mutations) -> str | None:
    table = m.one(m.model.tables)
    if table is None:
        return None
    old, table.name = at(table), m.new("t")
    return f"ALTER TABLE {old} RENAME TO {table.name}"


def move_table(m: Mutations) -> str | None:
    table, schema = m.table(), m.one(m.model.schemas)
    if table is None or schema is None or table.schema is schema:
        return None
    old, table.schema = at(table), schema
    for sequence in m.model.sequences:
        if sequence.owned_by and sequence.owned_by[0] is table:
            sequence.schema = schema
    return f"ALTER TABLE {old} SET SCHEMA {schema.name}"


def own_table(m: Mutations) -> str | None:
    table = m.table()
    if table is None:
        return None
    table.owner = "second"
    for sequence in m.model.sequences:
        if sequence.owned_by and sequence.owned_by[0] is table:
            sequence.owner = "second"
    return f"ALTER TABLE {at(table)} OWNER TO {m.second}"


def add_column(m: Mutations) -> str | None:
    table = m.table()
    if table is None:
        return None
    kinds: list[str | Enum] = ["integer", "text", *m.model.enums]
    kind = m.one(kinds)
    assert kind is not None
    table.numbers += 1
    column = Column(m.new("c"), table.numbers, kind)
    table.columns.append(column)
    written = kind if isinstance(kind, str) else at(kind)
    return f"ALTER TABLE {at(table)} ADD {column.name} {written}"


def drop_column(m: Mutations) -> str | None:
    table = m.table()
    column = m.column(table) if table else None
    if table is None or column is None:
        return None
    m.model.drop_column(table, column)
    return f"ALTER TABLE {at(table)} DROP {column.name} CASCADE"


def rename_column(m: Mutations) -> str | None:
    table = m.table()
    column = m.one(table.columns) if table else None
    if table is None or column is None:
        return None
    old, column.name = column.name, m.new("c")
    return f"ALTER TABLE {at(table)} RENAME {old} TO {column.name}"


def change_type(m: Mutations) -> str | None:
    table = m.table()
    column = m.column(table) if table else None
    wider = {"integer": "bigint", "text": "character varying(50)"}
    if table is None or column is None or not isinstance(column.type, str):
        return None
    in_views = any(column is source for view in m.model.views for source, _ in view.columns)
    if column.type not in wider or in_views:
        return None
    if any(column in one.columns for one in table.constraints):
        return None
    column.type = wider[column.type]
    if column.default is not None:
        column.default = column.default.replace("::text", "::character varying")
    return f"ALTER TABLE {at(table)} ALTER {column.name} TYPE {column.type}"


def change_default(m: Mutations) -> str | None:
    table = m.table()
    column = m.column(table) if table else None
    if table is None or column is None or column.type not in ("integer", "text"):
        return None
    if column.default is not None:
        column.default = None
        return f"ALTER TABLE {at(table)} ALTER {column.name} DROP DEFAULT"
    number = m.number()
    column.default = f"{number}" if column.type == "integer" else f"'{number}'::text"
    return f"ALTER TABLE {at(table)} ALTER {column.name} SET DEFAULT '{number}'"


def add_key(m: Mutations) -> str | None:
    table = m.table()
    if table is None or any(one.type == "p" for one in table.constraints):
        return None
    key = Constraint(m.new("k"), "p", [table.columns[0]])
    table.constraints.append(key)
    table.indexes.append(Index(key.name, [table.columns[0]], key))
    return (
        f"ALTER TABLE {at(table)} ADD CONSTRAINT {key.name} PRIMARY KEY ({table.columns[0].name})"
    )


def add_foreign_key(m: Mutations) -> str | None:
    keys = [
        (table, one) for table in m.model.tables for one in table.constraints if one.type == "p"
    ]
    table, key = m.table(), m.one(keys)
    columns = [one for one in table.columns[1:] if one.type == "integer"] if table else []
    column = m.one(columns)
    if table is None or key is None or column is None:
        return None
    constraint = Constraint(m.new("f"), "f", [column], key)
    table.constraints.append(constraint)
    return (
        f"ALTER TABLE {at(table)} ADD CONSTRAINT {constraint.name} FOREIGN KEY ({column.name})"
        f" REFERENCES {at(key[0])} ({key[1].columns[0].name})"
    )


def add_check_or_unique(m: Mutations) -> str | None:
    table = m.table()
    column = m.one([one for one in table.columns[1:] if one.type == "integer"]) if table else None
    if table is None or column is None:
        return None
    constraint = Constraint(m.new("q"), m.one(["c", "u"]) or "c", [column])
    table.constraints.append(constraint)
    what = f"CHECK ({column.name} > 0)"
    if constraint.type == "u":
        table.indexes.append(Index(constraint.name, [column], constraint))
        what = f"UNIQUE ({column.name})"
    return f"ALTER TABLE {at(table)} ADD CONSTRAINT {constraint.name} {what}"


def drop_constraint(m: Mutations) -> str | None:
    table = m.table()
    constraint = m.one(table.constraints) if table else None
    if table is None or constraint is None:
        return None
    m.model.drop_constraint(table, constraint)
    return f"ALTER TABLE {at(table)} DROP CONSTRAINT {constraint.name} CASCADE"


def rename_constraint(m: Mutations) -> str | None:
    table = m.table()
    constraint = m.one(table.constraints) if table else None
    if table is None or constraint is None:
        return None
    old, constraint.name = constraint.name, m.new("k")
    for index in table.indexes:
        if index.constraint is constraint:
            index.name = constraint.name
    return f"ALTER TABLE {at(table)} RENAME CONSTRAINT {old} TO {constraint.name}"


def add_index(m: Mutations) -> str | None:
    table = m.table()
    column = m.column(table) if table else None
    if table is None or column is None:
        return None
    index = Index(m.new("i"), [column, table.columns[0]])
    table.indexes.append(index)
    names = ", ".join(one.name for one in index.columns)
    return f"CREATE INDEX {index.name} ON {at(table)} ({names})"


def drop_or_rename_index(m: Mutations) -> str | None:
    table = m.table()
    index = m.one([one for one in table.indexes if one.constraint is None]) if table else None
    if table is None or index is None:
        return None
    if m.one([True, False]):
        table.indexes.remove(index)
        return f"DROP INDEX {table.schema.name}.{index.name}"
    old, index.name = index.name, m.new("i")
    return f"ALTER INDEX {table.schema.name}.{old} RENAME TO {index.name}"
