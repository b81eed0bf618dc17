"""SQL texts in the style of the original SDK, run as they are."""

import uuid
from typing import Any

import pytest

from flowkeep.errors import ConfigurationError
from flowkeep.extraction.filters.postgresql import PostgreSQLFilterSyntax
from flowkeep.extraction.legacy.columns import raw_names
from flowkeep.extraction.legacy.statements import (
    is_legacy,
    translate_statement,
    with_temp_tables,
)
from flowkeep.extraction.metadata.kinds import KINDS
from flowkeep.extraction.options import ExtractionOptions
from flowkeep.storage import Storage
from tests.extraction.support import extraction_of, query, rows_of, run

SCHEMATA = """
    SELECT CATALOG_NAME, SCHEMA_NAME, SCHEMA_OWNER FROM information_schema.schemata
    WHERE concat(catalog_name, concat('.', schema_name)) !~ '{normalized_exclude_regex}'
        AND concat(catalog_name, concat('.', schema_name)) ~ '{normalized_include_regex}'
"""
TABLES = """
    SELECT t.*, '{{}}' AS nothing, 5 % 3 AS rest FROM information_schema.tables AS t
    WHERE concat(table_catalog, concat('.', table_schema)) !~ '{normalized_exclude_regex}'
        AND concat(table_catalog, concat('.', table_schema)) ~ '{normalized_include_regex}'
        AND table_catalog ~ {include_databases} AND table_catalog !~ {exclude_databases}
        AND (NOT {exclude_views} OR table_type NOT LIKE '%VIEW') -- '{not_looked_at}'
        {temp_table_regex_sql}
"""
COLUMNS = """
    SELECT c.* FROM information_schema.columns AS c
    WHERE table_catalog = '{database_name}'
        AND concat(table_catalog, concat('.', table_schema)) !~ '{normalized_exclude_regex}'
        AND concat(table_catalog, concat('.', table_schema)) ~ '{normalized_include_regex}'
"""
ROUTINES = """
    SELECT routine_catalog, routine_schema, routine_name, specific_name, routine_type
    FROM {database_name}.information_schema.routines
    WHERE routine_schema = 'hr' OR '{exclude_empty_tables}' = 'true'
"""


def translated(text: str, **options: Any) -> tuple[str, dict[str, Any]]:
    """What a text becomes in the database `shop`."""
    read = ExtractionOptions.read(options)
    found = translate_statement(text, read, PostgreSQLFilterSyntax(), "shop")
    return found.text, found.parameters


def test_texts_of_the_original_sdk_run_as_they_are(sample_url: str, storage: Storage) -> None:
    """Placeholders, percent signs, doubled braces, comments and standard column names."""
    texts = {"schemas": SCHEMATA, "tables": TABLES, "columns": COLUMNS, "procedures": ROUTINES}
    metadata = {
        "include-filter": {"^extraction_sample$": ["^sales$", "^[g-h]r{1}$"]},
        "exclude_views": "true",
    }
    extraction = extraction_of(sample_url, storage, statements=texts, options=metadata)
    assert {row["schema_name"] for row in rows_of(storage, extraction.fetch("schemas"))} == {
        "sales",
        "hr",
    }
    tables = rows_of(storage, extraction.fetch("tables"))
    expected = query(
        sample_url,
        "SELECT table_schema, table_name FROM information_schema.tables"
        " WHERE table_schema IN ('sales', 'hr') AND table_type <> 'VIEW'",
    )
    assert {(row["schema_name"], row["table_name"]) for row in tables} == set(expected)
    assert {row["database_name"] for row in tables} == {"extraction_sample"}
    assert {(row["nothing"], row["rest"]) for row in tables} == {("{}", 2)}
    columns = rows_of(storage, extraction.fetch("columns"))
    nullable = query(
        sample_url,
        "SELECT table_schema, table_name, column_name, is_nullable = 'YES'"
        " FROM information_schema.columns WHERE table_schema IN ('sales', 'hr')",
    )
    found = [
        (row["schema_name"], row["table_name"], row["column_name"], row["is_nullable"])
        for row in columns
    ]
    assert sorted(found) == sorted(nullable)
    routines = rows_of(storage, extraction.fetch("procedures"))
    assert {row["schema_name"] for row in routines} == {"hr"}
    assert all(row["signature"].startswith(row["procedure_name"]) for row in routines)


