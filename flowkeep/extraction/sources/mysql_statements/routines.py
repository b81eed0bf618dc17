"""Functions and procedures with their signatures, and the packages of MariaDB."""

from flowkeep.extraction.sources.mysql_statements.scope import CATALOGUE, order

_PARAMETERS = """
    SELECT p.specific_schema, p.specific_name, p.routine_type,
        MAX(CASE WHEN p.ordinal_position = 0 THEN p.dtd_identifier END) AS result_type,
        GROUP_CONCAT(
            CASE WHEN p.ordinal_position > 0 THEN CONCAT(
                CASE WHEN p.routine_type = 'PROCEDURE' AND p.parameter_mode <> 'IN'
                    THEN CONCAT(p.parameter_mode, ' ') ELSE '' END, p.dtd_identifier) END
            ORDER BY p.ordinal_position SEPARATOR ', ') AS signature,
        GROUP_CONCAT(
            CASE WHEN p.ordinal_position > 0 THEN CONCAT_WS(' ',
                CASE WHEN p.routine_type = 'PROCEDURE' THEN p.parameter_mode END,
                p.parameter_name, p.dtd_identifier) END
            ORDER BY p.ordinal_position SEPARATOR ', ') AS arguments
    FROM information_schema.parameters AS p
    GROUP BY CAST(p.specific_schema AS BINARY), CAST(p.specific_name AS BINARY), p.routine_type,
        p.specific_schema, p.specific_name
"""

PROCEDURES = f"""
SELECT
    '{CATALOGUE}' AS database_name,
    t.table_schema AS schema_name,
    t.routine_name AS procedure_name,
    CASE t.routine_type WHEN 'FUNCTION' THEN 'Function' WHEN 'PROCEDURE' THEN 'Procedure'
        WHEN 'PACKAGE' THEN 'Package' WHEN 'PACKAGE BODY' THEN 'PackageBody'
        ELSE t.routine_type END AS procedure_type,
    t.unique_signature AS signature,
    t.arguments AS arguments,
    t.result_type AS result_type,
    COALESCE(t.external_language, 'SQL') AS language,
    t.definer AS owner,
    CASE t.is_deterministic WHEN 'YES' THEN 'deterministic' ELSE 'volatile' END AS volatility,
    t.sql_data_access AS data_access,
    t.security_type = 'DEFINER' AS is_security_definer,
    t.routine_definition AS definition,
    NULLIF(t.routine_comment, '') AS comment
FROM (
    SELECT s.*, CASE s.place WHEN 1 THEN s.signature
        ELSE CONCAT_WS(' ', NULLIF(s.signature, ''), LOWER(s.routine_type)) END AS unique_signature
    FROM (
        SELECT r.*, r.routine_schema AS table_schema, COALESCE(a.signature, '') AS signature,
            COALESCE(a.arguments, '') AS arguments, a.result_type,
            ROW_NUMBER() OVER (
                PARTITION BY CAST(r.routine_schema AS BINARY), CAST(r.routine_name AS BINARY),
                    COALESCE(a.signature, '')
                ORDER BY r.routine_type) AS place
        FROM information_schema.routines AS r
        LEFT JOIN ({_PARAMETERS}) AS a
            ON a.specific_schema = r.routine_schema AND a.specific_name = r.specific_name
            AND CAST(a.specific_schema AS BINARY) = CAST(r.routine_schema AS BINARY)
            AND CAST(a.specific_name AS BINARY) = CAST(r.specific_name AS BINARY)
            AND a.routine_type = r.routine_type
    ) AS s
) AS t
WHERE {{schema_filter}} AND {{procedure_filter}}
"""  # noqa: S608 - only constants are put in
PROCEDURE_ORDER = order(
    ("CAST(t.table_schema AS BINARY)", "schema_name"),
    ("CAST(t.routine_name AS BINARY)", "procedure_name"),
    ("CAST(t.unique_signature AS BINARY)", "signature"),
)
