"""What a metadata extraction knows of the tables that statements name: columns and views."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import orjson

from flowkeep.errors import ConfigurationError, Incomplete, NotFound
from flowkeep.extraction.logs.shape import Shape, Shaper
from flowkeep.extraction.metadata.manifest_file import read_manifest
from flowkeep.extraction.metadata.parts import read_tables
from flowkeep.storage import Storage
from flowkeep.storage.names import safe_segment

if TYPE_CHECKING:
    import polars as pl

Table = tuple[str, str, str]
"""Database, schema and name."""

_TABLE = ("database_name", "schema_name", "table_name")
_VIEW = (*_TABLE, "view_definition")
_COLUMN = (*_TABLE, "column_name", "ordinal_position")
_DEEPEST_VIEW = 50


class CatalogueFile:
    """The tables of a finished metadata extraction, read as far as they are asked for.

    Args:
        storage: Where its files lie.
        key: Key of its manifest.
        shaper: Tells which tables a view's definition names.
        tenant: Whose it has to be.

    Raises:
        ConfigurationError: If there is no such manifest, or it has no columns.
    """

    def __init__(self, storage: Storage, key: str, shaper: Shaper, tenant: str) -> None:
        self._storage = storage
        self._shaper = shaper
        try:
            manifest = read_manifest(storage, key)
        except (NotFound, Incomplete) as error:
            raise ConfigurationError(
                f"logs.catalogue: {error}",
                hint="name a finished metadata extraction by its run id or its manifest's key",
            ) from None
        folder = f"{safe_segment(tenant)}/"
        listed = [part["key"] for scope in manifest["scopes"] for part in scope["parts"]]
        if manifest.get("tenant") != tenant or not all(one.startswith(folder) for one in listed):
            raise ConfigurationError(
                f"logs.catalogue: {key} is not a manifest of this tenant",
                hint="name a metadata extraction of the same tenant",
            )
        self._parts: dict[str, list[str]] = {"tables": [], "columns": []}
        for scope in manifest["scopes"]:
            if scope["kind"] in self._parts:
                self._parts[scope["kind"]] += [part["key"] for part in scope["parts"]]
        if not self._parts["columns"]:
            raise ConfigurationError(
                f"logs.catalogue: {key} lists no columns",
                hint="extract columns and tables, or leave logs.catalogue out",
            )
        self.columns: dict[Table, list[str]] = {}
        self.views: dict[Table, str] = {}

    def load(self, names: Iterable[str]) -> None:
        """Read the tables of these names, whatever their schema, and what views among them read.

        Args:
            names: Names of tables without their schema.
        """
        known: set[str] = set()
        new = {name.lower() for name in names}
        for _ in range(_DEEPEST_VIEW):
            if not new:
                break
            known |= new
            found = self._views(new)
            self.views |= found
            new = set(self._named_in(found.values())) - known
        self._load_columns(known)

    def digests(self, tables: Iterable[Table]) -> dict[Table, str]:
        """Return for each table a hash of what is known of it, and of all that it reads."""
        return {table: self._digest(table, ()) for table in tables}

    def _digest(self, table: Table, above: tuple[Table, ...]) -> str:
        content: list[Any] = [list(table), self.columns.get(table)]
        definition = self.views.get(table)
        if definition is not None and table not in above:
            content.append(definition)
            names = set(self._named_in([definition]))
            content += sorted(
                self._digest(one, (*above, table))
                for one in self.columns
                if one[2].lower() in names and one != table
            )
        return hashlib.blake2b(orjson.dumps(content), digest_size=16).hexdigest()

    def _views(self, names: set[str]) -> dict[Table, str]:
        found: dict[Table, str] = {}
        for rows in self._rows("tables", _VIEW, names):
            for database, schema, table, definition in rows.iter_rows():
                self.columns.setdefault((database, schema, table), [])
                if definition:
                    found[database, schema, table] = definition
        return found

    def _load_columns(self, names: set[str]) -> None:
        import polars as pl

        frames = list(self._rows("columns", _COLUMN, names))
        if not frames:
            return
        ordered = pl.concat(frames).sort("ordinal_position")
        for key, rows in ordered.group_by(_TABLE, maintain_order=True):
            database, schema, table = (str(part) for part in key)
            self.columns[database, schema, table] = rows["column_name"].to_list()

    def _named_in(self, definitions: Iterable[str]) -> Iterator[str]:
        for definition in definitions:
            shape = self._shaper.shape(definition)
            if isinstance(shape, Shape):
                yield from (table[2].lower() for table in shape.tables)

    def _rows(
        self, kind: str, columns: tuple[str, ...], names: set[str]
    ) -> Iterator["pl.DataFrame"]:
        import polars as pl

        wanted = list(names)
        for key in self._parts[kind]:
            for table in read_tables(self._storage, key, list(columns)):
                rows = pl.from_arrow(table)
                assert isinstance(rows, pl.DataFrame)
                yield rows.filter(pl.col("table_name").str.to_lowercase().is_in(wanted)).select(
                    columns
                )


def catalogue_json(
    columns: Mapping[Table, list[str]], views: Mapping[Table, str]
) -> dict[str, list[Any]]:
    """Return tables and views as a parser process takes them."""
    return {
        "tables": [[*table, names] for table, names in columns.items()],
        "views": [[*table, definition] for table, definition in views.items()],
    }
