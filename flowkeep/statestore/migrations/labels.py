"""Filling the table of labels from the runs; statements that may be repeated."""

# ruff: noqa: S608 - only constants of ours are put into statements

BATCH = 5000

# A label that is longer than labels may be cannot be looked for; it stays with its run.
_OF = """
INSERT INTO run_label (tenant_id, key, value, created_at, run_id)
SELECT r.tenant_id, l.key, l.value, r.created_at, r.id
FROM {runs} AS r CROSS JOIN LATERAL jsonb_each_text(r.labels) AS l
WHERE r.labels <> '{{}}' AND length(l.key) <= 100 AND length(l.value) <= 200
ON CONFLICT DO NOTHING
"""
NEXT = f"""
WITH batch AS MATERIALIZED (
    SELECT id, tenant_id, labels, created_at FROM run
    WHERE id > CAST(:last AS uuid) ORDER BY id LIMIT {BATCH}
),
put AS ({_OF.format(runs="batch")})
SELECT id, count(*) OVER () FROM batch ORDER BY id DESC LIMIT 1
"""
"""Writes the labels of the runs behind `last`; returns the last of them and how many they were."""
RECENT = f"""
WITH recent AS MATERIALIZED (
    SELECT id, tenant_id, labels, created_at FROM run
    WHERE updated_at >= now() - interval '1 day'
)
{_OF.format(runs="recent")}
"""
"""Writes what processes of the version before, which know no table of labels, wrote without it."""
