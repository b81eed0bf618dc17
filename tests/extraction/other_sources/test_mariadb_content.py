"""MariaDB: nothing is missing, nothing comes twice, and it says what the server says."""

from collections import Counter
from typing import Any

import pytest

from flowkeep.extraction.filters.rule import Rule
from flowkeep.extraction.filters.scope import Scope
from flowkeep.extraction.metadata.kinds import KINDS
from flowkeep.extraction.metadata.verify import verify_manifest
from flowkeep.extraction.options import ExtractionOptions
from flowkeep.storage import Storage
from tests.extraction.other_sources.support import extraction_of, named, source_of
from tests.extraction.support import entities, extract
from tests.servers.mariadb import MariaDBServer

OWN = "{} NOT IN ('mysql', 'information_schema', 'performance_schema', 'sys')"
COUNTS = {
    "schemas": "SELECT COUNT(*) FROM information_schema.schemata WHERE {}".format(
        OWN.format("schema_name")
    ),
    "tables": "SELECT COUNT(*) FROM information_schema.tables"
    f" WHERE table_type <> 'SEQUENCE' AND {OWN.format('table_schema')}",
    "columns": "SELECT COUNT(*) FROM information_schema.columns WHERE"
    f" NOT (table_schema = 'shop' AND table_name = 'numbers') AND {OWN.format('table_schema')}",
    "procedures": f"SELECT COUNT(*) FROM mysql.proc WHERE {OWN.format('db')}",
    "constraints": "SELECT COUNT(*) FROM information_schema.table_constraints"
    f" WHERE {OWN.format('table_schema')}",
    "indexes": "SELECT COUNT(*) FROM information_schema.statistics"
    f" WHERE seq_in_index = 1 AND {OWN.format('table_schema')}",
    "sequences": "SELECT COUNT(*) FROM information_schema.tables WHERE table_type = 'SEQUENCE'",
    "triggers": "SELECT COUNT(*) FROM information_schema.triggers"
    f" WHERE {OWN.format('trigger_schema')}",
}


@pytest.fixture
def found(mariadb: MariaDBServer, storage: Storage) -> dict[str, list[dict[str, Any]]]:
    """Kind to the entities of the sample."""
    _, manifest = extract(extraction_of(source_of(mariadb.url), storage))
    return {kind: entities(storage, manifest, kind) for kind in COUNTS}


def test_every_count_is_the_server_s(mariadb: MariaDBServer, storage: Storage) -> None:
    """Per kind, what was counted, read, written and transformed equals an independent count."""
    reference, manifest = extract(extraction_of(source_of(mariadb.url), storage))
    expected = {kind: mariadb.query(text)[0][0] for kind, text in COUNTS.items()}
    assert min(expected.values()) > 0
    assert {
        scope["kind"]: (scope["planned"], scope["read"], scope["assets"]["written"])
        for scope in manifest["scopes"]
    } == {kind: (count, count, count) for kind, count in expected.items()}
    assert {scope["status"] for scope in manifest["scopes"]} == {"complete"}
    assert {scope["visibility"] for scope in manifest["scopes"]} == {"all"}
    assert set(manifest["not_applicable"]) == set(KINDS) - set(COUNTS)
    assert verify_manifest(storage, reference.key) == []


def test_system_schemas_count_too(mariadb: MariaDBServer, storage: Storage) -> None:
    """With the server's own schemas the counts of tables and columns are those of all."""
    options = {"include_system_schemas": True}
    extraction = extraction_of(source_of(mariadb.url), storage, options=options)
    for kind in ("schemas", "tables", "indexes", "triggers"):
        count = COUNTS[kind].replace(OWN.partition("{}")[2], " IS NOT NULL")
        assert extraction.fetch(kind).rows == mariadb.query(count)[0][0]


def test_no_name_comes_twice(found: dict[str, list[dict[str, Any]]]) -> None:
    """Qualified names are unique over all kinds, although functions and checks share names."""
    names = Counter(one["qualifiedName"] for kind in found.values() for one in kind)
    assert names.most_common(1)[0][1] == 1
    assert all("mysql://127.0.0.1:" in name for name in names)


