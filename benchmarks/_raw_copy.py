"""The floor of an extraction: `psql` runs the very same statements, what comes goes nowhere."""

import os
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

from flowkeep.extraction.credentials import SourceCredentials
from flowkeep.extraction.metadata.extraction import MetadataExtraction
from flowkeep.extraction.metadata.keys import RunLocation
from flowkeep.extraction.options import ExtractionOptions
from flowkeep.extraction.sources.postgresql import PostgreSQLSource
from flowkeep.local_engine.isolation import find_binaries
from flowkeep.storage import Storage


def extraction_of(url: str, folder: str) -> MetadataExtraction:
    """Return an extraction without a workflow.

    Args:
        url: The database.
        folder: Absolute path of the folder its files go to.
    """
    return MetadataExtraction(
        PostgreSQLSource(SourceCredentials.read({"url": url})),
        Storage(Path(folder).as_uri()),
        RunLocation("benchmark", None, "benchmark", "run"),
        ExtractionOptions(),
    )


def copy_statements(url: str, kinds: Iterable[str]) -> list[str]:
    """Return the COPY statements that an extraction of these kinds runs, parameters filled in."""
    extraction = extraction_of(url, "/")
    with extraction.source.session() as session:
        return [
            session.copy_text(extraction.statement(kind))  # type: ignore[attr-defined]
            for kind in kinds
        ]


def raw_copy(url: str, statements: Iterable[str]) -> float:
    """Return the seconds that `psql` takes, process start included.

    One connection runs the statements one after the other, with the memory for sorting that an
    extraction has.

    Args:
        url: The database.
        statements: COPY to STDOUT.

    Raises:
        subprocess.CalledProcessError: If a statement fails.
    """
    parts = urlsplit(url)
    environment = {
        **os.environ,
        "PGPASSWORD": parts.password or "",
        "PGOPTIONS": "-c work_mem=64MB",
    }
    shown = parts._replace(netloc=f"{parts.username}@{parts.hostname}:{parts.port}").geturl()
    command = [str(find_binaries() / "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", shown]
    for statement in statements:
        command += ["-c", statement]
    begin = time.perf_counter()
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - begin
