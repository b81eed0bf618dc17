"""The statement that takes deliveries which are due, so that no webhook and no tenant has all."""

CLAIM_ALONE = (
    "SELECT pg_advisory_xact_lock(hashtextextended('flowkeep.webhook_claim.' || :schema, 0))"
)
"""Of two that count at once, neither would see what the other takes."""

# A delivery is on its way from its claim until it is over, but for the time in which it waits to be
# sent again and that is not near: a receiver that is away for a day must not hold up what comes
# after it. It does not hold a place for ever either, should nobody tell what became of it.
#
# Where webhooks that answer nobody have all places of their tenant, one with nothing on its way
# gets one more. Removed webhooks of which something is on its way count as webhooks there: making
# them anew again and again makes no places.
#
# `hook` walks from one webhook with something due to the next one by the index, however much is due
# to each. The turn of a delivery is how many of its tenant's are on their way before it, so the
# tenants and, within a tenant, the webhooks come by turns.
CLAIM = """
WITH RECURSIVE hook AS (
    (
        SELECT tenant_id, webhook_id FROM {schema}.webhook_delivery
        WHERE state = 'due' AND next_at IS NOT NULL
        ORDER BY tenant_id, webhook_id LIMIT 1
    )
    UNION ALL
    SELECT n.tenant_id, n.webhook_id FROM hook AS h CROSS JOIN LATERAL (
        SELECT tenant_id, webhook_id FROM {schema}.webhook_delivery
        WHERE state = 'due' AND next_at IS NOT NULL
            AND (tenant_id, webhook_id) > (h.tenant_id, h.webhook_id)
        ORDER BY tenant_id, webhook_id LIMIT 1
    ) AS n
),
sent AS MATERIALIZED (
    SELECT t.tenant_id, o.webhook_id, o.n
    FROM (SELECT DISTINCT tenant_id FROM hook) AS t CROSS JOIN LATERAL (
        SELECT webhook_id, count(*) AS n FROM {schema}.webhook_delivery
        WHERE state = 'started' AND tenant_id = t.tenant_id
            AND next_at BETWEEN now() - :near AND now() + :near
        GROUP BY webhook_id
    ) AS o
    UNION ALL
    SELECT h.tenant_id, h.webhook_id, o.n FROM hook AS h CROSS JOIN LATERAL (
        SELECT count(*) AS n FROM {schema}.webhook_delivery
        WHERE state = 'due' AND tenant_id = h.tenant_id AND webhook_id = h.webhook_id
            AND next_at > now()
    ) AS o
),
busy_hook AS (SELECT webhook_id, sum(n) AS n FROM sent GROUP BY webhook_id),
busy_tenant AS (
    SELECT tenant_id, sum(n) AS n, count(DISTINCT webhook_id) FILTER (WHERE n > 0) AS hooks
    FROM sent GROUP BY tenant_id
),
fit AS (
    SELECT h.tenant_id, d.id, d.next_at,
        b.n + row_number() OVER (PARTITION BY h.webhook_id ORDER BY d.next_at, d.id) AS place
    FROM hook AS h JOIN busy_hook AS b ON b.webhook_id = h.webhook_id
    CROSS JOIN LATERAL (
        SELECT id, next_at FROM {schema}.webhook_delivery
        WHERE state = 'due' AND tenant_id = h.tenant_id AND webhook_id = h.webhook_id
            AND next_at <= now()
        ORDER BY next_at LIMIT GREATEST(:per_webhook - b.n, 0)
    ) AS d
),
turn AS (
    SELECT f.id, f.next_at, f.place,
        b.n + row_number() OVER by_place AS number, b.hooks + row_number() OVER by_place AS hooks
    FROM fit AS f JOIN busy_tenant AS b ON b.tenant_id = f.tenant_id
    WINDOW by_place AS (PARTITION BY f.tenant_id ORDER BY f.place, f.next_at)
)
UPDATE {schema}.webhook_delivery SET next_at = now() + :lease
WHERE id = ANY(ARRAY(
    SELECT d.id FROM (
        SELECT id FROM turn
        WHERE number <= :per_tenant OR (place = 1 AND hooks <= :most_webhooks)
        ORDER BY number, next_at LIMIT :limit
    ) AS t CROSS JOIN LATERAL (
        SELECT id FROM {schema}.webhook_delivery WHERE id = t.id AND state = 'due'
        FOR UPDATE SKIP LOCKED
    ) AS d
)) RETURNING id
"""
