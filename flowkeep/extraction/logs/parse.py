"""Finding out what the shapes of one bucket read and write."""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import orjson

from flowkeep.extraction.logs.catalogue_file import CatalogueFile, Table, catalogue_json
from flowkeep.extraction.logs.frames import read_frame, store_rows
from flowkeep.extraction.logs.lineage.model import WHOLE_ROWS, ColumnName, Lineage, TableName
from flowkeep.extraction.logs.location import LogLocation
from flowkeep.extraction.logs.options import LogOptions
from flowkeep.extraction.logs.parsing.cache import ParseCache, content_key
from flowkeep.extraction.logs.parsing.pool import (
    MYSQL,
    MYSQL_DATABASE,
    Answer,
    Parser,
    ParserSettings,
)
from flowkeep.extraction.logs.plan_file import PlanFile
from flowkeep.extraction.logs.schemas import ACCESS, EDGES, PARSED
from flowkeep.extraction.logs.shape import shaper
from flowkeep.storage import Storage

RESOLVER = 2
"""Version of what is made of the parser's trees; answers of different ones are kept apart."""
_CHANGING = ("ALTER ", "DROP ", "TRUNCATE")
"""How commands begin that change the tables they name, whatever else they say."""
_FILLING = ("INSERT", "CREATE TABLE AS", "SELECT INTO", "CREATE MATERIALIZED VIEW", "MERGE")
_READ = ("key", "database", "kind", "text", "dropped", "tables", "failure")


@dataclass(slots=True)
class ShapeRow:
    """A shape that is to be parsed.

    Attributes:
        key: Its key.
        database: Where it runs.
        kind: Its command.
        text: Its redacted text.
        dropped: Why the text says no more than the command.
        tables: Database, schema and name of its tables, as they are written.
        failure: Why it could not be shaped.
        content: What its answer is found by in the cache.
        answer: What the parser, or the cache, says.
        cached: Whether the cache said it.
    """

    key: str
    database: str
    kind: str
    text: str | None
    dropped: str | None
    tables: list[tuple[str | None, str | None, str]]
    failure: str | None
    content: str = ""
    answer: Answer | None = None
    cached: bool = False

    @property
    def part(self) -> str:
        """Part of the cache that its answer lies in."""
        return self.key[:2]

    @property
    def is_parsed(self) -> bool:
        """Whether there is something to be found out: a text, and tables in it."""
        return not self.failure and not self.dropped and bool(self.text and self.tables)

    @property
    def status(self) -> str:
        """`parsed`, `failed` or `utility`."""
        if self.failure is not None or (self.answer is not None and self.answer.reason):
            return "failed"
        return "utility" if self.answer is None else "parsed"


@dataclass(slots=True)
class _Found:
    """Rows of the three files that a bucket becomes."""

    parsed: list[tuple[Any, ...]] = field(default_factory=list)
    access: list[tuple[Any, ...]] = field(default_factory=list)
    edges: list[tuple[Any, ...]] = field(default_factory=list)