def test_columns_say_what_they_are(found: dict[str, list[dict[str, Any]]]) -> None:
    """Types, defaults, generation, collation and comments are told, and NULL is no default."""

    def column(name: str) -> dict[str, Any]:
        return named(found["columns"], f"/shop.customers.{name}")

    assert column("id")["identityGeneration"] == "BY DEFAULT"
    assert column("id")["description"] == "it's the key"
    assert column("email")["defaultValue"] == "'NULL'"
    assert column("email")["collation"] == "utf8mb4_bin"
    assert column("nothing")["defaultValue"] is None
    assert column("kind")["dataTypeDisplay"] == "enum('small','big')"
    assert column("twice")["generation"] == "STORED"
    assert column("half")["generation"] == "VIRTUAL"
    assert "id2" in column("half")["generationExpression"]
    assert column("secret")["extra"] == "INVISIBLE"
    assert column("changed")["isNullable"] is False
    assert column("huge")["dataTypeDisplay"] == "bigint(20) unsigned"


def test_odd_names_arrive_as_they_are(found: dict[str, list[dict[str, Any]]]) -> None:
    """Quotes, dots, percent signs, newlines, backslashes and letters of all sorts survive."""
    names = {one["attributes"]["name"] for kind in ("tables", "columns") for one in found[kind]}
    assert {"back`tick", "back\\slash", "Ä", "ä", "it's", "new\nline", "dot.ted"} <= names
    assert {"ünï", "100%s", "%(x)s", "a" * 64} <= names


def test_names_that_differ_in_case_stay_apart(found: dict[str, list[dict[str, Any]]]) -> None:
    """Every part of two tables called alike but for case belongs to the right one."""
    parts = Counter(
        (kind, one["attributes"]["tableName"])
        for kind in ("columns", "constraints", "indexes", "triggers")
        for one in found[kind]
        if one["attributes"]["tableName"].lower() == "customers"
    )
    assert parts == {
        ("columns", "customers"): 12,
        ("columns", "Customers"): 3,
        ("constraints", "customers"): 5,
        ("constraints", "Customers"): 2,
        ("indexes", "customers"): 5,
        ("indexes", "Customers"): 2,
        ("triggers", "customers"): 1,
        ("triggers", "Customers"): 1,
    }


def test_constraints_say_what_they_bind(found: dict[str, list[dict[str, Any]]]) -> None:
    """Keys list columns in their own order; two that share a name are told apart."""

    def constraint(name: str) -> dict[str, Any]:
        return named(found["constraints"], f"#constraint.{name}")

    composite = constraint("composite")
    assert composite["columns"] == ["y", "x"]
    assert composite["referencedTable"] == "Customers"
    assert constraint("to_customers")["onDelete"] == "SET NULL"
    assert constraint("to_customers")["referencedTable"] == "customers"
    assert constraint("positive")["constraintType"] == "Check"
    assert "score" in constraint("positive")["definition"]
    assert constraint("id2")["constraintType"] == "Unique"
    assert constraint("id2 %28Check%29")["constraintType"] == "Check"


def test_tables_views_and_the_rest(found: dict[str, list[dict[str, Any]]]) -> None:
    """Sorts of table, broken views, indexes, triggers, sequences and routines are told."""
    tables = {one["attributes"]["name"]: one for one in found["tables"]}
    assert tables["parts"]["attributes"]["tableType"] == "Partitioned"
    assert tables["history"]["attributes"]["isSystemVersioned"] is True
    assert tables["mine"]["attributes"]["accessMethod"] == "MyISAM"
    assert tables["customers"]["attributes"]["description"] == "who buys"
    assert tables["big_customers"]["typeName"] == "View"
    assert "email" in tables["big_customers"]["attributes"]["viewDefinition"]
    assert tables["big_customers"]["attributes"]["isValid"] is True
    assert tables["broken"]["attributes"]["isValid"] is False
    backwards = named(found["indexes"], "#index.backwards")
    assert backwards["columns"] == ["score", "email"]
    assert backwards["definition"] == "score DESC, email(10)"
    assert named(found["triggers"], "#trigger.before_insert")["events"] == ["INSERT"]
    routines = {one["qualifiedName"].rpartition("/")[2] for one in found["procedures"]}
    assert routines == {
        "shop.twin(int(11), OUT varchar(5))",
        "shop.twin(int(11), text)",
        "shop.alone()",
        "shop.alone(procedure)",
    }


