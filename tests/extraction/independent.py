"""The truth about a catalogue, by statements that share nothing with the extraction's."""

from typing import Any

from tests.extraction.support import query

RELATIONS = "('r', 'p', 'v', 'm', 'f')"

COUNTS = {
    "databases": "SELECT count(*) FROM pg_database WHERE datname = current_database()",
    "schemas": "SELECT count(*) FROM pg_namespace n WHERE {schema}",
    "tables": f"""SELECT count(*) FROM pg_class c, pg_namespace n
        WHERE n.oid = c.relnamespace AND c.relkind IN {RELATIONS} AND {{schema}}""",
    "columns": f"""SELECT count(*) FROM pg_attribute a
        WHERE a.attnum >= 1 AND a.attisdropped IS FALSE AND EXISTS (
            SELECT FROM pg_class c, pg_namespace n WHERE c.oid = a.attrelid
            AND n.oid = c.relnamespace AND c.relkind IN {RELATIONS} AND {{schema}})""",
    "procedures": """SELECT count(*) FROM pg_proc p WHERE p.pronamespace IN (
        SELECT oid FROM pg_namespace n WHERE {schema})""",
    # A foreign key counts once, however many partitions its target has.
    "constraints": """SELECT count(DISTINCT CASE WHEN k.contype = 'f'
            THEN (k.conrelid, k.conkey, coalesce(pg_partition_root(k.confrelid), k.confrelid))
            ELSE (k.oid, NULL::int2[], NULL::regclass)
        END)
        FROM pg_constraint k WHERE k.contype NOT IN ('t', 'n') AND k.contypid = 0
        AND k.connamespace IN (SELECT oid FROM pg_namespace n WHERE {schema})""",
    "indexes": """SELECT count(*) FROM pg_indexes x
        JOIN pg_namespace n ON n.nspname = x.schemaname WHERE {schema}""",
    "sequences": """SELECT count(*) FROM pg_sequences s
        JOIN pg_namespace n ON n.nspname = s.schemaname WHERE {schema}""",
    "triggers": """SELECT count(*) FROM pg_trigger g
        WHERE g.tgconstraint NOT IN (SELECT oid FROM pg_constraint WHERE contype <> 't')
        AND g.tgrelid IN (SELECT c.oid FROM pg_class c, pg_namespace n
            WHERE n.oid = c.relnamespace AND {schema})""",
    "types": """SELECT count(*) FROM pg_type t
        WHERE t.oid NOT IN (SELECT typarray FROM pg_type)
        AND t.typrelid NOT IN (SELECT oid FROM pg_class WHERE relkind <> 'c')
        AND t.typnamespace IN (SELECT oid FROM pg_namespace n WHERE {schema})""",
    "view_dependencies": """SELECT count(*) FROM (
        SELECT DISTINCT w.ev_class, o.refobjid
        FROM pg_depend o, pg_rewrite w, pg_class c, pg_namespace n, pg_class s
        WHERE o.objid = w.oid AND o.classid = 'pg_rewrite'::regclass AND o.deptype = 'n'
        AND o.refclassid = 'pg_class'::regclass AND s.oid = o.refobjid AND s.relkind <> 'c'
        AND c.oid = w.ev_class AND c.relkind IN ('v', 'm') AND n.oid = c.relnamespace
        AND w.ev_type = '1' AND s.oid <> c.oid AND {schema}) AS pairs""",
}
"""Kind to a count of its objects."""

OWN = "n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'"
"""Schemas that are not the system's."""

ALL = "n.nspname NOT LIKE 'pg\\_temp\\_%' AND n.nspname NOT LIKE 'pg\\_toast\\_temp\\_%'"
"""All schemas but those of temporary objects."""

_FACTS: dict[str, tuple[str, str]] = {
    "key columns": (
        "SELECT constraint_schema, table_name, constraint_name,"
        " json_agg(column_name ORDER BY ordinal_position)"
        " FROM information_schema.key_column_usage WHERE {own} GROUP BY 1, 2, 3",
        "constraint_schema",
    ),
    "rules of foreign keys": (
        "SELECT DISTINCT t.table_schema, t.table_name, t.constraint_name, r.match_option,"
        " r.update_rule, r.delete_rule, t.is_deferrable, t.initially_deferred"
        " FROM information_schema.referential_constraints r"
        " JOIN information_schema.table_constraints t USING (constraint_schema, constraint_name)"
        " WHERE {own}",
        "constraint_schema",
    ),
    "indexes": (
        "SELECT schemaname, tablename, indexname, indexdef FROM pg_indexes WHERE {own}",
        "schemaname",
    ),
    "sequences": (
        "SELECT schemaname, sequencename, data_type::text, start_value, min_value, max_value,"
        " increment_by, cycle, cache_size, sequenceowner::text FROM pg_sequences WHERE {own}",
        "schemaname",
    ),
    "triggers": (
        "SELECT event_object_schema, event_object_table, trigger_name, action_timing,"
        " action_orientation, json_agg(event_manipulation ORDER BY event_manipulation)"
        " FROM information_schema.triggers WHERE {own} GROUP BY 1, 2, 3, 4, 5",
        "event_object_schema",
    ),
    "domains": (
        "SELECT domain_schema, domain_name, domain_default, collation_name"
        " FROM information_schema.domains WHERE {own}",
        "domain_schema",
    ),
    "views": (
        "SELECT schemaname, viewname, definition FROM pg_views WHERE {own} UNION ALL"
        " SELECT schemaname, matviewname, definition FROM pg_matviews WHERE {own}",
        "schemaname",
    ),
    "what views read": (
        "SELECT DISTINCT view_schema, view_name, table_schema, table_name"
        " FROM information_schema.view_table_usage WHERE {own}",
        "view_schema",
    ),
    "columns that views read": (
        "SELECT view_schema, view_name, table_schema, table_name, json_agg(DISTINCT column_name)"
        " FROM information_schema.view_column_usage WHERE {own} GROUP BY 1, 2, 3, 4",
        "view_schema",
    ),
}
"""What to a statement and its column with the schema; `{own}` is the condition on it."""


def counts(url: str, schema: str) -> dict[str, int]:
    """Every kind to the number of its objects in the schemas of a condition."""
    return {
        kind: query(url, statement.format(schema=schema))[0][0]
        for kind, statement in COUNTS.items()
    }


def facts(url: str, name: str) -> list[tuple[Any, ...]]:
    """Rows of a view that PostgreSQL or the SQL standard has for people, without the system's."""
    statement, column = _FACTS[name]
    own = OWN.replace("n.nspname", column)
    found = query(url, statement.format(own=own))
    assert found, f"the test database has no {name}"
    return found
