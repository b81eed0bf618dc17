"""What the tests of these sources need."""

from pathlib import Path
from typing import Any

from flowkeep.extraction.credentials import SourceCredentials
from flowkeep.extraction.metadata.extraction import MetadataExtraction
from flowkeep.extraction.metadata.keys import RunLocation
from flowkeep.extraction.options import ExtractionOptions
from flowkeep.extraction.sources.base import Source
from flowkeep.extraction.sources.registry import source_class
from flowkeep.storage import Storage

MARIADB_SAMPLE = (Path(__file__).with_name("mariadb_sample.sql")).read_text().split("\n;;\n")


def source_of(url: str, **options: Any) -> Source:
    """The source for a URL, of the class that its dialect has."""
    credentials = SourceCredentials.read({"url": url})
    return source_class(credentials)(credentials, **options)


def extraction_of(
    source: Source, storage: Storage, run_id: str = "run-1", **arguments: Any
) -> MetadataExtraction:
    """An extraction of a source; `options` are what stands under `metadata`."""
    options = ExtractionOptions.read(arguments.pop("options", None))
    location = RunLocation("tenant", "app", "Flow", run_id)
    return MetadataExtraction(source, storage, location, options, **arguments)


def named(found: list[dict[str, Any]], suffix: str) -> dict[str, Any]:
    """Attributes of the only entity whose qualified name ends so."""
    (one,) = [entity for entity in found if entity["qualifiedName"].endswith(suffix)]
    attributes: dict[str, Any] = one["attributes"]
    return attributes
