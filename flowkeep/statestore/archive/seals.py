"""The seal of a run: one number that changes with any of its rows.

It is made by the server from contents, not from where rows lie (`hash_record_extended`), so it is
the same after a restored backup, and equal seals mean that what was published is what is there
now. Of the run, its segments and pauses every column counts; of attempts those that every writer
changes; events are only ever appended, so the newest says all. After a migration that changes
one of these tables the seals of older bundles differ: such runs stay in the tables and are
published again.
"""

# ruff: noqa: S608 - only names of our own tables are put into statements

_WHOLE = {
    table: f"SELECT bit_xor(hash_record_extended(s.*, {n})) FROM {{schema}}.{table} AS s"
    for n, table in enumerate(("run_segment", "run_pause"), start=1)
}
_ATTEMPTS = """
SELECT bit_xor(hash_record_extended(ROW(s.temporal_run_id, s.activity_id, s.attempt, s.status,
    s.source, s.updated_at, s.superseded), 3)) FROM {schema}.task AS s
"""
_EVENTS = "SELECT hashint8extended(max(s.seq), 4) FROM {schema}.run_event AS s"

SEAL = "hash_record_extended($run.*, 0)" + "".join(
    f" # coalesce(({rows} WHERE s.run_id = $run.id), 0)"
    for rows in (*_WHOLE.values(), _ATTEMPTS, _EVENTS)
)
"""SQL of the seal; `$run` stands for the alias of `run`, `{schema}` for the schema."""
