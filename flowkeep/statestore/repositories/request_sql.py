"""The statements of a request; see `requests`."""

from functools import cache

from flowkeep.contracts import RunStatus, Source
from flowkeep.statestore.repositories import arguments
from flowkeep.statestore.tables.base import OPEN

# Look-ups are written with LIMIT, not EXISTS, which a plan may turn into reading a whole table.
# `made` is empty when an open run has the workflow_id, when the id is or was a run's, and when
# either is just being decided by another transaction, which this one has then waited for.
_MADE = """
WITH r AS MATERIALIZED (
    SELECT * FROM jsonb_to_record(CAST(:request AS jsonb)) AS r(
        id uuid, tenant_id text, namespace text, workflow_id text, workflow_type text,
        task_queue text, kind text, labels jsonb, start_options jsonb, definition_id uuid,
        definition_revision bigint, parent_run_id uuid, root_run_id uuid, retry_of uuid,
        state jsonb, created_at timestamptz, app_id text, triggered_from text, owner text,
        created_by text, origin text, goal text, inputs jsonb, inputs_hash bytea,
        arguments jsonb, told jsonb, secrets jsonb, referred jsonb, channel text
    )
),
made AS (
    INSERT INTO {schema}.run (
        id, tenant_id, namespace, workflow_id, workflow_type, task_queue, kind, labels,
        start_options, definition_id, definition_revision, parent_run_id, root_run_id, retry_of,
        status, state, source, created_at, updated_at, app_id, triggered_from, owner, created_by,
        origin, goal, inputs, inputs_hash
    )
    SELECT id, tenant_id, namespace, workflow_id, workflow_type, task_queue, kind, labels,
        start_options, definition_id, definition_revision, parent_run_id, root_run_id, retry_of,
        '<pending>', state, <client>, COALESCE(created_at, now()), now(), app_id, triggered_from,
        owner, created_by, origin, goal, <inputs>, inputs_hash
    FROM r
    WHERE (SELECT true FROM {schema}.run AS o WHERE o.id = r.id LIMIT 1) IS NULL
      AND (SELECT true FROM {schema}.run_tombstone AS o WHERE o.run_id = r.id LIMIT 1) IS NULL
      AND (SELECT true FROM {schema}.run_archive AS o WHERE o.id = r.id LIMIT 1) IS NULL
    ON CONFLICT DO NOTHING
    RETURNING id, tenant_id, namespace, workflow_id, labels, created_by, created_at
),
told AS (
    INSERT INTO {schema}.run_event (run_id, tenant_id, kind, payload, actor, revision, at)
    SELECT m.id, m.tenant_id, 'created', r.told, m.created_by, 0, now() FROM made AS m, r
)
""".replace("<pending>", RunStatus.PENDING.value).replace("<client>", str(int(Source.CLIENT)))
_ARGUMENTS = f"""
, kept AS (
    INSERT INTO {{schema}}.state_entry
        (tenant_id, kind, key, value, revision, created_at, updated_at)
    SELECT m.tenant_id, '{arguments.KIND}', CAST(m.id AS text), r.arguments, 1, now(), now()
    FROM made AS m, r
    ON CONFLICT DO NOTHING
),
alias AS (
    INSERT INTO {{schema}}.state_entry AS e
        (tenant_id, kind, key, arguments_of, revision, created_at, updated_at)
    SELECT m.tenant_id, '{arguments.ALIAS_KIND}', m.workflow_id, m.id, 1, now(), now()
    FROM made AS m
    ON CONFLICT (tenant_id, kind, key) DO UPDATE SET value = NULL,
        arguments_of = EXCLUDED.arguments_of, revision = e.revision + 1, updated_at = now()
)
"""  # noqa: S608 - only constants of ours are put in
_LABELS = """
, labelled AS (
    INSERT INTO {schema}.run_label (tenant_id, key, value, created_at, run_id)
    SELECT m.tenant_id, l.key, l.value, m.created_at, m.id
    FROM made AS m, jsonb_each_text(m.labels) AS l
    ON CONFLICT DO NOTHING
)
"""
_SECRETS = """
, hidden AS (
    INSERT INTO {schema}.secret
        (id, tenant_id, key_id, ciphertext, run_scoped, created_at, updated_at)
    SELECT s.id, m.tenant_id, s.key_id, decode(s.ciphertext, 'base64'), true, now(), now()
    FROM made AS m, r,
         jsonb_to_recordset(r.secrets) AS s(id uuid, key_id text, ciphertext text)
    RETURNING id
),
hidden_ref AS (
    INSERT INTO {schema}.secret_ref (run_id, secret_id)
    SELECT m.id, h.id FROM made AS m, hidden AS h
)
"""
# Only those that are to go with runs; one that is just being removed is not waited for in vain.
_REFERRED = """
, referred AS (
    INSERT INTO {schema}.secret_ref (run_id, secret_id)
    SELECT m.id, s.id FROM made AS m, r, LATERAL (
        SELECT id FROM {schema}.secret
        WHERE id IN (SELECT CAST(x AS uuid) FROM jsonb_array_elements_text(r.referred) AS x)
          AND tenant_id = m.tenant_id AND run_scoped
        ORDER BY id FOR KEY SHARE
    ) AS s
    ON CONFLICT DO NOTHING
)
"""
_ANNOUNCED = ", CAST(pg_notify(r.channel, CAST(m.id AS text)) AS text)"
_ANSWER = """
SELECT m.created_at, (
    SELECT true FROM {schema}.run AS o
    WHERE o.tenant_id = m.tenant_id AND o.workflow_id = m.workflow_id
      AND o.namespace = m.namespace
    LIMIT 1
) IS NOT NULL AS used_before<announced>
FROM made AS m, r
"""
WHY_NOT = f"""
SELECT EXISTS (SELECT FROM {{schema}}.run WHERE id = CAST(:id AS uuid)) AS here,
    EXISTS (SELECT FROM {{schema}}.run_tombstone WHERE run_id = CAST(:id AS uuid))
    OR EXISTS (SELECT FROM {{schema}}.run_archive WHERE id = CAST(:id AS uuid)) AS gone,
    (SELECT CAST(id AS text) FROM {{schema}}.run
     WHERE namespace = :namespace AND workflow_id = :workflow_id AND {OPEN}) AS open
"""  # noqa: S608 - only a constant of ours is put in
PAYLOAD = """
INSERT INTO {schema}.payload (tenant_id, hash, size, encoding, data, created_at)
VALUES (:tenant_id, decode(:hash, 'hex'), CAST(:size AS bigint), :encoding,
        decode(:data, 'base64'), now())
ON CONFLICT DO NOTHING
"""
# A value is held before it is referred to, so that nobody removes it in between.
PAYLOAD_REF = """
INSERT INTO {schema}.payload_ref (tenant_id, run_id, hash)
SELECT p.tenant_id, CAST(:run_id AS uuid), p.hash FROM (
    SELECT tenant_id, hash FROM {schema}.payload
    WHERE tenant_id = :tenant_id AND hash = decode(:hash, 'hex') FOR KEY SHARE
) AS p
RETURNING 1 AS one
"""


@cache
def statement(
    *,
    with_arguments: bool,
    with_labels: bool,
    with_secrets: bool,
    with_references: bool,
    announced: bool,
    source_of_inputs: str,
) -> str:
    """Return the statement with the parts that a request needs."""
    parts = [_MADE.replace("<inputs>", source_of_inputs)]
    parts += [_ARGUMENTS] if with_arguments else []
    parts += [_LABELS] if with_labels else []
    parts += [_SECRETS] if with_secrets else []
    parts += [_REFERRED] if with_references else []
    parts += [_ANSWER.replace("<announced>", _ANNOUNCED if announced else "")]
    return "".join(parts)
