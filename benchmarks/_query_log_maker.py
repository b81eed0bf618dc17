"""Drawing the parts of statements: tables that can be joined, expressions and conditions."""

import random
from collections.abc import Mapping, Sequence

from benchmarks._query_log_builder import Source, table_source
from benchmarks._query_log_catalogue import Catalogue, Column, Table
from benchmarks._query_log_values import (
    Query,
    Value,
    aggregate,
    condition,
    derive,
    quoted,
    reading,
)

_RESERVED = frozenset({"as", "do", "in", "is", "on", "or", "to", "of", "by", "at", "no"})

_CHANGED = {
    "text": (
        *(("lower({})", "text"), ("upper({})", "text"), ("coalesce({}, ‹text›)", "text")),
        *(("{} || ‹text›", "text"), ("substring({} from 1 for ‹small›)", "text")),
        *(("replace({}, ‹text›, ‹text›)", "text"), ("length({})", "number")),
        *(("left({}, ‹small›)", "text"), ("md5({})", "text"), ("nullif({}, ‹text›)", "text")),
    ),
    "number": (
        *(("round({} * ‹number›, 2)", "number"), ("{} + ‹number›", "number")),
        *(("abs({})", "number"), ("greatest({}, ‹number›)", "number"), ("{}::text", "text")),
        *(("({} / nullif(‹number›, 0))", "number"), ("{} % ‹small›", "number")),
        *(("CAST({} AS bigint)", "number"), ("coalesce({}, ‹number›)", "number")),
    ),
    "time": (
        *(("date_trunc(‹unit›, {})", "time"), ("extract(year FROM {})", "number")),
        *(("{}::date", "time"), ("{} + interval ‹interval›", "time")),
        *(("to_char({}, ‹format›)", "text"), ("{} AT TIME ZONE ‹zone›", "time")),
        *(("coalesce({}, ‹time›::timestamptz)", "time"), ("now() - {}", "number")),
    ),
    "key": (
        ("{}::text", "text"),
        ("coalesce({}, ‹number›)", "number"),
        ("{} + ‹number›", "number"),
    ),
    "flag": (("NOT {}", "flag"), ("{}::integer", "number"), ("coalesce({}, false)", "flag")),
    "json": (
        *(("{} ->> ‹key›", "text"), ("{} #>> ‹path›", "text"), ("{} -> ‹key› ->> ‹key›", "text")),
        ("jsonb_array_length({} -> ‹key›)", "number"),
    ),
}
_BY_TWO = {
    "text": (("concat_ws(‹text›, {}, {})", "text"), ("{} || ‹text› || {}", "text")),
    "number": (
        ("{} - {}", "number"),
        ("{} * {} * ‹number›", "number"),
        ("least({}, {})", "number"),
    ),
    "time": (("{} - {}", "number"), ("coalesce({}, {})", "time")),
}
_CONDITIONS = {
    "text": (
        *("{} = ‹text›", "{} LIKE ‹pattern›", "{} IN (‹texts›)", "lower({}) = lower(‹text›)"),
        *("{} <> ‹text›", "{} ILIKE ‹pattern› ESCAPE '#'", "{} IS NOT NULL", "{} ~ ‹text›"),
    ),
    "number": (
        *("{} > ‹number›", "{} BETWEEN ‹number› AND ‹number›", "{} IN (‹numbers›)"),
        *("coalesce({}, ‹number›) <= ‹number›", "{} IS NULL", "({} * ‹number›) < ‹number›"),
    ),
    "time": (
        *("{} >= date ‹date›", "{} > now() - interval ‹interval›", "{}::date = ‹date›::date"),
        *("{} BETWEEN ‹time› AND ‹time›", "{} < CAST(‹time› AS timestamptz)", "{} IS NOT NULL"),
        "extract(dow FROM {}) = ‹number›",
    ),
    "key": ("{} = ‹number›", "{} IN (‹numbers›)", "{} = ANY (‹array›::bigint[])", "{} <> ‹number›"),
    "flag": ("{}", "NOT {}", "{} IS TRUE", "{} = ‹text›::boolean"),
    "json": ("{} @> ‹json›::jsonb", "{} ->> ‹key› = ‹text›", "{} ? ‹key›"),
}
_AGGREGATES = {
    "number": ("sum({})", "avg({})", "max({})", "sum({} * ‹number›)", "stddev({})"),
    "time": ("min({})", "max({})", "max({}::date)"),
    "text": ("string_agg({}, ‹text›)", "count(DISTINCT {})", "max(lower({}))", "array_agg({})"),
    "key": ("count({})", "count(DISTINCT {})", "max({})"),
    "flag": ("bool_or({})", "every({})"),
    "json": ("jsonb_agg({})",),
}


