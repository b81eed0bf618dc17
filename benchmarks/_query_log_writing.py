"""Families of statements that change rows: UPDATE, DELETE and MERGE."""

from collections.abc import Callable, Mapping

from benchmarks._query_log_builder import Select, Source, query_source
from benchmarks._query_log_catalogue import Table
from benchmarks._query_log_maker import Maker
from benchmarks._query_log_targets import (
    Assignments,
    fitting,
    items_of,
    name_list,
    returning_some,
    some_columns,
)
from benchmarks._query_log_values import (
    Statement,
    Truth,
    all_of,
    condition,
    quoted,
)


def _update(
    make: Maker, target: Source, table: Table, select: Select, sets: Assignments
) -> Statement:
    shown = [f"UPDATE {target.text}"]
    shown.append("SET " + ", ".join(f"{quoted(name)} = {value.text}" for name, value in sets))
    shown += [select.from_clause()] if select.first else []
    shown.append("WHERE " + " AND ".join(value.text for value in select.where))
    returning, more = returning_some(make, target)
    uses = all_of([select, *(value for _, value in sets)]) | more
    return Statement("\n".join(shown) + returning, Truth.of("update", uses, {table: sets}))


def update(make: Maker) -> Statement:
    """UPDATE of one table from itself and literals."""
    table = make.root()
    target = make.source(table, bare=True)
    names = some_columns(make, table)
    sets = fitting(make, table, names, [target])
    where = [condition("{} = ‹number›", make.key(target)), *make.conditions([target])]
    return _update(make, target, table, Select([], where=where), sets)


def update_from(make: Maker) -> Statement:
    """UPDATE … FROM tables that are joined."""
    table = make.root()
    target = make.source(table)
    other, on = make.partner(target)
    select = Select([], other, make.joined(other, make.draw.randint(0, 2)))
    sets = fitting(make, table, some_columns(make, table), [*select.sources(), target])
    select.where = [on, *make.conditions([*select.sources(), target])]
    return _update(make, target, table, select, sets)


def update_rows(make: Maker) -> Statement:
    """UPDATE of several columns from one query."""
    table = make.root()
    target = make.source(table)
    names = some_columns(make, table, 2)[:2]
    other, on = make.partner(target)
    values = [(name, make.expression([other])) for name in names]
    inner = Select(items_of(values), other, where=[on, make.condition([other])]).query()
    where = make.conditions([target], 2)
    text = (
        f"UPDATE {target.text}\nSET ({name_list(names)}) = (\n{inner.text}\n)\nWHERE "
        + " AND ".join(value.text for value in where)
    )
    return Statement(text, Truth.of("update", all_of([inner, *where]), {table: values}))


def delete_using(make: Maker) -> Statement:
    """DELETE … USING."""
    table = make.root()
    target = make.source(table)
    other, on = make.partner(target)
    select = Select([], other, make.joined(other, make.draw.randint(0, 2)))
    select.where = [on, *make.conditions([*select.sources(), target])]
    returning, more = returning_some(make, target)
    source = select.from_clause().replace("FROM", "USING", 1)
    where = " AND ".join(value.text for value in select.where)
    text = f"DELETE FROM {target.text}\n{source}\nWHERE {where}{returning}"
    return Statement(text, Truth.of("delete", select.uses | more, {table: []}))


def delete_in(make: Maker) -> Statement:
    """DELETE of rows that a query names."""
    table = make.root()
    target = make.source(table, bare=True)
    select = joins_of(make, make.table())
    select.items = [(make.key(select.sources()[0]), "key")]
    member = condition("{} IN (\n{}\n)", make.key(target), select.query())
    where = [member, *make.conditions([target])]
    text = f"DELETE FROM {target.text}\nWHERE " + " AND ".join(value.text for value in where)
    return Statement(text, Truth.of("delete", all_of(where), {table: []}))


def joins_of(make: Maker, table: Table) -> Select:
    """Return a SELECT of a table and perhaps of others, without items."""
    first = make.source(table)
    select = Select([], first, make.joined(first, make.draw.randint(0, 2)))
    select.where = make.conditions(select.sources())
    return select


def merge(make: Maker) -> Statement:
    """MERGE with an update, a delete and an insert."""
    table = make.root()
    target = make.source(table)
    other, on = make.partner(target)
    uses = [other.uses]
    if make.draw.random() < 0.4:
        inner = joins_of(make, make.table())
        inner.items = make.items(make.columns(inner.sources(), 4))
        other = query_source(inner.query(), make.alias("fresh"))
        on = condition("{} = {}", make.key(target), make.column([other], "key"))
        uses = [other.uses]
    sets = fitting(make, table, some_columns(make, table, 2), [other, target])
    names = some_columns(make, table, 3)
    values = fitting(make, table, names, [other])
    when = [make.condition([other, target]), make.condition([target])]
    shown = [f"MERGE INTO {target.text}", f"USING {other.text} ON {on.text}"]
    shown.append(f"WHEN MATCHED AND {when[1].text} THEN DELETE")
    shown.append(f"WHEN MATCHED AND {when[0].text} THEN UPDATE SET ")
    shown[-1] += ", ".join(f"{quoted(name)} = {value.text}" for name, value in sets)
    shown.append(f"WHEN NOT MATCHED THEN INSERT ({name_list(names)})")
    shown.append(f"VALUES ({', '.join(value.text for _, value in values)})")
    read = all_of([on, *when, *(value for _, value in [*sets, *values])])
    for one in uses:
        read |= one
    return Statement("\n".join(shown), Truth.of("merge", read, {table: [*sets, *values]}))


CHANGING: Mapping[str, Callable[[Maker], Statement]] = {
    family.__name__: family
    for family in (update, update_from, update_rows, delete_using, delete_in, merge)
}
"""The families by name."""
