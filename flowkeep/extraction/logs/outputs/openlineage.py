"""Exporting lineage as OpenLineage events: one dataset event per table that data goes to.

The facet is `columnLineage` (OpenLineage, ColumnLineageDatasetFacet 1-2-0). Names are those of the
source, unescaped, as in the export of a catalogue.
"""

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

import orjson

from flowkeep.contracts.extraction import PartInfo
from flowkeep.extraction.metadata.envelope import rfc3339
from flowkeep.extraction.metadata.keys import RunLocation
from flowkeep.extraction.metadata.names import Naming
from flowkeep.extraction.metadata.openlineage_events import EVENT_SCHEMA, producer
from flowkeep.extraction.metadata.parts import delete_others, read_tables, store_part
from flowkeep.storage import Storage

FACET_SCHEMA = (
    "https://openlineage.io/spec/facets/1-2-0/ColumnLineageDatasetFacet.json"
    "#/$defs/ColumnLineageDatasetFacet"
)
_TARGET = ("database_name", "schema_name", "table_name")
_SOURCE = ("source_database_name", "source_schema_name", "source_table_name")
_COLUMNS = (*_TARGET, "column_name", *_SOURCE, "source_column_name", "direct", "transformation")

Row = Mapping[str, Any]


def export_lineage(
    storage: Storage,
    location: RunLocation,
    edges: Sequence[PartInfo],
    naming: Naming,
    taken_at: datetime,
) -> list[PartInfo]:
    """Write one event per table that data goes to.

    Args:
        storage: Where the edges lie and the events go.
        location: Folder of the run.
        edges: Parts of the kind `lineage_edges`; the rows of a table stand together in one part.
        naming: Namespace of the datasets, and whether names begin with the database.
        taken_at: Time of the events.

    Returns:
        The files, `exports/openlineage/part-{nnnnn}.jsonl.zst`.
    """
    import pyarrow as pa

    folder = f"{location.prefix}/exports/openlineage"
    made: list[PartInfo] = []
    for part in edges:
        with tempfile.TemporaryFile(prefix="flowkeep-") as file:
            sink = os.fdopen(os.dup(file.fileno()), "wb")
            events = 0
            with pa.CompressedOutputStream(sink, "zstd") as stream:
                for event in _events(_rows(storage, part.key), naming, rfc3339(taken_at)):
                    stream.write(orjson.dumps(event) + b"\n")
                    events += 1
            key = f"{folder}/part-{len(made):05d}.jsonl.zst"
            made.append(store_part(storage, key, file, events))
    delete_others(storage, folder, {part.key for part in made})
    return made


def _rows(storage: Storage, key: str) -> Iterator[Row]:
    """Yield edges from columns; the facet knows none from whole tables."""
    for table in read_tables(storage, key, list(_COLUMNS)):
        yield from (row for row in table.to_pylist() if row["source_column_name"])


def _events(rows: Iterator[Row], naming: Naming, taken_at: str) -> Iterator[dict[str, Any]]:
    for _, edges in groupby(rows, key=lambda row: tuple(row[name] for name in _TARGET)):
        of_table = list(edges)
        facet = {"_producer": producer(), "_schemaURL": FACET_SCHEMA, **_lineage(of_table, naming)}
        dataset = _dataset(of_table[0], _TARGET, naming)
        yield {
            "eventTime": taken_at,
            "producer": producer(),
            "schemaURL": EVENT_SCHEMA,
            "dataset": {**dataset, "facets": {"columnLineage": facet}},
        }


def _lineage(edges: Sequence[Row], naming: Naming) -> dict[str, Any]:
    """Return the members of the facet; an edge to no column concerns the whole dataset."""
    by_target: dict[str, dict[tuple[Any, ...], dict[str, Any]]] = {}
    for edge in edges:
        inputs = by_target.setdefault(edge["column_name"], {})
        source = tuple(edge[name] for name in (*_SOURCE, "source_column_name"))
        one = inputs.setdefault(
            source,
            {
                **_dataset(edge, _SOURCE, naming),
                "field": edge["source_column_name"],
                "transformations": [],
            },
        )
        one["transformations"].append(
            {
                "type": "DIRECT" if edge["direct"] else "INDIRECT",
                "subtype": edge["transformation"],
            }
        )
    whole = list(by_target.pop("", {}).values())
    fields = {name: {"inputFields": list(inputs.values())} for name, inputs in by_target.items()}
    return {"fields": fields, **({"dataset": whole} if whole else {})}


def _dataset(row: Row, columns: Sequence[str], naming: Naming) -> dict[str, str]:
    names = [row[name] for name in columns]
    if not naming.database_in_names:
        names = names[1:]
    return {"namespace": naming.namespace, "name": ".".join(name for name in names if name)}
