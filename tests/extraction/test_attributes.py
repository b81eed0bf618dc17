"""What is told of an object is what the server itself says, in every version."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from flowkeep.extraction.metadata.kinds import KINDS
from flowkeep.storage import Storage
from tests.extraction.independent import facts
from tests.extraction.support import extraction_of, query, rows_of
from tests.servers.postgres import PostgresServer

Row = dict[str, Any]


class Catalogue:
    """The raw rows of every kind; columns of lists are lists."""

    def __init__(self, url: str, storage: Storage) -> None:
        extraction = extraction_of(url, storage)
        self.rows: dict[str, list[Row]] = {}
        for name, kind in KINDS.items():
            self.rows[name] = rows_of(storage, extraction.fetch(name))
            for row in self.rows[name]:
                for column, sort in kind.columns.items():
                    if sort == "list" and row[column] is not None:
                        row[column] = json.loads(row[column])

    def __getitem__(self, kind: str) -> list[Row]:
        return self.rows[kind]

    def one(self, kind: str, *names: str) -> Row:
        """The object of these names: schema, table where there is one, own name."""
        identity = KINDS[kind].identity
        (found,) = [row for row in self[kind] if tuple(row[name] for name in identity) == names]
        return found

    def of(self, kind: str, *columns: str) -> dict[tuple[Any, ...], tuple[Any, ...]]:
        """Identity to the values of columns."""
        identity = KINDS[kind].identity
        return {
            tuple(row[name] for name in identity): tuple(row[name] for name in columns)
            for row in self[kind]
        }


@pytest.fixture(scope="session")
def catalogue(rich_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalogue]:
    """The rich database, extracted once per version."""
    return Catalogue(rich_url, Storage(tmp_path_factory.mktemp("catalogue").as_uri()))


def test_every_column_of_a_kind_is_there(catalogue: Catalogue) -> None:
    """The statements return exactly the columns that the kinds announce."""
    for name, kind in KINDS.items():
        assert {tuple(row) for row in catalogue[name]} == {tuple(kind.columns)}


def test_tables(catalogue: Catalogue) -> None:
    """Sorts, partition trees, access methods, servers and estimates."""
    part = catalogue.one("tables", "rich", "part_low")
    assert part["table_type"] == "Partitioned"
    assert (part["partition_of_schema"], part["partition_of_table"]) == ("rich", "part")
    assert part["partition_bound"] == "FOR VALUES FROM (0) TO (10)"
    assert part["partition_key"] == "LIST (b)"
    leaf = catalogue.one("tables", "rich", "part_low_rest")
    assert (leaf["partition_of_table"], leaf["partition_bound"]) == ("part_low", "DEFAULT")
    assert (leaf["table_type"], leaf["access_method"]) == ("Regular", "heap")
    assert (leaf["row_estimate"], leaf["size_estimate_bytes"]) == (None, None)
    assert catalogue.one("tables", "rich", "child")["partition_of_table"] is None
    assert catalogue.one("tables", "inventory", "far")["foreign_server"] == "warehouse_system"
    assert catalogue.one("tables", "rich", "stored")["is_populated"] is False
    assert catalogue.one("tables", "analytics", "daily_sales")["is_populated"] is True
    assert catalogue.one("tables", "rich", "numbers")["is_populated"] is None


def test_definitions_of_views(catalogue: Catalogue, rich_url: str) -> None:
    """Views and materialised views read as in pg_views and pg_matviews."""
    ours = {
        name: definition
        for name, (definition,) in catalogue.of("tables", "view_definition").items()
        if definition is not None
    }
    assert ours == {row[:2]: row[2] for row in facts(rich_url, "views")}


def test_columns(catalogue: Catalogue, versioned: PostgresServer) -> None:
    """Identity, generation, domains, collations and gaps in the numbers."""
    assert catalogue.one("columns", "rich", "numbered", "b")["identity_generation"] == "BY DEFAULT"
    generated = catalogue.one("columns", "rich", "numbered", "d")
    assert (generated["generation"], generated["generation_expression"]) == ("STORED", "(b * 2)")
    assert generated["column_default"] is None
    domain = catalogue.one("columns", "rich", "numbered", "f")
    assert (domain["data_type"], domain["is_nullable"]) == ("rich.positive", False)
    assert catalogue.one("columns", "rich", "place", "a b")["collation"] == "C"
    assert catalogue.one("columns", "rich", "part_high", "up_a")["ordinal_position"] == 6
    assert catalogue.one("columns", "rich", "child", "id")["is_inherited"] is True
    if versioned.major >= 18:
        virtual = catalogue.one("columns", "rich", "newest", "c")
        assert (virtual["generation"], virtual["generation_expression"]) == ("VIRTUAL", "(a + b)")
        assert catalogue.one("columns", "rich", "newest", "b")["is_nullable"] is False


def test_constraints_are_the_standard_s(catalogue: Catalogue, rich_url: str) -> None:
    """Key columns, their order and the rules of foreign keys are information_schema's."""
    sorts = catalogue.of("constraints", "constraint_type")
    keys = {
        name: columns
        for name, (columns,) in catalogue.of("constraints", "columns").items()
        if sorts[name][0] in ("PrimaryKey", "ForeignKey", "Unique")
    }
    theirs = {row[:3]: row[3] for row in facts(rich_url, "key columns")}
    assert keys == {name: theirs[name] for name in keys}
    told = ("match_type", "on_update", "on_delete", "is_deferrable", "is_initially_deferred")
    spelled = {"SIMPLE": "NONE", True: "YES", False: "NO"}
    rules = {
        name: tuple(spelled.get(value, value) for value in values)
        for name, values in catalogue.of("constraints", *told).items()
        if sorts[name] == ("ForeignKey",)
    }
    standard = {row[:3]: row[3:] for row in facts(rich_url, "rules of foreign keys")}
    assert rules == {name: standard[name] for name in rules}
    truth = dict(query(rich_url, "SELECT oid::int8, pg_get_constraintdef(oid) FROM pg_constraint"))
    for row in catalogue["constraints"]:
        assert row["definition"] == truth[row["constraint_oid"]]


