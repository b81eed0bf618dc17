"""Rules: what they mean, and that the source and this side agree on it."""

import re
from contextlib import closing
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowkeep.errors import InvalidInput
from flowkeep.extraction.filters import (
    Pattern,
    Rule,
    Scope,
    compile_rules,
    parse_rule,
)
from flowkeep.extraction.filters.postgresql import PostgreSQLFilterSyntax
from flowkeep.extraction.filters.regex import portable
from flowkeep.extraction.options import ExtractionOptions
from tests.extraction.rule_strategies import names, rules

SYNTAX = PostgreSQLFilterSyntax()


def is_system(name: str) -> bool:
    """Whether PostgreSQL reserves a name."""
    return name == "information_schema" or name.startswith("pg_")


def read(*rules: Any, **options: Any) -> ExtractionOptions:
    """Options with rules."""
    return ExtractionOptions.read({"filters": list(rules), **options})


def scope(*rules: Any, **options: Any) -> Scope:
    """The judge of some rules."""
    return Scope(read(*rules, **options), is_system)


def test_without_rules_a_statement_costs_nothing_more() -> None:
    """Tables and procedures have no condition, and nothing is bound."""
    compiled = compile_rules(read(), SYNTAX, "d")
    assert compiled.parameters == {}
    assert compiled.slots["table"] == compiled.slots["procedure"] == "true"
    assert compiled.slots["database"] == "true"
    everything = compile_rules(read(include_system_schemas=True), SYNTAX, "d")
    assert everything.slots["schema"] == "true"


def test_a_text_without_slots_is_left_alone() -> None:
    """Other braces and percent signs mean nothing to a filter."""
    compiled = compile_rules(read("include table exact o"), SYNTAX, "d")
    for text in ("SELECT '{}' LIKE '5%'", "{other_filter} %", "{ table_filter }", "{{table}}"):
        assert compiled.apply(text) == text


def test_percent_signs_are_doubled_where_the_driver_reads_them() -> None:
    """A percent sign stands for itself, unless the author writes placeholders too."""
    compiled = compile_rules(read("include table exact o"), SYNTAX, "d")
    condition = compiled.slots["table"]
    assert compiled.apply("'5%' {table_filter}") == f"'5%%' {condition}"
    assert compiled.apply("'5%' {procedure_filter}") == "'5%' true"
    assert compiled.apply("'5%%' {table_filter} %(mine)s") == f"'5%%' {condition} %(mine)s"
    assert compile_rules(read(), SYNTAX, "d").apply("'5%' {table_filter}") == "'5%' true"


def test_the_same_options_give_the_same_text() -> None:
    """A retry recognises its own statement by its text."""
    rules = ["include schema glob s*", "exclude table regex t[0-9]{2}", "include schema exact x"]
    first, second = (compile_rules(read(*rules), SYNTAX, "d") for _ in range(2))
    assert (first.slots, first.parameters) == (second.slots, second.parameters)


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([], ["a", "ab", "b"]),
        (["include schema exact a"], ["a"]),
        (["include schema glob a*"], ["a", "ab"]),
        (["include schema glob ?"], ["a", "b"]),
        (["include schema regex a|b"], ["a", "b"]),
        (["include schema insensitive exact A"], ["a"]),
        (["include schema exact A"], []),
        (["exclude schema exact a"], ["ab", "b"]),
        (["exclude schema exact a", "include schema glob a*"], ["ab"]),
        (["include schema exact a", "include schema exact b"], ["a", "b"]),
        (["include schema database=other exact a"], ["a", "ab", "b"]),
        (["exclude schema database=d exact a"], ["ab", "b"]),
        (["include schema exact pg_catalog"], ["pg_catalog"]),
        (
            ["include schema glob *", "include schema exact pg_catalog"],
            ["a", "ab", "b", "pg_catalog"],
        ),
        (["include schema glob pg_*"], []),
        (["include schema exact pg_catalog", "exclude schema glob pg*"], []),
    ],
)
def test_schemas(rules: list[str], expected: list[str]) -> None:
    """Whole names; excludes win; the server's own only when an exact rule names them."""
    assert scope(*rules).schemas("d", ["a", "ab", "b", "pg_catalog"]) == expected


