"""What may happen to a database between two runs."""

from collections.abc import Callable

from tests.extraction.mutations.mutator import Mutations
from tests.extraction.mutations.others import (
    add_trigger,
    change_enum,
    change_function,
    change_sequence,
    change_trigger,
    change_view,
    comment,
    create_enum,
    create_function,
    create_sequence,
    create_view,
    fill,
    replace_function,
    replace_view,
)
from tests.extraction.mutations.tables import (
    add_check_or_unique,
    add_column,
    add_foreign_key,
    add_index,
    add_key,
    change_default,
    change_type,
    create_partitioned,
    create_schema,
    create_table,
    drop_column,
    drop_constraint,
    drop_or_rename_index,
    drop_schema,
    drop_table,
    move_table,
    own_table,
    rename_column,
    rename_constraint,
    rename_schema,
    rename_table,
)

CHANGES: list[Callable[[Mutations], str | None]] = [
    *(create_schema, drop_schema, rename_schema, rename_table, move_table, own_table),
    *([create_table] * 4 + [add_column] * 6 + [comment] * 6 + [fill] * 3),
    *(create_partitioned, drop_table, drop_column, rename_column, change_type, change_default),
    *(add_key, add_key, add_foreign_key, add_foreign_key, add_check_or_unique, drop_constraint),
    *(rename_constraint, add_index, add_index, drop_or_rename_index, create_function),
    *(create_function, replace_function, change_function, add_trigger, add_trigger),
    *(change_trigger, create_view, create_view, replace_view, change_view, create_sequence),
    *(create_sequence, change_sequence, change_sequence, create_enum, create_enum, change_enum),
]
"""What may happen, the more often it is listed the more often."""
