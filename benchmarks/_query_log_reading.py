"""Families of statements that read: each draws a SELECT of its kind."""

from collections.abc import Callable, Mapping

from benchmarks._query_log_builder import Select, Source, query_source, union
from benchmarks._query_log_catalogue import Table
from benchmarks._query_log_maker import Maker
from benchmarks._query_log_values import (
    Query,
    Statement,
    Truth,
    Uses,
    Value,
    all_of,
    condition,
    derive,
    quoted,
    scalar,
)


def _statement(query: Query, more: Uses = Uses()) -> Statement:  # noqa: B008 - it is frozen
    return Statement(query.text, Truth.of("select", query.uses | more))


def joins(make: Maker, count: int | None = None) -> Select:
    """Return a SELECT of a table and of some that are joined with it."""
    draw = make.draw
    first = make.source(make.root())
    select = Select(
        [], first, make.joined(first, draw.choice((1, 1, 2, 2, 3, 5)) if count is None else count)
    )
    sources = select.sources()
    values = make.columns(sources, draw.randint(2, 3))
    values += [make.expression(sources) for _ in range(draw.randint(1, 2))]
    select.items = make.items(values)
    select.where = make.conditions(sources)
    return select


def simple(make: Maker) -> Statement:
    """One table, without an alias."""
    source = make.source(make.root(), bare=True)
    values = make.columns([source], make.draw.randint(3, 9))
    values += [make.expression([source]) for _ in range(make.draw.randint(1, 3))]
    where = make.conditions([source], 3)
    order = [(make.column([source], "time"), "DESC NULLS LAST")]
    return _statement(
        Select(make.items(values), source, where=where, order=order, tail="LIMIT ‹small›").query()
    )


def star(make: Maker) -> Statement:
    """All columns of one table of two."""
    select = joins(make, 1)
    first = select.sources()[0]
    select.items = [
        (value, name) for name, value in zip(first.columns, first.values(), strict=True)
    ]
    select.star = f"{first.prefix}*"
    select.where = make.conditions(select.sources(), 4)
    select.order = [(make.key(first), "")]
    select.tail = "OFFSET ‹small› LIMIT ‹small›"
    return _statement(select.query())


def joined(make: Maker) -> Statement:
    """One to five joins."""
    select = joins(make)
    select.order = [(make.column(select.sources()), make.draw.choice(("", "DESC")))]
    select.tail = "LIMIT ‹small›"
    return _statement(select.query())


def grouped(make: Maker) -> Statement:
    """GROUP BY with aggregates and HAVING."""
    select = joins(make, make.draw.randint(0, 2))
    sources = select.sources()
    select.group = [make.column(sources, "text", "key"), make.changed(sources, "time")]
    aggregates = [make.aggregate(sources) for _ in range(make.draw.randint(1, 3))]
    select.items = make.items([*select.group, *aggregates, Value("count(*)", "number")])
    select.having = [condition("{} > ‹number›", make.aggregate(sources))]
    select.order = [(aggregates[0], "DESC")]
    return _statement(select.query())


def positions(make: Maker) -> Statement:
    """GROUP BY and ORDER BY positions of the output."""
    select = joins(make, 1)
    sources = select.sources()
    keys = make.columns(sources, 2)
    select.items = make.items([*keys, make.aggregate(sources), make.aggregate(sources)])
    select.tail = "GROUP BY 1, 2\nORDER BY 3 DESC, 1"
    return _statement(select.query())


def in_query(make: Maker) -> Statement:
    """IN with a query, and NOT EXISTS with one that refers to the outside."""
    select = joins(make, make.draw.randint(0, 1))
    first = select.sources()[0]
    other, on = make.partner(first)
    where = [on, *make.conditions([other])]
    exists = Select([(Value("1", "number"), "one")], other, where=where).query()
    third = make.source(make.table())
    keys = Select([(make.key(third), "key")], third, where=make.conditions([third])).query()
    member = condition("{} IN (\n{}\n)", make.key(first), keys)
    word = make.draw.choice(("EXISTS", "NOT EXISTS"))
    select.where = [*select.where, member, condition(word + " (\n{}\n)", exists)]
    return _statement(select.query())


def scalar_query(make: Maker) -> Statement:
    """A query in the output that refers to the outside."""
    select = joins(make, make.draw.randint(0, 2))
    first = select.sources()[0]
    other, on = make.partner(first)
    inner = Select([(make.aggregate([other]), "one")], other, where=[on]).query()
    select.items = [*select.items, (scalar(inner), "inner_value")]
    return _statement(select.query())


def derived(make: Maker) -> Statement:
    """A query in FROM, aggregated once more."""
    inner = query_source(joins(make, make.draw.randint(0, 2)).query(), make.alias("part"))
    outer = Select([], inner, make.joined(inner, 1) if make.draw.random() < 0.5 else [])
    sources = outer.sources()
    outer.group = [make.column([inner])]
    outer.items = make.items([outer.group[0], make.aggregate(sources), make.aggregate(sources)])
    return _statement(outer.query())