def test_temporary_tables_are_left_out_only_where_the_setting_asks(
    database_url: str, storage: Storage
) -> None:
    """The class attribute's condition counts when temp-table-regex is set."""
    run(database_url, *(f'CREATE TABLE "{name}" ()' for name in ("a", "tmp_1", "t'mp%s", "x{3}")))
    text = with_temp_tables(TABLES, "AND table_name !~ '{exclude_table_regex}'")

    def names(**metadata: Any) -> set[str]:
        job = extraction_of(
            database_url, storage, str(uuid.uuid4()), statements={"tables": text}, options=metadata
        )
        return {row["table_name"] for row in rows_of(storage, job.fetch("tables"))}

    assert names() == {"a", "tmp_1", "t'mp%s", "x{3}"}
    assert names(**{"temp-table-regex": "^tmp_|'mp%s|\\{3"}) == {"a"}
    assert names(temp_table_regex="^[a-z]{3}_") == {"a", "t'mp%s", "x{3}"}


def test_the_condition_on_temporary_tables_must_be_there() -> None:
    """A setting that could not have an effect is an error."""
    assert "regex" not in translated(TABLES)[0]
    with pytest.raises(ConfigurationError, match="extract_temp_table_regex_table_sql"):
        translated(TABLES, **{"temp-table-regex": "^tmp"})


@pytest.mark.parametrize(
    ("text", "result", "values"),
    [
        ("x = '{database_name}'", "x = %(legacy_0)s", ["shop"]),
        ("x LIKE 'a%' OR x = 'it''s {database_name}'", None, ["it's shop"]),
        ('FROM "{database_name}".a', 'FROM "shop".a', []),
        ("FROM {database_name}.a", "FROM shop.a", []),
        ("{exclude_views} '{{a}}' {{b}}", "false '{a}' {b}", []),
        ("/* {what} */ {exclude_views}", "/* {what} */ false", []),
        ("{exclude_views} AND {table_filter}", "false AND {table_filter}", []),
        ("x ~ {include_databases}", "x ~ %(legacy_0)s", ["^(shop)$"]),
        ("x = 'no' AND {exclude_views} = E'\\''", "x = 'no' AND false = E'\\''", []),
    ],
)
def test_each_place_gets_what_fits(text: str, result: str | None, values: list[str]) -> None:
    """Literals become parameters, names are quoted, other braces and signs stay."""
    assert is_legacy(text)
    found, parameters = translated(text)
    if result is not None:
        assert found == result
    else:
        assert found == "x LIKE 'a%%' OR x = %(legacy_0)s"
    assert list(parameters.values()) == values


@pytest.mark.parametrize("name", ["it's", 'do"t', "100%", "%s", "a{b}", "x; --", "back\\slash"])
def test_no_value_ends_the_text(database_url: str, storage: Storage, name: str) -> None:
    """Names of schemas that are SQL themselves arrive as they are."""
    quoted = name.replace('"', '""')
    run(database_url, f'CREATE SCHEMA "{quoted}"')
    database = database_url.rsplit("/", 1)[1]
    metadata = {"filters": [{"action": "include", "level": "schema", "value": name}]}
    extraction = extraction_of(
        database_url, storage, statements={"schemas": SCHEMATA}, options=metadata
    )
    (row,) = rows_of(storage, extraction.fetch("schemas"))
    assert (row["database_name"], row["schema_name"]) == (database, name)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x !~ '{normalised_exclude_regex}'", "unknown placeholder {normalised_exclude_regex}"),
        ("x = '{exclude_views}' AND y = '{z}'", "unknown placeholder {z}"),
        ("x = {exclude_views} AND {z}", "unknown placeholder {z}"),
        ("x ~ E'{normalized_include_regex}'", "plain single quotes"),
        ("x ~ $a${normalized_include_regex}$a$", "plain single quotes"),
        ('x REGEXP "{exclude_table_regex}"', "plain single quotes"),
    ],
)
def test_what_cannot_be_filled_is_an_error(text: str, message: str) -> None:
    """A typing error never becomes a condition that is always true."""
    assert is_legacy(text)
    with pytest.raises(ConfigurationError) as caught:
        translated(text)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "text", ["SELECT '{}'", "SELECT '{a,b}'::text[]", "{schema_filter}", "SELECT 1 % 2"]
)
def test_other_texts_are_left_alone(text: str) -> None:
    """Braces alone make no placeholder."""
    assert not is_legacy(text)


def test_columns_stand_for_ours_only_where_ours_are_missing() -> None:
    """Aliases fill gaps, in any case, and never take a name that is in use."""
    tables = KINDS["tables"]
    assert raw_names(tables, ["TABLE_CATALOG", "TABLE_SCHEMA", "TABLE_NAME", "remarks"]) == {
        "TABLE_CATALOG": "database_name",
        "TABLE_SCHEMA": "schema_name",
        "TABLE_NAME": "table_name",
        "remarks": "comment",
    }
    assert raw_names(tables, ["database_name", "table_catalog", "schema_name"]) == {
        "database_name": "database_name",
        "table_catalog": "table_catalog",
        "schema_name": "schema_name",
    }
    columns = raw_names(KINDS["columns"], ["table_schema", "column_name", "name"])
    assert columns == {"table_schema": "schema_name", "column_name": "column_name", "name": "name"}