def test_constraints_that_are_easily_wrong(catalogue: Catalogue, versioned: PostgresServer) -> None:
    """Partitions, inheritance, validity, exclusion and enforcement are told as they are."""
    of_part = [row for row in catalogue["constraints"] if row["table_name"] == "of_part"]
    assert {row["constraint_name"] for row in of_part} == {"to_part", "later", "of_part_pkey"}
    to_part = catalogue.one("constraints", "rich", "of_part", "to_part")
    assert (to_part["referenced_schema"], to_part["referenced_table"]) == ("rich", "part")
    assert to_part["referenced_columns"] == ["a", "b"]
    assert to_part["index_name"] is None
    assert catalogue.one("constraints", "rich", "of_part", "later")["is_validated"] is False
    assert catalogue.one("constraints", "rich", "of_part", "of_part_pkey")["index_name"] == (
        "of_part_pkey"
    )
    tables = {
        row["table_name"]
        for row in catalogue["constraints"]
        if row["referenced_table"] == "part" and row["table_name"].startswith("part")
    }
    assert tables == {"part", "part_low", "part_low_1", "part_low_rest", "part_high"}
    inherited = [row for row in catalogue["constraints"] if row["table_name"] == "child"]
    assert [(row["constraint_type"], row["is_inherited"]) for row in inherited] == [("Check", True)]
    (exclusion,) = [
        row
        for row in catalogue["constraints"]
        if row["constraint_type"] == "Exclusion" and row["schema_name"] == "rich"
    ]
    assert exclusion["columns"] == ["area"]
    assert "during * " in exclusion["definition"]
    assert all(row["is_enforced"] for row in of_part)
    if versioned.major >= 18:
        newest = [row for row in catalogue["constraints"] if row["table_name"] == "newest"]
        assert sorted((row["constraint_type"], row["is_enforced"]) for row in newest) == [
            ("Check", False),
            ("Unique", True),
        ]


def test_indexes(catalogue: Catalogue, rich_url: str) -> None:
    """Definitions are those of pg_indexes; columns, expressions and what is included are told."""
    theirs = {row[:3]: row[3] for row in facts(rich_url, "indexes")}
    ours = catalogue.of("indexes", "definition")
    assert {name: definition for name, (definition,) in ours.items()} == theirs
    (odd,) = [row for row in catalogue["indexes"] if row["included_columns"] == ["during", "area"]]
    assert odd["columns"] == ["a b", "((id % 7))", 'lower("a b")']
    assert odd["predicate"] == "(id IS NOT NULL)"
    assert (odd["is_unique"], odd["is_primary"], odd["method"]) == (True, False, "btree")
    only = catalogue.one("indexes", "rich", "part", "part_only")
    assert (only["is_partitioned"], only["is_valid"]) == (True, False)
    assert (only["row_estimate"], only["size_estimate_bytes"]) == (None, None)
    methods = {row["method"] for row in catalogue["indexes"]}
    assert methods == {"btree", "hash", "gin", "gist", "brin"}
    assert any(row["is_exclusion"] for row in catalogue["indexes"])


def test_sequences(catalogue: Catalogue, rich_url: str) -> None:
    """Values are those of pg_sequences; owners are columns."""
    told = ("data_type", "start_value", "minimum_value", "maximum_value", "increment")
    ours = catalogue.of("sequences", *told, "is_cycling", "cache_size", "owner")
    assert ours == {row[:2]: row[2:] for row in facts(rich_url, "sequences")}
    owner = ("owned_by_schema", "owned_by_table", "owned_by_column", "is_identity")
    owners = catalogue.of("sequences", *owner)
    assert owners["rich", "numbered_a_seq"] == ("rich", "numbered", "a", False)
    assert owners["rich", "numbered_b_seq"] == ("rich", "numbered", "b", True)
    assert owners["rich", "backwards"] == (None, None, None, False)


