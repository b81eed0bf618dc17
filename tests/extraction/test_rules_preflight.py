"""What the preflight says about rules, and that the extraction then does the same."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from flowkeep.contracts import CheckResult, PreflightResult
from flowkeep.errors import ConfigurationError, InvalidInput
from flowkeep.extraction.handler import SQLHandler
from flowkeep.extraction.metadata.restrict import resolve_databases
from flowkeep.extraction.options import ExtractionOptions
from flowkeep.storage import Storage
from tests.extraction.support import extraction_of, rows_of, run, source_of, with_


def check(url: str, **options: Any) -> PreflightResult:
    """Run the preflight."""
    arguments = {"credentials": {"url": url}, "metadata": options}
    return SQLHandler().preflight_check(arguments)


def named(result: PreflightResult, name: str) -> CheckResult:
    """The only check of a name."""
    (found,) = [one for one in result.checks if one.name == name]
    return found


def fetched(url: str, storage: Storage, kind: str, **options: Any) -> list[dict[str, Any]]:
    """What an extraction with the same options fetches."""
    job = extraction_of(url, storage, str(uuid.uuid4()), options=options)
    return rows_of(storage, job.fetch(kind))


@pytest.fixture
def many(database_url: str) -> str:
    """A database of 3 schemas with tables, views and functions."""
    for schema in ("s_one", "s_two", "other"):
        run(
            database_url,
            f"CREATE SCHEMA {schema}",
            *(f"CREATE TABLE {schema}.t{number} (a integer)" for number in range(7)),
            f"CREATE TABLE {schema}.tmp_1 (a integer)",
            f"CREATE VIEW {schema}.v AS SELECT a FROM {schema}.t1",
            f"CREATE FUNCTION {schema}.f() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
            f"CREATE FUNCTION {schema}.g() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
        )
    return database_url


def test_every_rule_shows_what_it_matches(many: str, storage: Storage) -> None:
    """Counts, at most five samples, and totals that the extraction then has."""
    options: dict[str, Any] = {
        "filters": [
            "include schema glob s_*",
            "exclude schema exact s_two",
            "include table regex t[0-9]|v",
            "exclude table glob tmp_*",
            "exclude procedure schema=s_one exact g",
        ]
    }
    result = check(many, **options)
    assert result.failures == []
    assert result.warnings == []
    messages = {one.name: one.message for one in result.checks}
    assert messages["rule: include schema glob s_*"] == "matches 2 schemas: s_one, s_two"
    assert messages["rule: exclude schema exact s_two"] == "matches 1 schema: s_two"
    tables = messages["rule: include table regex t[0-9]|v"]
    assert tables.startswith("matches 8 tables: s_one.t0, s_one.t1, s_one.t2, s_one.t3, s_one.t4")
    assert tables.endswith(" and 3 more")
    assert messages["rule: exclude table glob tmp_*"] == "matches 1 table: s_one.tmp_1"
    assert messages["rule: exclude procedure schema=s_one exact g"] == (
        "matches 1 procedure: s_one.g"
    )
    assert messages["scope"] == "1 schema, 8 tables, 1 procedure in 1 database"
    assert len(fetched(many, storage, "schemas", **options)) == 1
    assert len(fetched(many, storage, "tables", **options)) == 8
    assert [one["procedure_name"] for one in fetched(many, storage, "procedures", **options)] == [
        "f"
    ]
    columns = fetched(many, storage, "columns", **options)
    assert {one["table_name"] for one in columns} == {*(f"t{n}" for n in range(7)), "v"}


def test_an_include_that_matches_nothing_fails(many: str) -> None:
    """An exclude is a warning; each names the rule."""
    result = check(
        many,
        filters=["include table exact T1", "exclude table regex nope", "include schema glob *"],
    )
    (failure,) = result.failures
    assert failure.name == "rule: include table exact T1"
    assert failure.message == (
        "matches no table of any database: names are exact, with upper and lower case"
    )
    (warning,) = result.warnings
    assert warning.name == "rule: exclude table regex nope"
    assert "the whole name must match" in warning.message


def test_an_empty_scope_is_a_warning(many: str) -> None:
    """Nothing to extract may be meant, but is seldom."""
    result = check(many, filters=["exclude schema glob *"])
    assert result.failures == []
    (warning,) = result.warnings
    assert warning.name == "scope"
    assert warning.message.startswith("0 schemas, 0 tables")


def test_rules_choose_databases(sample_url: str, many: str, storage: Storage) -> None:
    """Patterns choose among all, excludes win, a rule may speak of one database alone."""
    other = many.rsplit("/", 1)[1]
    rules = [
        f"include database glob {other[:-1]}?",
        "include database exact extraction_sample",
        "exclude database exact postgres",
        f"include schema database={other} exact s_one",
        "include schema database=extraction_sample exact sales",
    ]
    result = check(sample_url, filters=rules)
    assert result.failures == []
    assert named(result, f"rule: include database glob {other[:-1]}?").message == (
        f"matches 1 database: {other}"
    )
    assert named(result, "scope").message.startswith("2 schemas, ")
    assert named(result, "scope").message.endswith(" in 2 databases")
    schemas = fetched(sample_url, storage, "schemas", filters=rules)
    assert [(one["database_name"], one["schema_name"]) for one in schemas] == [
        (other, "s_one"),
        ("extraction_sample", "sales"),
    ]


def test_databases_are_resolved_in_the_order_of_the_rules(sample_url: str) -> None:
    """Exact names stay whether or not they exist; without rules it is the default one."""
    source = source_of(sample_url)

    def resolved(*rules: str, **options: Any) -> tuple[str, ...]:
        read = ExtractionOptions.read({"filters": list(rules), **options})
        return resolve_databases(source, read)

    assert resolved() == ("extraction_sample",)
    assert resolved("exclude database exact other") == ("extraction_sample",)
    assert resolved("include database exact b", databases=["a", "a"]) == ("a", "b")
    assert resolved("include database regex extraction_sampl.", databases=["a"]) == (
        "a",
        "extraction_sample",
    )
    assert "template0" not in resolved("include database glob *")
    with pytest.raises(ConfigurationError, match="no database is in the scope: exclude database"):
        resolved("exclude database glob *")
    with pytest.raises(ConfigurationError, match="no database is in the scope"):
        resolved("include database glob nope*")


@pytest.fixture
def limited(many: str) -> Iterator[str]:
    """URL of a role that may not connect to `many`."""
    database = many.rsplit("/", 1)[1]
    run(
        many,
        f"REVOKE CONNECT ON DATABASE {database} FROM PUBLIC",
        "CREATE ROLE outsider LOGIN PASSWORD 'o'",
    )
    yield with_(many, user="outsider", password="o", database="extraction_sample")
    run(many, "DROP ROLE outsider")


def test_a_database_that_a_pattern_matched_may_be_closed(
    sample_url: str, many: str, limited: str
) -> None:
    """It is a warning that says what follows, and never left out in silence."""
    database = many.rsplit("/", 1)[1]
    result = check(
        limited,
        filters=["include database exact extraction_sample", f"include database glob {database}*"],
    )
    assert result.failures == []
    refused = named(result, f"connection to {database}")
    assert refused.level == "warning"
    assert "grant CONNECT" in refused.message
    assert "its scopes will be denied" in refused.message
    assert named(result, "scope").message.endswith(" in 1 database")


def test_a_database_named_exactly_must_be_open(sample_url: str, many: str, limited: str) -> None:
    """It fails the preflight."""
    database = many.rsplit("/", 1)[1]
    result = check(limited, databases=["extraction_sample", database])
    (failure,) = result.failures
    assert failure.name == f"connection to {database}"


def test_translated_settings_are_warned_about(sample_url: str) -> None:
    """Each difference is a warning of its own."""
    result = check(sample_url, include_filter={"^extraction_sample$": "*"})
    assert result.failures == []
    warnings = [one.message for one in result.warnings]
    assert len(warnings) == 2
    assert {one.name for one in result.warnings} == {"translated filters"}


TOO_COMPLEX = r"(?:\w{250}){4}" * 60
"""An expression that is fine but for its size; PostgreSQL gives up on it."""


def test_an_expression_that_only_the_source_rejects_names_its_rule(
    sample_url: str, storage: Storage
) -> None:
    """In the preflight; in a fetch it is an error that is not retried."""
    rules = ["include table glob *", f"exclude table regex {TOO_COMPLEX}"]
    result = check(sample_url, filters=rules)
    assert [one.name for one in result.failures] == [
        "connection to extraction_sample",
        f"rule: exclude table regex {TOO_COMPLEX}"[:126] + "…",
    ]
    assert "rejected a regular expression" in result.failures[1].message
    assert "too complex" in result.failures[1].message
    job = extraction_of(sample_url, storage, options={"filters": rules})
    with pytest.raises(ConfigurationError, match="rejected a regular expression") as caught:
        job.fetch("tables")
    assert not caught.value.retryable


def test_an_expression_that_nobody_can_read_fails_at_once(sample_url: str) -> None:
    """Before anything is connected to."""
    result = check(with_(sample_url, port="1"), filters=["include table regex a{2,1}"])
    (failure,) = result.failures
    assert failure.name == "arguments"
    assert "a{2,1}" in failure.message


def test_views_and_empty_tables_can_be_left_out(database_url: str, storage: Storage) -> None:
    """With their columns; what has no statistics yet is kept."""
    run(
        database_url,
        "CREATE TABLE filled (a integer); INSERT INTO filled VALUES (1)",
        "CREATE TABLE emptied (a integer)",
        "CREATE TABLE unknown (a integer)",
        "CREATE TABLE parts (a integer) PARTITION BY LIST (a)",
        "CREATE VIEW seen AS SELECT a FROM filled",
        "CREATE MATERIALIZED VIEW kept AS SELECT a FROM filled",
    )
    run(database_url, "VACUUM ANALYZE filled", "VACUUM ANALYZE emptied")

    def names(kind: str, **options: Any) -> set[str]:
        return {one["table_name"] for one in fetched(database_url, storage, kind, **options)}

    everything = {"filled", "emptied", "unknown", "parts", "seen", "kept"}
    for kind in ("tables", "columns"):
        assert names(kind) == everything
        assert names(kind, exclude_views=True) == everything - {"seen", "kept"}
        assert names(kind, exclude_empty_tables=True) == everything - {"emptied"}


ODD = [
    "it's",
    'do"t',
    "100%s",
    "a;b",
    "{schema_filter}",
    "back\\slash",
    "two\nlines",
    "日本",
    "A b",
]


@pytest.mark.parametrize("match", ["exact", "glob", "regex"])
@pytest.mark.parametrize("name", ODD)
def test_odd_names_are_found_by_their_own_rules(
    sample_url: str, storage: Storage, odd_url: str, match: str, name: str
) -> None:
    """Whatever a name holds, a rule with it takes this one and no other."""
    special = "\\{}.*+?()[]|^$"
    value = "".join(f"\\{one}" if one in special else one for one in name)
    rule = {
        "action": "include",
        "level": "schema",
        "match": match,
        "value": value if match == "regex" else name,
    }
    assert check(odd_url, filters=[rule]).failures == []
    (row,) = fetched(odd_url, storage, "schemas", filters=[rule])
    assert row["schema_name"] == name


@pytest.fixture(scope="module")
def odd_url(sample_url: str) -> Iterator[str]:
    """A database whose schemas have odd names."""
    run(sample_url, "CREATE DATABASE odd_rules")
    url = with_(sample_url, database="odd_rules")
    quoted = [name.replace('"', '""') for name in ODD]
    run(url, *(f'CREATE SCHEMA "{name}"' for name in quoted))
    yield url
    run(sample_url, "DROP DATABASE odd_rules")


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"part_rows": 999}, "part_rows"),
        ({"removal_threshold": 1.1}, "removal_threshold"),
        ({"removal_threshold": -0.1}, "removal_threshold"),
        ({"removal_minimum": -1}, "removal_minimum"),
        ({"openlineage": "perhaps"}, "openlineage"),
        ({"filters": "include schema exact a"}, "filters"),
        ({"filters": [1]}, r"filters\.0"),
        ({"rules": []}, "rules.*metadata takes databases, .*filters"),
        ({"namespace": ""}, "namespace"),
    ],
)
def test_every_option_has_bounds(options: dict[str, Any], field: str) -> None:
    """The error names the option."""
    with pytest.raises(InvalidInput, match=rf"metadata\.{field}"):
        ExtractionOptions.read(options)


def test_the_defaults() -> None:
    """As the reference says."""
    options = ExtractionOptions()
    assert (options.part_rows, options.removal_threshold, options.removal_minimum) == (
        250_000,
        0.25,
        10,
    )
    assert options.rules == ()
    assert options.warnings == ()
    assert not options.openlineage


def test_a_failed_login_is_not_blamed_on_rules(sample_url: str) -> None:
    """One reason, once."""
    result = check(with_(sample_url, password="wrong"), filters=["include table regex a+"])
    (failure,) = result.failures
    assert failure.name == "connection to extraction_sample"
