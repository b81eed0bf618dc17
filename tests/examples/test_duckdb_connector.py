"""The example `duckdb_connector`."""

from pathlib import Path
from typing import Any

import duckdb
import pytest

from examples.duckdb_connector.main import main, make_sample
from examples.duckdb_connector.source import DuckDBSource
from flowkeep.clients.workflow import WorkflowClient
from flowkeep.errors import ConfigurationError
from flowkeep.extraction.credentials import SourceCredentials
from flowkeep.extraction.metadata.manifest import read_manifest
from flowkeep.extraction.metadata.verify import verify_manifest
from flowkeep.settings import Settings
from flowkeep.storage import Storage
from tests.documents import page
from tests.extraction.other_sources.support import extraction_of
from tests.extraction.support import entities

COUNTS = {
    "schemas": "SELECT count(*) FROM duckdb_schemas() WHERE database_name = 'shop'"
    " AND schema_name NOT IN ('information_schema', 'pg_catalog')",
    "tables": "SELECT (SELECT count(*) FROM duckdb_tables() WHERE table_name <> 'scratch')"
    " + (SELECT count(*) FROM duckdb_views() WHERE NOT internal)",
    "columns": "SELECT count(*) FROM duckdb_columns() WHERE NOT internal"
    " AND table_name <> 'scratch'",
    "constraints": "SELECT count(*) FROM duckdb_constraints() WHERE constraint_type <> 'NOT NULL'",
    "extensions": "SELECT count(*) FROM duckdb_extensions() WHERE loaded",
}


async def test_the_connector_extracts_what_is_there(
    client: WorkflowClient,
    example_settings: Settings,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    """Every count of the run and of its output is the one that DuckDB gives for the sample."""
    run = await client.store.runs.get("default", (await main(example_settings)).run_id)
    assert run.status == "succeeded"
    make_sample(tmp_path / "shop.duckdb")
    with duckdb.connect(tmp_path / "shop.duckdb", read_only=True) as connection:
        rows = {kind: connection.execute(text).fetchone() for kind, text in COUNTS.items()}
    expected = {kind: row[0] for kind, row in rows.items() if row is not None}
    assert run.outputs["counts"] == expected
    printed = dict(line.split(": ") for line in capsys.readouterr().out.splitlines())
    assert printed == {kind: str(count) for kind, count in expected.items()}
    storage = Storage(example_settings.storage.url)
    assert verify_manifest(storage, run.outputs["key"]) == []
    manifest = read_manifest(storage, run.outputs["key"])
    columns = entities(storage, manifest, "columns")
    nested = {one["attributes"]["name"] for one in columns if one["attributes"]["isNested"]}
    assert nested == {"tags"}
    [schema] = [
        one
        for one in entities(storage, manifest, "schemas")
        if one["attributes"]["name"] == "sales"
    ]
    assert "definition" in schema["attributes"]


def source_of(path: Path) -> DuckDBSource:
    """The source of a file."""
    return DuckDBSource(SourceCredentials.read({"url": f"duckdb:///{path}"}))


@pytest.mark.parametrize("kind", ["schemas", "tables", "columns", "constraints"])
def test_rows_can_be_read_on_from_any_row(tmp_path: Path, kind: str) -> None:
    """The rows behind each row are those that follow it."""
    make_sample(tmp_path / "shop.duckdb")
    source = source_of(tmp_path / "shop.duckdb")
    statement = extraction_of(source, Storage("file:///nowhere")).statement(kind)
    order = statement.order
    assert order is not None
    with source.session() as session:
        columns = session.describe(statement)

        def keys(one: Any) -> list[tuple[Any, ...]]:
            rows = [row for table in session.tables(one, columns) for row in table.to_pylist()]
            return [tuple(row[name] for name in order.columns) for row in rows]

        everything = keys(statement)
        assert len(everything) > 1
        for place, key in enumerate(everything, 1):
            assert keys(statement.behind(key)) == everything[place:]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """A path that leads nowhere is a configuration error with the path."""
    with (
        pytest.raises(ConfigurationError, match=r"there is no file .*nowhere"),
        source_of(tmp_path / "nowhere").session(),
    ):
        pass


def test_the_guide_shows_the_example() -> None:
    """Every piece of code on the page stands in the example, line by line."""
    example = page("examples/duckdb_connector/README.md").path.parent
    texts = [_squeezed(path.read_text()) for path in example.glob("*.py")]
    pieces = page("docs/guides/write-a-connector.md").fences("py")
    assert len(pieces) >= 8
    for piece in pieces:
        assert any(_squeezed(piece) in text for text in texts), piece


def _squeezed(text: str) -> str:
    """The text without spaces and newlines: a method by itself is laid out otherwise."""
    return "".join(text.split())