def test_triggers(catalogue: Catalogue, rich_url: str) -> None:
    """Timing, level and events are information_schema's; copies on partitions are told."""
    ours = {
        name: (timing, level, sorted(events))
        for name, (timing, level, events) in catalogue.of(
            "triggers", "timing", "level", "events"
        ).items()
    }
    theirs = {row[:3]: row[3:] for row in facts(rich_url, "triggers")}
    assert {name: ours[name] for name in theirs} == theirs
    copies = {
        row["table_name"]: row["status"]
        for row in catalogue["triggers"]
        if row["trigger_name"] == "rows" and row["is_inherited"]
    }
    assert copies == {
        "part_low": "enabled",
        "part_low_1": "enabled",
        "part_low_rest": "enabled",
        "part_high": "disabled",
    }
    assert catalogue.one("triggers", "rich", "part", "gone")["events"] == ["TRUNCATE"]
    twins = catalogue.one("triggers", "rich", "place", "twins")
    assert (twins["status"], twins["function_schema"]) == ("replica", "pg_catalog")
    assert catalogue.one("triggers", "rich", "part_low", "checked")["is_constraint"] is True
    truth = dict(query(rich_url, "SELECT oid::int8, pg_get_triggerdef(oid) FROM pg_trigger"))
    for row in catalogue["triggers"]:
        assert row["definition"] == truth[row["trigger_oid"]]


def test_types(catalogue: Catalogue, rich_url: str) -> None:
    """Labels in their order, fields, bases, domains with their checks."""
    mood = catalogue.one("types", "rich", "mood")
    (labels,) = query(rich_url, "SELECT enum_range(NULL::rich.mood)::text[]")[0]
    assert (mood["type_kind"], mood["labels"]) == ("Enum", labels)
    assert labels == ["first", "b", "a", '{"quoted, \\\\ }', ""]
    assert catalogue.one("types", "rich", "no_labels")["labels"] == []
    pair = catalogue.one("types", "rich", "pair")
    assert pair["fields"] == ['"a b" integer', "b numeric(5,2)[]", "c rich.mood"]
    assert catalogue.one("types", "rich", "empty_pair")["fields"] == []
    positive = catalogue.one("types", "rich", "positive")
    assert (positive["base_type"], positive["is_nullable"]) == ("integer", False)
    assert positive["checks"] == [
        'CONSTRAINT "is ""small""" CHECK ((VALUE < 100))',
        "CONSTRAINT is_positive CHECK ((VALUE > 0))",
    ]
    assert catalogue.one("types", "rich", "of_domain")["base_type"] == "rich.positive"
    assert catalogue.one("types", "rich", "code")["base_type"] == "character varying(7)"
    span = catalogue.one("types", "rich", "mood_range")
    assert (span["type_kind"], span["base_type"]) == ("Range", "rich.mood")
    spans = catalogue.one("types", "rich", "mood_multirange")
    assert (spans["type_kind"], spans["base_type"]) == ("Multirange", "rich.mood_range")
    assert catalogue.one("types", "rich", "shell")["type_kind"] == "Shell"
    ours = catalogue.of("types", "default_value", "collation")
    theirs = {row[:2]: row[2:] for row in facts(rich_url, "domains")}
    assert {name: ours[name] for name in theirs} == theirs


def test_what_views_read(catalogue: Catalogue, rich_url: str) -> None:
    """Relations and columns are information_schema's; sequences and stored views are added."""
    views = [row for row in catalogue["view_dependencies"] if row["table_type"] == "View"]
    names = ("schema_name", "table_name", "referenced_schema", "referenced_table")
    ours = {
        tuple(row[name] for name in names): sorted(row["columns"])
        for row in views
        if row["referenced_type"] not in ("Sequence", "MaterializedView")
    }
    assert set(ours) == set(facts(rich_url, "what views read"))
    columns = {row[:4]: row[4] for row in facts(rich_url, "columns that views read")}
    assert {name: found for name, found in ours.items() if found} == columns
    numbers = {
        (row["referenced_table"], row["referenced_type"]): row["columns"]
        for row in catalogue["view_dependencies"]
        if row["table_name"] == "numbers"
    }
    assert numbers["backwards", "Sequence"] == []
    assert numbers["part_low_1", "Regular"] == []
    stored = catalogue.one("view_dependencies", "rich", "stored", "rich", "numbers")
    assert (stored["table_type"], stored["columns"]) == ("MaterializedView", ["a", "whole"])


def test_one_name_for_everything(catalogue: Catalogue) -> None:
    """A name that a table, its parts, a function and a type share is found once in each kind."""
    for kind in ("tables", "columns", "constraints", "triggers"):
        assert [row for row in catalogue[kind] if row["schema_name"] == "same"]
    names = ("same",) * 3
    assert catalogue.one("constraints", *names)["definition"] == "CHECK ((same > 0))"
    assert catalogue.one("triggers", *names)["function_name"] == "same"
    assert catalogue.one("procedures", "same", "same", "")["result_type"] == "trigger"
    assert catalogue.one("indexes", "same2", "t", "same")["columns"] == ["same"]
    assert catalogue.one("types", "same2", "same")["labels"] == ["same"]
