"""What statements write to: which columns, and with which values."""

from collections.abc import Sequence

from benchmarks._query_log_builder import Source
from benchmarks._query_log_catalogue import Table
from benchmarks._query_log_maker import Maker
from benchmarks._query_log_values import Uses, Value, all_of, quoted

_LITERALS = {
    "key": ("‹number›",),
    "text": ("‹text›", "lower(‹text›)", "‹text› || ‹text›"),
    "number": ("‹number›", "‹number› * ‹number›", "CAST(‹number› AS numeric)"),
    "time": ("‹time›", "now()", "‹date›::date", "now() - interval ‹interval›"),
    "flag": ("true", "false"),
    "json": ("‹json›::jsonb", "jsonb_build_object(‹key›, ‹text›, ‹key›, ‹number›)"),
}

Assignments = list[tuple[str, Value]]
"""Columns of a target, each with what it is to become."""


def name_list(names: Sequence[str]) -> str:
    return ", ".join(quoted(name) for name in names)


def items_of(values: Assignments) -> list[tuple[Value, str]]:
    return [(value, name) for name, value in values]


def literal(make: Maker, kind: str) -> Value:
    return Value(make.draw.choice(_LITERALS[kind]), kind)


def some_columns(make: Maker, table: Table, least: int = 3) -> list[str]:
    """Return some columns of a table, in their order; never the first one, its key."""
    names = list(make.catalogue.tables[table])
    count = min(make.draw.randint(least, least + 1), len(names) - 1)
    places = sorted(make.draw.sample(range(1, len(names)), count))
    return [names[place] for place in places]


def fitting(
    make: Maker, table: Table, names: Sequence[str], sources: Sequence[Source]
) -> Assignments:
    """Return a value for each column, of its sort where the sources have one."""
    found = []
    for name in names:
        kind = make.catalogue.tables[table][name]
        chance = make.draw.random()
        if chance < 0.1:
            found.append((name, literal(make, kind)))
        elif chance < 0.55:
            found.append((name, make.column(sources, kind)))
        else:
            how = make.changed if chance < 0.9 else lambda sources, kind: make.case(sources)
            found.append((name, how(sources, kind)))
    return found


def returning_some(make: Maker, target: Source) -> tuple[str, Uses]:
    if make.draw.random() < 0.6:
        return "", Uses()
    values = make.columns([target], 2)
    return "\nRETURNING " + ", ".join(value.text for value in values), all_of(values)
