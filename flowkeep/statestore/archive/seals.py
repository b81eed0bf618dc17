"""The seal of a run: one number that changes with any of its rows.

It is made by the server from the contents of the rows (`hash_record_extended`), so it is the same
after a restored backup, and equal seals mean that what was published is what is there now. After
a migration that changes one of these tables the seals of older bundles differ: such runs stay in
the tables and are published again.
"""

# ruff: noqa: S608 - only names of our own tables are put into statements

_TABLES = ("task", "run_event", "run_segment", "run_pause")

SEAL = "hash_record_extended($run.*, 0)" + "".join(
    f" # coalesce((SELECT bit_xor(hash_record_extended(s{n}.*, {n}))"
    f" FROM {{schema}}.{table} AS s{n} WHERE s{n}.run_id = $run.id), 0)"
    for n, table in enumerate(_TABLES, start=1)
)
"""SQL of the seal; `$run` stands for the alias of `run`, `{schema}` for the schema."""
