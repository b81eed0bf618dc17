"""Kinds are read in different snapshots; what does not fit together is found and read again."""

from collections.abc import Sequence

from flowkeep.contracts.extraction import FetchResult, OrphanReport
from flowkeep.extraction.metadata.extraction import MetadataExtraction
from flowkeep.extraction.metadata.kinds import KINDS
from flowkeep.storage import Storage
from tests.extraction.support import extraction_of, run


def mend(extraction: MetadataExtraction, fetched: Sequence[FetchResult]) -> OrphanReport:
    """Read again what the report asks for, once, and report again."""
    wanted = extraction.orphans(fetched).refetch
    assert wanted
    return extraction.orphans(
        [extraction.fetch(one.kind) if one.kind in wanted else one for one in fetched]
    )


def test_a_table_that_came_between_two_kinds_is_fetched_again(
    database_url: str, storage: Storage
) -> None:
    """Columns without their table: the tables are older, and reading them again mends it."""
    run(database_url, "CREATE TABLE t (a integer)")
    extraction = extraction_of(database_url, storage)
    fetched = [extraction.fetch(kind) for kind in ("schemas", "tables")]
    run(database_url, 'CREATE TABLE "Late.table" (a integer, b integer)')
    fetched.append(extraction.fetch("columns"))
    report = extraction.orphans(fetched)
    assert report.refetch == ["tables"]
    (finding,) = report.findings
    assert "public.Late.table" in finding
    assert mend(extraction, fetched) == OrphanReport()


def test_a_table_that_went_between_two_kinds_is_fetched_again(
    database_url: str, storage: Storage
) -> None:
    """Columns of a table that was dropped: the columns are older."""
    run(database_url, "CREATE TABLE t (a integer)", "CREATE TABLE gone (a integer)")
    extraction = extraction_of(database_url, storage)
    columns = extraction.fetch("columns")
    run(database_url, "DROP TABLE gone")
    fetched = [columns, extraction.fetch("tables"), extraction.fetch("schemas")]
    assert extraction.orphans(fetched).refetch == ["columns"]
    assert mend(extraction, fetched) == OrphanReport()


def test_a_schema_that_was_renamed_touches_all_that_it_holds(
    database_url: str, storage: Storage
) -> None:
    """Tables and routines of another name are found, and the older kind is named once."""
    run(
        database_url,
        "CREATE SCHEMA old",
        "CREATE TABLE old.t (a integer)",
        "CREATE FUNCTION old.f() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    )
    extraction = extraction_of(database_url, storage)
    schemas = extraction.fetch("schemas")
    run(database_url, "ALTER SCHEMA old RENAME TO new")
    fetched = [schemas, *(extraction.fetch(kind) for kind in ("tables", "columns", "procedures"))]
    report = extraction.orphans(fetched)
    assert report.refetch == ["schemas"]
    assert len(report.findings) == 2
    assert mend(extraction, fetched) == OrphanReport()


def test_a_statement_that_leaves_parents_out_never_fits(
    database_url: str, storage: Storage
) -> None:
    """Reading again does not help when an own statement is the reason."""
    run(database_url, "CREATE TABLE a (x integer)", "CREATE TABLE b (x integer)")
    statement = """SELECT current_database() AS database_name, schemaname AS schema_name,
        tablename AS table_name FROM pg_tables WHERE tablename = 'a'"""
    extraction = extraction_of(database_url, storage, statements={"tables": statement})
    fetched = [extraction.fetch(kind) for kind in KINDS]
    report = mend(extraction, fetched)
    assert ["public.b" in finding for finding in report.findings] == [True]


def test_a_kind_whose_parent_was_not_asked_for_is_not_compared(
    database_url: str, storage: Storage
) -> None:
    """Columns alone are a legal extraction."""
    run(database_url, "CREATE TABLE t (a integer)")
    extraction = extraction_of(database_url, storage)
    assert extraction.orphans([extraction.fetch("columns")]) == OrphanReport()


def test_databases_are_compared_each_for_itself(
    sample_url: str, database_url: str, storage: Storage
) -> None:
    """A table of one database is no parent for a column of another."""
    other = database_url.rsplit("/", 1)[1]
    run(database_url, "CREATE TABLE t (a integer)")
    options = {"databases": ["extraction_sample", other]}
    extraction = extraction_of(sample_url, storage, options=options)
    fetched = [extraction.fetch("tables")]
    run(database_url, "CREATE TABLE calendar_day (a integer)")
    fetched.append(extraction.fetch("columns"))
    (finding,) = extraction.orphans(fetched).findings
    assert finding.startswith(f"columns of {other}")


POINTING = (
    "CREATE SCHEMA inside",
    "CREATE SCHEMA outside",
    "CREATE TABLE outside.target (id integer PRIMARY KEY)",
    "CREATE TABLE inside.child (id integer REFERENCES outside.target, k integer PRIMARY KEY)",
    "CREATE VIEW inside.v AS SELECT t.id FROM outside.target AS t",
)


def test_targets_outside_the_filters_are_reported(database_url: str, storage: Storage) -> None:
    """Foreign keys and views that lead out are listed, and nothing is read again for them."""
    run(database_url, *POINTING)
    options = {"include_schemas": ["inside"]}
    extraction = extraction_of(database_url, storage, options=options)
    report = extraction.orphans([extraction.fetch(kind) for kind in KINDS])
    assert report.refetch == report.findings == []
    found = {(one.kind, one.reference): one for one in report.unresolved}
    assert set(found) == {
        ("constraints", "referencedTable"),
        ("view_dependencies", "source"),
    }
    assert found["constraints", "referencedTable"].examples == ["outside.target"]
    assert found["view_dependencies", "source"].count == 1
    assert {(one.reason, one.expected) for one in found.values()} == {
        ("outside the filters", False)
    }


def test_a_target_that_came_late_is_read_again_and_else_reported(
    database_url: str, storage: Storage
) -> None:
    """A foreign key to a table of the filters: the older kind is read again, nothing fails."""
    run(database_url, *POINTING)
    extraction = extraction_of(database_url, storage)
    schemas, tables = extraction.fetch("schemas"), extraction.fetch("tables")
    run(
        database_url,
        "CREATE TABLE outside.late (id integer PRIMARY KEY)",
        "ALTER TABLE inside.child ADD CONSTRAINT f FOREIGN KEY (k) REFERENCES outside.late",
        "ALTER TABLE outside.late DROP CONSTRAINT late_pkey CASCADE",
        "ALTER TABLE outside.late ADD PRIMARY KEY (id)",
        "ALTER TABLE inside.child ADD CONSTRAINT f FOREIGN KEY (k) REFERENCES outside.late",
    )
    constraints = extraction.fetch("constraints")
    report = extraction.orphans([schemas, tables, constraints])
    assert report.refetch == ["tables"]
    (one,) = [found for found in report.unresolved if found.expected]
    assert (one.kind, one.reference, one.examples) == (
        "constraints",
        "referencedTable",
        ["outside.late"],
    )
    mended = extraction.orphans([schemas, extraction.fetch("tables"), constraints])
    assert mended.findings == mended.refetch == []


def test_targets_of_a_kind_that_was_not_fetched_are_reported(
    database_url: str, storage: Storage
) -> None:
    """Without the tables nobody knows whether a foreign key leads anywhere."""
    run(database_url, *POINTING)
    extraction = extraction_of(database_url, storage)
    report = extraction.orphans([extraction.fetch("constraints")])
    assert report.refetch == report.findings == []
    (one,) = report.unresolved
    assert (one.reason, one.count) == ("tables were not extracted", 1)