class Maker:
    """Draws parts of one statement.

    Args:
        catalogue: The tables.
        views: The queries of views.
        seed: Of what is drawn.
        number: Of the statement: what it creates is named after it.
        root: Table the statement is to begin with; one is drawn when it is None.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        views: Mapping[Table, Query],
        seed: str,
        number: int,
        root: Table | None = None,
    ) -> None:
        self.catalogue = catalogue
        self.views = views
        self.seed = seed
        self.draw = random.Random(seed)
        self.number = number
        self._root = root
        self._aliases: set[str] = set()

    def root(self) -> Table:
        """Return the table the statement is about."""
        return self._root or self.table()

    def table(self) -> Table:
        """Return any table."""
        return self.draw.choice(self.catalogue.names)

    def view(self) -> Table:
        """Return any view."""
        return self.draw.choice(sorted(self.views))

    def alias(self, table: str) -> str:
        """Return a name that no other source of the statement has."""
        base = "".join(word[:1] for word in table.lower().split("_"))
        name, count = base, 1
        while name in self._aliases or name in _RESERVED:
            count += 1
            name = f"{base}{count}"
        self._aliases.add(name)
        return name

    def source(self, table: Table, *, bare: bool = False) -> Source:
        """Return a table or view under an alias of its own, or without one."""
        alias = "" if bare else self.alias(table.name)
        return table_source(self.catalogue, self.views, table, alias)

    def partner(self, source: Source) -> tuple[Source, Value]:
        """Return a source that another one refers to, and the condition of their join."""
        names = [name for name in source.columns if name in self.catalogue.references]
        if not names:
            return self._referring(source)
        name = self.draw.choice(names)
        other = self.source(self.catalogue.references[name].owner)
        return other, condition("{} = {}", source.value(name), other.value("id"))

    def _referring(self, source: Source) -> tuple[Source, Value]:
        """Return a table that refers to this one, else any table joined by some column."""
        owners = {column.owner for value in source.columns.values() for column in value.flows}
        for table in self.draw.sample(self.catalogue.names[:200], k=30):
            for name in self.catalogue.tables[table]:
                if self.catalogue.references.get(name, Column("", "", "")).owner in owners:
                    other = self.source(table)
                    return other, condition("{} = {}", other.value(name), self.key(source))
        other = self.source(self.table())
        return other, condition("{} = {}", self.key(other), self.key(source))

    def joined(self, first: Source, count: int) -> list[tuple[str, Source, Value | None]]:
        """Return joins of some sources, each with one that stands before it."""
        sources, joins = [first], []
        words = ("JOIN", "JOIN", "LEFT JOIN", "INNER JOIN", "RIGHT JOIN", "FULL OUTER JOIN")
        for _ in range(count):
            other, on = self.partner(self.draw.choice(sources))
            if self.draw.random() < 0.25:
                on = condition("({} AND {})", on, self.condition([other]))
            joins.append((self.draw.choice(words), other, on))
            sources.append(other)
        return [(word, source, on) for word, source, on in joins]

    def column(self, sources: Sequence[Source], *kinds: str) -> Value:
        """Return a column, of one of the kinds if there is one."""
        source = self.draw.choice(sources)
        fitting = [name for name, value in source.columns.items() if value.kind in kinds]
        return source.value(self.draw.choice(fitting or list(source.columns)))

    def columns(self, sources: Sequence[Source], count: int) -> list[Value]:
        """Return different columns, fewer if there are not as many."""
        found = {value.text: value for source in sources for value in source.values()}
        return self.draw.sample(list(found.values()), min(count, len(found)))

    def key(self, source: Source) -> Value:
        """Return a column that rows can be told by."""
        return source.value("id") if "id" in source.columns else self.column([source], "key")

    def changed(self, sources: Sequence[Source], *kinds: str) -> Value:
        """Return what a function or operator makes of one or two columns."""
        value = self.column(sources, *kinds)
        if value.kind in _BY_TWO and self.draw.random() < 0.3:
            other = self.column(sources, value.kind)
            if other.kind == value.kind:
                pattern, kind = self.draw.choice(_BY_TWO[value.kind])
                return derive(pattern, value, other, kind=kind)
        pattern, kind = self.draw.choice(_CHANGED[value.kind])
        return derive(pattern, value, kind=kind)

    def case(self, sources: Sequence[Source]) -> Value:
        """Return a CASE whose conditions decide between changed values."""
        one, other = (self.changed(sources, "number") for _ in range(2))
        when = self.condition(sources)
        pattern = f"CASE WHEN {when.text} THEN {{}} ELSE {{}} END"
        return reading(derive(pattern, one, other, kind=one.kind), when)

    def expression(self, sources: Sequence[Source]) -> Value:
        """Return a column, or what is made of some."""
        chance = self.draw.random()
        if chance < 0.5:
            return self.column(sources)
        return self.changed(sources) if chance < 0.93 else self.case(sources)

    def condition(self, sources: Sequence[Source]) -> Value:
        """Return a condition on one column."""
        value = self.column(sources)
        return condition(self.draw.choice(_CONDITIONS[value.kind]), value)

    def conditions(self, sources: Sequence[Source], least: int = 1) -> list[Value]:
        """Return some conditions, the last two perhaps with OR between them."""
        found = [self.condition(sources) for _ in range(self.draw.randint(least, least + 1))]
        if len(found) > 2:
            return [*found[:-2], condition("({} OR {})", *found[-2:])]
        return found

    def aggregate(self, sources: Sequence[Source]) -> Value:
        """Return what an aggregate function makes of a column, perhaps of some rows only."""
        value = self.column(sources, "number", "time", "text", "key")
        kind = "number" if value.kind in ("number", "key") else "text"
        found = aggregate(self.draw.choice(_AGGREGATES[value.kind]), value, kind=kind)
        if self.draw.random() < 0.2:
            only = self.condition(sources)
            found = Value(f"{found.text} FILTER (WHERE {only.text})", kind, found.flows, found.uses)
            return reading(found, only)
        return found

    def window(self, sources: Sequence[Source]) -> Value:
        """Return a window function."""
        parts = [self.column(sources, "key", "text"), self.column(sources, "time", "number")]
        over = f" OVER (PARTITION BY {parts[0].text} ORDER BY {parts[1].text} DESC"
        chance = self.draw.random()
        if chance < 0.3:
            function = Value("row_number()", "number")
        elif chance < 0.6:
            function = derive("lag({}, ‹small›)", self.column(sources, "number"), kind="number")
        else:
            function = aggregate("sum({})", self.column(sources, "number"))
            over += " ROWS BETWEEN ‹small› PRECEDING AND CURRENT ROW"
        whole = Value(f"{function.text}{over})", "number", function.flows, function.uses)
        return reading(whole, *parts)

    def items(self, values: Sequence[Value]) -> list[tuple[Value, str]]:
        """Return values with names, each name once."""
        found: dict[str, Value] = {}
        for value in values:
            last = value.text.rpartition(".")[2].strip('"')
            plain = " " not in value.text and "(" not in value.text and "::" not in value.text
            name = last if plain else f"{value.kind}_value"
            base, count = name, 1
            while name in found:
                count += 1
                name = f"{base}_{count}"
            found[name] = value
        return [(value, name) for name, value in found.items()]

    def target(self, table: Table) -> str:
        """Return a name for a table that the statement creates."""
        return f"{quoted(table.name)}_{self.number}"
