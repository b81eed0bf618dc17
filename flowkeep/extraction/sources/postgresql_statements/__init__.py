"""PostgreSQL's catalogue statements: one per kind, however many objects there are.

They read `pg_catalog` (which shows all objects, not only those the role may use) and run with an
empty `search_path`, so that no object of the database can stand in for one of the system's, and
type and relation names inside expressions come out qualified. One text serves versions 14 to 18.

Each text ends inside its `WHERE` clause, so that conditions can be added. The order stands apart,
because counting needs none. It is by object identifier: stable while the database does not change,
and independent of collations.

Functions like `pg_get_viewdef` look at the catalogue of this moment, not of the snapshot. What was
dropped meanwhile gives null in these columns, never in one that names an object. Most of them fail
for an object whose table is gone, so each is looked up first:

- `pg_relation_size` locks what it opens, hears of drops by that, and gives null for what is gone.
  Views need it, because deparsing one locks it too and would hear of the drop too late.
- `pg_table_is_visible` and `pg_type_is_visible` ask the same cache that the deparsing of a
  constraint, an index or a trigger reads from, lock nothing, and give null for what is gone.

Deparsing a view keeps a lock on all it reads, so the tables are read in rounds, see `VIEW_ROUNDS`.
What is dropped between the look and the call is an error of the statement, which the extraction
repeats in a new snapshot.

Row estimates and sizes are what the last `ANALYZE` or `VACUUM` left in the catalogue, null where
there was none: reading them takes no lock and touches no file.
"""

from collections.abc import Mapping

from flowkeep.extraction.sources.base import Order
from flowkeep.extraction.sources.postgresql_statements.constraints import (
    CONSTRAINT_ORDER,
    CONSTRAINT_SQL,
)
from flowkeep.extraction.sources.postgresql_statements.containers import (
    DATABASE_ORDER,
    DATABASE_SQL,
    SCHEMA_ORDER,
    SCHEMA_SQL,
)
from flowkeep.extraction.sources.postgresql_statements.indexes import INDEX_ORDER, INDEX_SQL
from flowkeep.extraction.sources.postgresql_statements.relations import (
    COLUMN_ORDER,
    COLUMN_SQL,
    TABLE_ORDER,
    TABLE_SQL,
)
from flowkeep.extraction.sources.postgresql_statements.routines import (
    PROCEDURE_ORDER,
    PROCEDURE_SQL,
)
from flowkeep.extraction.sources.postgresql_statements.sequences import (
    SEQUENCE_ORDER,
    SEQUENCE_SQL,
)
from flowkeep.extraction.sources.postgresql_statements.triggers import TRIGGER_ORDER, TRIGGER_SQL
from flowkeep.extraction.sources.postgresql_statements.types import TYPE_ORDER, TYPE_SQL
from flowkeep.extraction.sources.postgresql_statements.view_dependencies import (
    VIEW_DEPENDENCY_ORDER,
    VIEW_DEPENDENCY_SQL,
)

STATEMENTS: Mapping[str, str] = {
    "databases": DATABASE_SQL,
    "schemas": SCHEMA_SQL,
    "tables": TABLE_SQL,
    "columns": COLUMN_SQL,
    "procedures": PROCEDURE_SQL,
    "constraints": CONSTRAINT_SQL,
    "indexes": INDEX_SQL,
    "sequences": SEQUENCE_SQL,
    "triggers": TRIGGER_SQL,
    "types": TYPE_SQL,
    "view_dependencies": VIEW_DEPENDENCY_SQL,
}
"""Kind to statement."""

ORDERS: Mapping[str, Order] = {
    "databases": DATABASE_ORDER,
    "schemas": SCHEMA_ORDER,
    "tables": TABLE_ORDER,
    "columns": COLUMN_ORDER,
    "procedures": PROCEDURE_ORDER,
    "constraints": CONSTRAINT_ORDER,
    "indexes": INDEX_ORDER,
    "sequences": SEQUENCE_ORDER,
    "triggers": TRIGGER_ORDER,
    "types": TYPE_ORDER,
    "view_dependencies": VIEW_DEPENDENCY_ORDER,
}
"""Kind to the order of its statement."""