def test_system_schemas_can_be_asked_for() -> None:
    """Then they are like all others."""
    names = ["a", "pg_catalog", "information_schema"]
    assert scope(include_system_schemas=True).schemas("d", names) == names
    assert scope("include schema glob pg*", include_system_schemas=True).schemas("d", names) == [
        "pg_catalog"
    ]


def test_a_parent_that_no_include_concerns_is_whole() -> None:
    """An include for the tables of one schema says nothing about another."""
    judge = scope("include table schema=s exact a", "exclude table exact b")
    assert judge.tables("d", "s", ["a", "b", "c"]) == ["a"]
    assert judge.tables("d", "other", ["a", "b", "c"]) == ["a", "c"]
    assert judge.procedures("d", "s", ["a", "b"]) == ["a", "b"]
    assert judge.holds_table("d", "s", "a")
    assert not judge.holds_table("d", "pg_catalog", "a")


@pytest.mark.parametrize(
    ("pattern", "insensitive", "text"),
    [
        (r"a\.b\$", False, r"a\.b\$"),
        (r"[\w-]+", False, "[0-9A-Z_a-z\\-]+"),
        (r"\D{2}", False, "[^0-9]{2}"),
        ("a.{3}?", True, "[Aa].{3}"),
        ("[a-f]", True, "[a-fA-F]"),
        ("[^x]", True, "[^xX]"),
        ("(a|(?:b))*", False, "(?:a|(?:b))*"),
        ("[]a]", False, "[\\]a]"),
        ("[[:digit:]_]", False, "[0-9_]"),
        (r"\é\/", False, "é/"),
        ("}]", False, r"\}\]"),
    ],
)
def test_expressions_are_rewritten(pattern: str, insensitive: bool, text: str) -> None:
    """What remains means the same in every engine."""
    assert portable(pattern, insensitive=insensitive) == text


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("(", "not closed (at character 2)"),
        ("a)", "never opened (at character 2)"),
        ("[a", "not closed"),
        ("*", "nothing to repeat"),
        ("a**", "nothing to repeat"),
        ("^*", "nothing to repeat"),
        ("(|*)", "nothing to repeat"),
        ("a{", "write \\{"),
        ("a{,3}", "write \\{"),
        ("a{3,2}", "not in order"),
        ("a{256}", "above 255"),
        ("(a{200}){200}", "multiply"),
        ("(?i)a", "case to insensitive"),
        ("(?!a)", "another rule"),
        ("(?<=a)b", "another rule"),
        (r"(a)\1", "does not mean the same"),
        (r"\ba", "does not mean the same"),
        ("a\\", "nothing behind it"),
        ("[z-a]", "not in order"),
        (r"[a-\d]", "not in order"),
        (r"[\D]", "does not mean the same"),
        ("[[.a.]]", "opens only"),
        ("[[a]]", "opens only"),
        ("[[:nope:]]", "opens only"),
    ],
)
def test_what_engines_read_differently_is_refused(pattern: str, message: str) -> None:
    """The error says where and what to write instead."""
    with pytest.raises(ValueError, match=re.escape(message)):
        portable(pattern)


def test_no_expression_holds_up_a_worker() -> None:
    """What takes a backtracking engine for ever is answered at once."""
    assert not Pattern(match="regex", value="(a*)*b").matches("a" * 5_000)