class BucketParse:
    """Parses the shapes of one bucket.

    Args:
        storage: Where the files lie.
        location: Folder of the run.
        options: What was asked for.
        plan: The plan.
        stop: Ends the work when set.
        progress: Called with how many shapes have been parsed so far.
    """

    def __init__(
        self,
        storage: Storage,
        location: LogLocation,
        options: LogOptions,
        plan: PlanFile,
        stop: threading.Event | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        self._storage = storage
        self._location = location
        self._options = options
        self._plan = plan
        self._stop = stop
        self._progress = progress
        self._search_path = options.schemas(plan.dialect)

    def run(self, bucket: int) -> Mapping[str, int]:
        """Parse, and store what was found.

        Args:
            bucket: Number of the bucket.

        Returns:
            How many shapes were `parsed`, `utility` or `failed`, and how many were `cached`.
        """
        shapes = list(self._shapes(bucket))
        wanted = [shape for shape in shapes if shape.is_parsed]
        catalogue = self._catalogue(wanted)
        self._name_contents(wanted, catalogue)
        cache = self._cache()
        if cache is not None:
            _remember(cache, wanted)
        unknown = [shape for shape in wanted if not shape.cached]
        for done, shape in enumerate(self._parse(unknown, catalogue), start=1):
            if cache is not None and shape.answer is not None:
                cache.add(shape.part, shape.content, shape.answer)
            if self._progress is not None:
                self._progress(done)
        if cache is not None:
            cache.store()
        found = _Found()
        for shape in shapes:
            self._describe(shape, found)
        for name, columns, rows in (
            ("parsed", PARSED, found.parsed),
            ("access", ACCESS, found.access),
            ("edges", EDGES, found.edges),
        ):
            store_rows(self._storage, self._location.bucket(f"work/{name}", bucket), columns, rows)
        counts = dict.fromkeys(("parsed", "utility", "failed"), 0)
        for shape in shapes:
            counts[shape.status] += 1
        return {**counts, "cached": sum(shape.cached for shape in shapes)}

    def _shapes(self, bucket: int) -> Iterator[ShapeRow]:
        frame = read_frame(self._storage, self._location.bucket("work/shapes", bucket), _READ)
        for key, database, kind, text, dropped, tables, failure in frame.iter_rows():
            named = [tuple(table) for table in orjson.loads(tables)]
            yield ShapeRow(key, database, kind, text, dropped, named, failure)

    def _catalogue(self, shapes: Sequence[ShapeRow]) -> CatalogueFile | None:
        if self._plan.catalogue is None:
            return None
        catalogue = CatalogueFile(
            self._storage, self._plan.catalogue, shaper(self._plan.dialect), self._plan.tenant
        )
        catalogue.load({table[2] for shape in shapes for table in shape.tables})
        return catalogue

    def _name_contents(self, shapes: Sequence[ShapeRow], catalogue: CatalogueFile | None) -> None:
        by_name: dict[str, list[Table]] = {}
        digests: dict[Table, str] = {}
        if catalogue is not None:
            digests = catalogue.digests(catalogue.columns)
            for table in catalogue.columns:
                by_name.setdefault(table[2].lower(), []).append(table)
        for shape in shapes:
            names = sorted({name[2].lower() for name in shape.tables})
            known = ",".join(digests[table] for name in names for table in by_name.get(name, ()))
            shape.content = content_key(shape.text or "", shape.database, self._search_path, known)

    def _cache(self) -> ParseCache | None:
        if not self._options.cache:
            return None
        parser = f"sqlglot-{version('sqlglot')}-{RESOLVER}"
        return ParseCache(self._storage, self._location.cache(parser, self._plan.dialect))

    def _parse(
        self, shapes: Sequence[ShapeRow], catalogue: CatalogueFile | None
    ) -> Iterator[ShapeRow]:
        if not shapes:
            return
        known = {} if catalogue is None else catalogue_json(catalogue.columns, catalogue.views)
        settings = ParserSettings(
            self._plan.dialect,
            self._search_path,
            self._options.cpu_seconds,
            self._options.memory_megabytes,
            known,
        )
        with Parser(settings, self._stop) as parser:
            texts = [(shape.text or "", shape.database) for shape in shapes]
            for shape, answer in zip(shapes, parser.parse(texts), strict=True):
                shape.answer = answer
                yield shape

    def _describe(self, shape: ShapeRow, found: _Found) -> None:
        answer = shape.answer
        if answer is None or answer.lineage is None:
            reason = shape.failure if answer is None else answer.reason
            found.parsed.append((shape.key, shape.status, reason, shape.kind, "[]", shape.cached))
            access = "write" if shape.kind.startswith(_CHANGING) else "unknown"
            found.access += [
                (shape.key, *self._named(TableName(*table), shape), "", access, False)
                for table in shape.tables
            ]
            return
        lineage = Lineage.from_json(answer.lineage)
        problems = orjson.dumps(lineage.problems).decode()
        found.parsed.append((shape.key, "parsed", None, shape.kind, problems, shape.cached))
        found.access += self._access(lineage, shape)
        found.edges += [
            (
                shape.key,
                *self._named(edge.source.table, shape),
                edge.source.column,
                *self._named(edge.target.table, shape),
                "" if edge.target.column == WHOLE_ROWS else edge.target.column,
                edge.direct,
                edge.transformation,
                edge.exact,
            )
            for edge in lineage.edges
        ]
        if not any(edge.direct for edge in lineage.edges):
            found.edges += self._whole_tables(lineage, shape)

    def _whole_tables(self, lineage: Lineage, shape: ShapeRow) -> Iterable[tuple[Any, ...]]:
        """Return edges from table to table, for what puts rows somewhere without known columns."""
        if not shape.kind.startswith(_FILLING):
            return
        for target in lineage.writes:
            for source in lineage.reads:
                if source != target:
                    ends = (*self._named(source, shape), "", *self._named(target, shape), "")
                    yield (shape.key, *ends, True, "TRANSFORMATION", False)

    def _access(self, lineage: Lineage, shape: ShapeRow) -> Iterable[tuple[Any, ...]]:
        rows: dict[tuple[Any, ...], bool] = {}
        for access, tables in (
            ("read", (*lineage.reads, *lineage.through_views)),
            ("write", lineage.writes),
        ):
            for table in tables:
                rows[(*self._named(table, shape), "", access)] = True
        columns: Iterable[tuple[str, ColumnName, bool]] = (
            *(("read", use.column, use.exact) for use in lineage.column_reads),
            *(("write", use.column, use.exact) for use in lineage.column_writes),
        )
        for access, column, exact in columns:
            rows[(*self._named(column.table, shape), column.column, access)] = exact
        return [(shape.key, *row, exact) for row, exact in rows.items()]

    def _named(self, table: TableName, shape: ShapeRow) -> Table:
        """Return a table's whole name; where nothing else is known, as the server would look."""
        path = self._search_path
        if self._plan.dialect == MYSQL:
            return MYSQL_DATABASE, table.schema or shape.database, table.table
        return (
            table.database or shape.database,
            table.schema or (path[0] if path else ""),
            table.table,
        )


def _remember(cache: ParseCache, shapes: Sequence[ShapeRow]) -> None:
    """Give shapes the answers that are known."""
    wanted: dict[str, list[str]] = {}
    for shape in shapes:
        wanted.setdefault(shape.part, []).append(shape.content)
    known = cache.find(wanted)
    for shape in shapes:
        shape.answer = known.get(shape.content)
        shape.cached = shape.answer is not None
