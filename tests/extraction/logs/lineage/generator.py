"""Makes statements at random, from a seed: joins, subqueries, CTEs, set operations, changes."""

import itertools
import random
from collections.abc import Iterator

from flowkeep.extraction.logs.lineage.names import TableName

_COLUMNS = [
    "id",
    "parent_id",
    "status",
    "kind",
    "amount",
    "price",
    "created_at",
    "updated_at",
    "name",
    "note",
    "ref",
    "qty",
]


def wide_catalogue(tables: int) -> dict[TableName, list[str]]:
    """So many tables in ten schemas, each with columns of its own and some that many have."""
    return {
        TableName("shop", f"s{number % 10}", f"table_{number}"): [
            *_COLUMNS,
            *(f"c{number}_{column}" for column in range(8)),
        ]
        for number in range(tables)
    }


class Generator:
    """Statements over the tables of `wide_catalogue`.

    Args:
        seed: Equal seeds make equal statements.
        tables: How many tables there are.
    """

    def __init__(self, seed: int, tables: int = 10_000) -> None:
        self._random = random.Random(seed)
        self._tables = tables
        self._literals = 0

    def statements(self, count: int) -> Iterator[str]:
        makers = [self._query] * 6 + [self._insert, self._update, self._delete, self._merge]
        for _ in range(count):
            self._literals = 0
            yield self._random.choice(makers)()

    def _table(self) -> str:
        number = self._random.randrange(self._tables)
        return f"s{number % 10}.table_{number}"

    def _column(self, alias: str) -> str:
        return f"{alias}.{self._random.choice(_COLUMNS)}"

    def _literal(self) -> str:
        self._literals += 1
        return f"${self._literals}"

    def _value(self, alias: str, depth: int = 0) -> str:
        column = self._column(alias)
        forms = [
            column,
            column,
            f"coalesce({column}, {self._literal()})",
            f"{column} + {self._column(alias)}",
            f"CASE WHEN {column} > {self._literal()} THEN {self._column(alias)} ELSE NULL END",
            f"{column}::numeric(10,2)",
            f"date_trunc({self._literal()}, {column})",
            f"row_number() OVER (PARTITION BY {column} ORDER BY {self._column(alias)} DESC)",
        ]
        if depth < 2:
            forms.append(
                f"(SELECT max(q.amount) FROM {self._table()} q WHERE q.ref = {column})",
            )
        return self._random.choice(forms)

    def _condition(self, alias: str, depth: int = 0) -> str:
        column = self._column(alias)
        forms = [
            f"{column} = {self._literal()}",
            f"{column} IN ({self._literal()},{self._literal()},{self._literal()})",
            f"{column} BETWEEN {self._literal()} AND {self._literal()}",
            f"{column} LIKE {self._literal()}",
            f"{column} > now() - interval {self._literal()}",
            f"{column} >= date {self._literal()}",
            f"{column} IS NOT NULL",
            f"{column} = ANY({self._literal()})",
        ]
        if depth < 2:
            forms += [
                f"EXISTS (SELECT 1 FROM {self._table()} e WHERE e.parent_id = {column} "
                f"AND {self._condition('e', depth + 1)})",
                f"{column} IN (SELECT i.id FROM {self._table()} i "
                f"WHERE {self._condition('i', depth + 1)})",
            ]
        return self._random.choice(forms)

    def _conditions(self, alias: str, count: int) -> str:
        return " AND ".join(self._condition(alias) for _ in range(count))

    def _from(self, joins: int) -> tuple[str, list[str]]:
        aliases = [f"a{number}" for number in range(joins + 1)]
        parts = [f"{self._table()} AS a0"]
        for before, alias in itertools.pairwise(aliases):
            on = f"{alias}.parent_id = {before}.id"
            parts.append(
                self._random.choice(
                    [
                        f"JOIN {self._table()} {alias} ON {on}",
                        f"LEFT JOIN {self._table()} AS {alias} ON {on}",
                        f"JOIN (SELECT id, parent_id, status, kind, amount, price, created_at, "
                        f"updated_at, name, note, ref, qty FROM {self._table()} "
                        f"WHERE qty > {self._literal()}) {alias} ON {on}",
                        f"CROSS JOIN LATERAL (SELECT * FROM {self._table()} l "
                        f"WHERE l.ref = {before}.ref LIMIT {self._literal()}) {alias}",
                    ]
                )
            )
        return " ".join(parts), aliases

    def _select(self) -> str:
        tables, aliases = self._from(self._random.randint(1, 4))
        pick = self._random.choice
        items = ", ".join(
            f"{self._value(pick(aliases))} AS v{number}"
            for number in range(self._random.randint(2, 6))
        )
        where = self._conditions(pick(aliases), self._random.randint(1, 3))
        tail = pick(["", "", " ORDER BY v0 DESC", " ORDER BY 1", f" LIMIT {self._literal()}"])
        return f"SELECT {items} FROM {tables} WHERE {where}{tail}"

    def _grouped(self) -> str:
        tables, aliases = self._from(self._random.randint(1, 3))
        key = self._column(aliases[0])
        return (
            f"SELECT {key} AS v0, count(*) AS v1, sum({self._column(aliases[-1])}) AS v2 "
            f"FROM {tables} WHERE {self._conditions(aliases[-1], 2)} GROUP BY {key} "
            f"HAVING count(*) > {self._literal()} ORDER BY v2"
        )

    def _union(self) -> str:
        word = self._random.choice(["UNION ALL", "UNION", "EXCEPT", "INTERSECT"])
        return (
            f"SELECT id AS v0, name AS v1 FROM {self._table()} WHERE {self._condition('table_0')} "
            f"{word} SELECT ref, note FROM {self._table()}"
        ).replace("table_0.", "")

    def _with(self) -> str:
        inner = self._random.choice([self._select, self._grouped])()
        return (
            f"WITH recent AS ({inner}), other AS (SELECT id, name FROM {self._table()}) "
            f"SELECT r.v0, r.v1, o.name FROM recent r JOIN other o ON o.id = r.v0"
        )

    def _query(self) -> str:
        return self._random.choice(
            [self._select, self._select, self._grouped, self._union, self._with]
        )()

    def _insert(self) -> str:
        head = f"INSERT INTO {self._table()} AS t (id, name, amount)"
        tables, aliases = self._from(2)
        query = (
            f"SELECT {aliases[0]}.id, {self._value(aliases[1])}, {self._value(aliases[2])} "
            f"FROM {tables} WHERE {self._conditions(aliases[0], 1)}"
        )
        values = f"VALUES ({self._literal()},{self._literal()},{self._literal()})"
        tail = self._random.choice(
            [
                "",
                " ON CONFLICT DO NOTHING",
                " ON CONFLICT (id) DO UPDATE SET name = EXCLUDED.name, amount = t.amount + 1",
                " RETURNING id, name",
            ]
        )
        return f"{head} {self._random.choice([query, query, values])}{tail}"

    def _update(self) -> str:
        tables, aliases = self._from(self._random.randint(1, 2))
        return (
            f"UPDATE {self._table()} t SET amount = {self._value(aliases[0])}, "
            f"name = {self._column(aliases[-1])} FROM {tables} "
            f"WHERE t.id = a0.ref AND {self._conditions('t', 2)}"
        )

    def _delete(self) -> str:
        return (
            f"DELETE FROM {self._table()} t USING {self._table()} u, {self._table()} w "
            f"WHERE t.id = u.ref AND u.id = w.id AND {self._conditions('u', 2)}"
        )

    def _merge(self) -> str:
        tables, aliases = self._from(1)
        return (
            f"MERGE INTO {self._table()} t USING (SELECT a0.id, {self._column(aliases[1])} AS x "
            f"FROM {tables} WHERE {self._conditions('a0', 1)}) s ON t.id = s.id "
            f"WHEN MATCHED AND t.qty > {self._literal()} THEN UPDATE SET amount = s.x "
            "WHEN NOT MATCHED THEN INSERT (id, amount) VALUES (s.id, s.x)"
        )
