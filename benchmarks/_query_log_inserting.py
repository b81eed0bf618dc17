"""Families of statements that add rows: INSERT of all sorts, and CREATE TABLE AS."""

from collections.abc import Callable, Mapping

from benchmarks._query_log_builder import Select, query_source
from benchmarks._query_log_catalogue import Column, Table
from benchmarks._query_log_maker import Maker
from benchmarks._query_log_reading import joins
from benchmarks._query_log_targets import (
    Assignments,
    fitting,
    items_of,
    literal,
    name_list,
    returning_some,
    some_columns,
)
from benchmarks._query_log_values import (
    Query,
    Statement,
    Truth,
    Value,
    all_of,
    condition,
    derive,
    name_of,
    quoted,
    scalar,
)


def insert_values(make: Maker) -> Statement:
    """INSERT of literals, one of them looked up."""
    table = make.root()
    names = some_columns(make, table)
    source = make.source(make.table())
    found = Select([(make.column([source]), "one")], source, where=[make.condition([source])])
    values = [literal(make, make.catalogue.tables[table][name]) for name in names]
    if make.draw.random() < 0.4:
        values[0] = scalar(found.query())
    row = "(" + ", ".join(value.text for value in values) + ")"
    rows = ",\n".join([row] * make.draw.choice((1, 1, 2, 3)))
    text = f"INSERT INTO {name_of(table)} ({name_list(names)})\nVALUES {rows}"
    returning, more = returning_some(make, make.source(table, bare=True))
    uses = all_of(values) | more
    truth = Truth.of("insert", uses, {table: list(zip(names, values, strict=True))})
    return Statement(text + returning, truth)


def insert_select(make: Maker) -> Statement:
    """INSERT of a query with joins, grouped or not."""
    table = make.root()
    names = some_columns(make, table)
    first = make.source(make.table())
    select = Select([], first, make.joined(first, make.draw.randint(0, 2)))
    sources = select.sources()
    values = fitting(make, table, names, sources)
    if make.draw.random() < 0.4:
        keys = [value for _, value in values[:2] if value.flows]
        values[2:] = [(name, make.aggregate(sources)) for name, _ in values[2:]]
        select.group = keys
    select.items = items_of(values)
    select.where = make.conditions(sources)
    query = select.query()
    text = f"INSERT INTO {name_of(table)} ({name_list(names)})\n{query.text}"
    return Statement(text, Truth.of("insert", query.uses, {table: values}))


def on_conflict(make: Maker) -> Statement:
    """INSERT … ON CONFLICT DO UPDATE: what is excluded is what was to be inserted."""
    table = make.root()
    names = some_columns(make, table)
    key = next(iter(make.catalogue.tables[table]))
    target = make.source(table)
    first = make.source(make.table())
    select = Select([], first)
    values = [(key, make.column(select.sources(), "key"))]
    values += fitting(make, table, names, select.sources())
    select.items = items_of(values)
    select.where = make.conditions(select.sources())
    query = select.query()
    shown = [f"INSERT INTO {name_of(table)} AS {target.prefix[:-1]} ({name_list([key, *names])})"]
    shown += [query.text, f"ON CONFLICT ({quoted(key)}) DO UPDATE"]
    excluded = {
        name: Value(f"excluded.{quoted(name)}", value.kind, value.flows) for name, value in values
    }
    sets: Assignments = [(name, excluded[name]) for name in names[:-1]]
    both = (target.value(names[-1]), excluded[names[-1]])
    sets.append((names[-1], derive("coalesce({}, {})", *both, kind="text")))
    shown.append("SET " + ", ".join(f"{quoted(name)} = {value.text}" for name, value in sets))
    where = condition("{} IS DISTINCT FROM {}", target.value(names[0]), excluded[names[0]])
    shown.append(f"WHERE {where.text}")
    uses = all_of([query, where, *(value for _, value in sets)])
    either = frozenset({Column(*table, key)})
    return Statement("\n".join(shown), Truth.of("insert", uses, {table: [*values, *sets]}, either))


def insert_json(make: Maker) -> Statement:
    """INSERT of parts of documents, whose columns stand without their table in front."""
    owners = [name for name, columns in make.catalogue.tables.items() if "json" in columns.values()]
    source = make.source(make.draw.choice(owners), bare=True)
    document = make.column([source], "json")
    values = [
        ("user_id", source.value("user_id")),
        ("action", derive("{} ->> ‹key›", document, kind="text")),
        ("object_name", derive("coalesce({} #>> ‹path›, ‹text›)", document, kind="text")),
        ("details", derive("jsonb_array_length({} -> ‹key›)::text", document, kind="text")),
    ]
    where = [condition("{} @> ‹json›::jsonb", document), make.condition([source])]
    query = Select(items_of(values), source, where=where).query()
    table = Table("public", "audit_log")
    text = f"INSERT INTO {name_of(table)} ({name_list([name for name, _ in values])})\n{query.text}"
    return Statement(text, Truth.of("insert", query.uses, {table: values}))


def moved(make: Maker) -> Statement:
    """DELETE … RETURNING in a CTE, whose rows are inserted elsewhere."""
    table, other = make.root(), make.table()
    gone = make.source(table)
    where = make.conditions([gone], 2)
    text = f"DELETE FROM {gone.text}\nWHERE " + " AND ".join(value.text for value in where)
    columns = {name: gone.value(name) for name in gone.columns}
    query = Query(f"{text}\nRETURNING {gone.prefix}*", columns, all_of([*where, *columns.values()]))
    source = query_source(query, "gone", "gone")
    names = some_columns(make, other)
    values = fitting(make, other, names, [source])
    select = Select(items_of(values), source, where=[make.condition([source])])
    shown = f"WITH gone AS (\n{query.text}\n)\nINSERT INTO {name_of(other)} ({name_list(names)})\n"
    sets = {other: values} if table == other else {other: values, table: []}
    return Statement(shown + select.query().text, Truth.of("insert", select.query().uses, sets))


def create_table_as(make: Maker) -> Statement:
    """CREATE TABLE AS with joins, or with groups."""
    select = joins(make, make.draw.randint(0, 2))
    if make.draw.random() < 0.3:
        select.group = [make.column(select.sources())]
        numbers = [make.aggregate(select.sources()) for _ in range(3)]
        select.items = make.items([*select.group, *numbers])
    query = select.query()
    table = Table("sales", f"made_{make.number:06}")
    words = make.draw.choice(("TABLE", "TABLE", "UNLOGGED TABLE", "TABLE IF NOT EXISTS"))
    text = f"CREATE {words} {name_of(table)} AS\n{query.text}"
    sets = {table: list(query.columns.items())}
    return Statement(text, Truth.of("create_table_as", query.uses, sets))


INSERTING: Mapping[str, Callable[[Maker], Statement]] = {
    family.__name__: family
    for family in (insert_values, insert_select, on_conflict, create_table_as, moved, insert_json)
}
"""The families by name."""
