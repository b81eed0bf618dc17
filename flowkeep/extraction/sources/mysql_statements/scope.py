"""Expressions that several statements share, and the order of their rows."""

from flowkeep.extraction.sources.base import Order

CATALOGUE = "def"
"""What the standard's catalogue is called by these servers."""

TABLE_TYPE = """CASE WHEN t.table_type IN ('VIEW', 'SYSTEM VIEW') THEN 'View'
        WHEN t.create_options LIKE CONCAT(CHAR(37), 'partitioned', CHAR(37)) THEN 'Partitioned'
        ELSE 'Regular' END"""
"""Sort of the table in words; a pattern without a percent sign, which drivers read as theirs."""

TABLE_IN_SCOPE = "{schema_filter} AND {table_filter}"


def same(one: str, other: str, *names: str) -> str:
    """Return the condition that columns are equal byte for byte, in a form that can be hashed."""
    plain = [f"{one}.{name} = {other}.{name}" for name in names]
    exact = [f"CAST({one}.{name} AS BINARY) = CAST({other}.{name} AS BINARY)" for name in names]
    return " AND ".join(plain + exact)


def as_bytes(alias: str, *names: str) -> str:
    """Return columns as bytes, to group by."""
    return ", ".join(f"CAST({alias}.{name} AS BINARY)" for name in names)


def array(expression: str, order: str) -> str:
    """Return a JSON array of texts; JSON_ARRAYAGG has no order in MySQL."""
    return (
        f"CONCAT('[', GROUP_CONCAT(JSON_QUOTE({expression}) ORDER BY {order} SEPARATOR ', '), ']')"
    )


def order(*columns: tuple[str, str]) -> Order:
    """Return the order by some columns, names by their bytes.

    Args:
        columns: SQL expression and column of the result.
    """
    expressions = [sql for sql, _ in columns]
    values = [
        f"CAST(%(after_{number})s AS BINARY)" if sql.startswith("CAST(") else f"%(after_{number})s"
        for number, sql in enumerate(expressions)
    ]
    return Order(
        ", ".join(expressions),
        tuple(column for _, column in columns),
        f"({', '.join(expressions)}) > ({', '.join(values)})",
    )