RULES = (
    {"action": "include", "level": "table", "match": "regex", "value": "[Cc]ustom.*"},
    {"action": "include", "level": "table", "value": "Customers"},
    {"action": "include", "level": "table", "value": "CUSTOMERS", "case": "insensitive"},
    {"action": "exclude", "level": "table", "match": "glob", "value": "*customers"},
    {"action": "exclude", "level": "schema", "value": "shop"},
    {"action": "include", "level": "schema", "match": "glob", "value": "50%_*"},
    {"action": "exclude", "level": "table", "value": "ä"},
    {"action": "include", "level": "table", "match": "regex", "value": "back[\\\\`].*"},
    {"action": "include", "level": "table", "value": "parts", "schema": "shop"},
)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(Rule.model_validate(rule)))
def test_a_rule_means_the_same_on_the_server(
    mariadb: MariaDBServer, storage: Storage, rule: dict[str, Any]
) -> None:
    """The tables that the server finds by a rule are those that the rule itself chooses."""
    source = source_of(mariadb.url)
    options = {"filters": [rule]}
    _, manifest = extract(extraction_of(source, storage, options=options))
    there = mariadb.query(
        "SELECT table_schema, table_name FROM information_schema.tables"
        f" WHERE table_type <> 'SEQUENCE' AND {OWN.format('table_schema')}"
    )
    scope = Scope(ExtractionOptions.read(options), source.is_system_schema)
    wanted = {(schema, name) for schema, name in there if scope.holds_table("def", schema, name)}
    tables = [one["attributes"] for one in entities(storage, manifest, "tables")]
    assert {(one["schemaName"], one["name"]) for one in tables} == wanted
    assert 0 < len(wanted) < len(there)


@pytest.mark.parametrize("kind", sorted(COUNTS))
def test_rows_can_be_read_on_from_any_row(mariadb: MariaDBServer, kind: str) -> None:
    """The rows up to a row and those behind it are all rows, in order, whichever row it is."""
    source = source_of(mariadb.url)
    extraction = extraction_of(source, Storage("file:///nowhere"))
    statement = extraction.statement(kind)
    order = statement.order
    assert order is not None
    with source.session() as session:
        columns = session.describe(statement)

        def keys(one: Any) -> list[tuple[Any, ...]]:
            tables = list(session.tables(one, columns))
            return [
                tuple(row[name] for name in order.columns)
                for table in tables
                for row in table.to_pylist()
            ]

        everything = keys(statement)
        for key in everything[:: max(1, len(everything) // 6)]:
            place = everything.index(key) + 1
            assert keys(statement.behind(key)) == everything[place:]
            assert sorted(keys(statement.upto(key))) == sorted(everything[:place])


def test_statements_do_not_grow_with_the_tables(mariadb: MariaDBServer, storage: Storage) -> None:
    """Two hundred more tables cost not one statement more."""

    def questions() -> int:
        return int(mariadb.query("SHOW GLOBAL STATUS LIKE 'Com_select'")[0][1])

    def cost(run_id: str) -> int:
        before = questions()
        extraction = extraction_of(source_of(mariadb.url), storage, run_id)
        for kind in COUNTS:
            extraction.fetch(kind)
        return questions() - before

    first = cost("few")
    mariadb.run(
        "CREATE DATABASE many",
        *(f"CREATE TABLE many.t{number} (a int, b int)" for number in range(200)),
    )
    second = cost("many")
    mariadb.run("DROP DATABASE many")
    assert first == second