@pytest.mark.parametrize(
    "text",
    [
        "include schema glob sales_*",
        "exclude table database=d schema=s insensitive regex tmp_.*| x",
        "include procedure exact a  b",
        "exclude database glob template?",
    ],
)
def test_a_rule_is_read_and_shown_alike(text: str) -> None:
    """The line that a report shows can be used again."""
    assert str(parse_rule(text)) == text
    assert parse_rule(parse_rule(text).model_dump_json(by_alias=True)) == parse_rule(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "nothing stands where one of include, exclude"),
        ("allow schema exact a", "'allow' stands where"),
        ("include view exact a", "'view' stands where"),
        ("include schema like a", "'like' stands where"),
        ("include schema exact", "the value is missing"),
        ("include schema regex (", "not closed"),
        ("include schema regex insensitive a", "'insensitive' belongs before 'regex'"),
        ("include schema schema=a exact b", "cannot be restricted to a schema"),
        ("include database database=a exact b", "cannot be restricted to a database"),
        ('{"action": "include"}', "level: Field required"),
        ("{", "line 1"),
        ("include schema exact a\x00b", "NUL"),
        (f"include schema exact {'a' * 1001}", "at most 1000"),
    ],
)
def test_a_rule_that_cannot_be_read_is_quoted(text: str, message: str) -> None:
    """The way out stands in the error."""
    with pytest.raises(InvalidInput) as caught:
        parse_rule(text)
    assert message in str(caught.value)
    assert "write ACTION LEVEL" in str(caught.value)


def test_options_name_the_rule_that_is_wrong() -> None:
    """By its place in the list."""
    with pytest.raises(InvalidInput, match=r"metadata\.filters\.1: .*'\['.* not closed"):
        ExtractionOptions.read(
            {
                "filters": [
                    {"action": "include", "level": "schema", "value": "a"},
                    {"action": "include", "level": "schema", "match": "regex", "value": "["},
                ]
            }
        )


@pytest.fixture(scope="module")
def connection(sample_url: str) -> Any:
    """A connection that only evaluates expressions."""
    opened = psycopg.connect(sample_url, autocommit=True, cursor_factory=psycopg.ClientCursor)
    with closing(opened):
        yield opened


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    drawn=st.lists(rules(), max_size=4),
    schema_rules=st.lists(rules(level="schema"), max_size=2),
    schemas=names,
    tables=names,
    system=st.booleans(),
)
def test_the_source_and_this_side_agree(
    connection: Any,
    drawn: list[dict[str, Any]],
    schema_rules: list[dict[str, Any]],
    schemas: list[str],
    tables: list[str],
    system: bool,
) -> None:
    """For any names and rules, PostgreSQL's conditions choose what `Scope` chooses."""
    schemas = [*dict.fromkeys(schemas), "pg_catalog", "information_schema"]
    tables = list(dict.fromkeys(tables))
    options = read(*drawn, *schema_rules, include_system_schemas=system)
    judge = Scope(options, is_system)
    compiled = compile_rules(options, SYNTAX, "d")
    text = compiled.apply(
        "SELECT n.nspname, c.relname, {schema_filter}, {table_filter} FROM"
        " unnest(%(schemas)s::text[]::name[]) AS n(nspname),"
        " unnest(%(tables)s::text[]::name[]) AS c(relname)"
    )
    values = {**compiled.parameters, "schemas": schemas, "tables": tables}
    wanted_schemas = judge.schemas("d", schemas)
    wanted = {schema: judge.tables("d", schema, tables) for schema in schemas}
    for schema, table, in_schema, in_table in connection.execute(text, values):
        assert in_schema == (schema in wanted_schemas), (schema, options.rules)
        assert in_table == (table in wanted[schema]), (schema, table, options.rules)


@pytest.mark.parametrize(
    "value", ["a' OR true --", 'a"', "%s", "%(x)s", "{schema_filter}", "a;b", "a\\", "$1", ":x"]
)
@pytest.mark.parametrize("match", ["exact", "glob"])
def test_a_value_is_never_part_of_the_text(value: str, match: Any) -> None:
    """Whatever it looks like, it is bound."""
    rule = Rule(action="include", level="schema", match=match, value=value)
    compiled = compile_rules(read(rule), SYNTAX, "d")
    assert compiled.slots == compile_rules(read(f"include schema {match} q"), SYNTAX, "d").slots
    assert list(compiled.parameters) == ["filter_0"]