def with_ctes(make: Maker) -> Statement:
    """Two CTEs, the second of which reads the first."""
    start = joins(make, make.draw.randint(0, 1))
    start.items = start.items[:4]
    one = start.query()
    base = query_source(one, "base", "base")
    number = [make.aggregate([base]), make.aggregate([base])]
    key = make.column([base])
    two = Select(make.items([key, *number]), base, where=make.conditions([base]), group=[key])
    ranked = query_source(two.query(), "ranked", "ranked")
    final = Select([], ranked, make.joined(ranked, 1))
    final.items = make.items(make.columns(final.sources(), 3))
    final.ctes = {"base": one, "ranked": two.query()}
    final.where = make.conditions([ranked])
    return _statement(final.query())


def recursive(make: Maker) -> Statement:
    """A recursive CTE."""
    first = make.source(make.root())
    key, up = make.key(first), make.column([first], "key")
    label = make.column([first], "text")
    items = [(key, "node"), (up, "above"), (label, "label"), (Value("1", "number"), "depth")]
    start = Select(items, first, where=make.conditions([first], 2)).query()
    tree = query_source(Query("", start.columns, Uses()), "tree", "tree")
    again = make.source(make.table())
    below = Select(
        [
            (make.key(again), "node"),
            (make.column([again], "key"), "above"),
            (make.column([again], "text"), "label"),
            (derive("{} + 1", tree.value("depth"), kind="number"), "depth"),
        ],
        again,
        [("JOIN", tree, condition("{} = {}", make.column([again], "key"), tree.value("node")))],
        [condition("{} < ‹small›", tree.value("depth"))],
    ).query()
    whole = union(start, below)
    result = query_source(whole, "tree", "tree")
    final = Select([(result.value(name), name) for name in result.columns], result)
    final.where = [condition("{} <> ‹text›", result.value("label"))]
    text = f"WITH RECURSIVE tree AS (\n{whole.text}\n)\n{final.query().text}"
    return Statement(text, Truth.of("select", final.query().uses))


def windows(make: Maker) -> Statement:
    """Window functions."""
    select = joins(make, make.draw.randint(0, 2))
    sources = select.sources()
    select.items = make.items(
        [value for value, _ in select.items]
        + [make.window(sources) for _ in range(make.draw.randint(1, 2))]
    )
    return _statement(select.query())


def unions(make: Maker) -> Statement:
    """Two or three queries, one behind the other."""
    parts = []
    for number in range(make.draw.randint(2, 3)):
        source = make.source(make.root() if number == 0 else make.table())
        values = [make.column([source], kind) for kind in ("key", "text", "time")]
        items = [(value, f"c{place}") for place, value in enumerate(values)]
        parts.append(Select(items, source, where=make.conditions([source])).query())
    whole = parts[0]
    for part in parts[1:]:
        whole = union(whole, part, make.draw.choice(("UNION", "UNION ALL", "EXCEPT", "INTERSECT")))
    tail = make.draw.choice(("", "\nORDER BY c0 DESC", "\nLIMIT ‹small›"))
    return Statement(whole.text + tail, Truth.of("select", whole.uses))


def lateral(make: Maker) -> Statement:
    """A LATERAL query with the latest rows of another table."""
    select = joins(make, make.draw.randint(0, 1))
    first = select.sources()[0]
    other, on = make.partner(first)
    inner = Select(make.items(make.columns([other], 3)), other, where=[on, make.condition([other])])
    inner.order = [(make.column([other], "time"), "DESC")]
    inner.tail = "LIMIT ‹small›"
    alias = make.alias("latest")
    source = query_source(inner.query(), alias)
    shown = Source(f"LATERAL {source.text}", f"{alias}.", source.columns, source.uses)
    word, end = make.draw.choice((("CROSS JOIN", None), ("LEFT JOIN", Value("true", "flag"))))
    select.joins.append((word, shown, end))
    select.items = make.items([*(value for value, _ in select.items), *shown.values()])
    return _statement(select.query())


def distinct_on(make: Maker) -> Statement:
    """DISTINCT ON the first of a kind."""
    select = joins(make, 1)
    key = make.column(select.sources(), "key")
    select.words = f"DISTINCT ON ({key.text})"
    select.order = [(key, ""), (make.column(select.sources(), "time"), "DESC")]
    return _statement(select.query(), key.uses)


def using(make: Maker) -> Statement:
    """A join by USING: whose column it is, nobody asks, so both are read."""
    owners: dict[str, list[Table]] = {}
    for table in make.catalogue.names:
        for name in make.catalogue.tables[table]:
            if name in make.catalogue.references:
                owners.setdefault(name, []).append(table)
    name = make.draw.choice([one for one, tables in owners.items() if len(tables) > 1])
    first, other = (make.source(table) for table in make.draw.sample(owners[name], 2))
    columns = [one for one in make.columns([first, other], 7) if not one.text.endswith(f".{name}")]
    both = all_of([first.value(name), other.value(name)])
    joined_by = Value(quoted(name), "key", {}, both)
    words = f"JOIN {other.text} USING ({quoted(name)})"
    inner = Source(f"{first.text}\n{words}", "", {}, first.uses | other.uses)
    where = make.conditions([first, other], 2)
    select = Select(make.items([joined_by, *columns]), inner, where=where)
    return _statement(select.query())


READING: Mapping[str, Callable[[Maker], Statement]] = {
    family.__name__: family
    for family in (
        *(simple, joined, grouped, in_query, with_ctes, windows, derived, unions, lateral),
        *(scalar_query, star, positions, recursive, distinct_on, using),
    )
}
"""The families by name."""
