"""A disk that is full, and storage that goes away: a clear error, and earlier results stay."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowkeep.errors import FlowkeepError, SourceUnavailable
from flowkeep.extraction.metadata.manifest import read_manifest
from flowkeep.extraction.metadata.verify import verify_manifest
from flowkeep.storage import Storage
from tests.extraction.object_store import ObjectStore
from tests.extraction.support import COLUMNS, extract, extraction_of, fetch, rows_of

NOISE = COLUMNS.format(value="md5(random()::text)", rows=200_000)
"""More than a megabyte, however it is packed."""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    folder = tmp_path / "small"
    folder.mkdir()
    options = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    mounted = subprocess.run(options, check=False, capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_named_and_earlier_results_stay(
    sample_url: str, database_url: str, small_disk: Path
) -> None:
    """The attempt fails with the path and what to look at; the run before is whole."""
    storage = Storage(small_disk.as_uri())
    reference, _ = extract(extraction_of(sample_url, storage, "before"))
    with pytest.raises(SourceUnavailable, match=rf"{small_disk}: .*No space left.*disk space"):
        fetch(database_url, storage, NOISE, run_id="after")
    assert verify_manifest(storage, reference.key) == []
    assert not list(storage.list("tenant/app/Flow/after"))


def test_a_full_temporary_folder_is_named(
    database_url: str, small_disk: Path, tmp_path: Path
) -> None:
    """Parts are written beside the storage first: a full disk there says so, too."""
    program = (
        "import sys; from tests.extraction.test_bad_storage import fill;"
        "fill(sys.argv[1], sys.argv[2])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, database_url, (tmp_path / "storage").as_uri()],
        env={"TMPDIR": str(small_disk), "PYTHONPATH": "."},
        check=False,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith(
        f"SourceUnavailable cannot write to the temporary folder {small_disk}: No space left"
    )


def fill(url: str, storage: str) -> None:
    """Fetch more than fits and print the error; for a process of its own."""
    try:
        fetch(url, Storage(storage), NOISE)
    except FlowkeepError as error:
        print(type(error).__name__, error)


async def test_a_store_that_goes_away_leaves_the_manifest_before_it(
    sample_url: str, tmp_path: Path
) -> None:
    """A run that the store leaves alone fails; once it is back, the run before is whole."""
    store = ObjectStore(tmp_path / "store")
    await store.start()
    storage = Storage(store.url)
    reference, before = extract(extraction_of(sample_url, storage, "before"))
    extraction = extraction_of(sample_url, storage, "after")
    fetched = extraction.fetch("tables")
    await store.kill()
    with pytest.raises(SourceUnavailable, match="s3://bucket"):
        extraction.fetch("columns")
    with pytest.raises(SourceUnavailable, match="s3://bucket"):
        extraction.transform(fetched)
    await store.start()
    assert read_manifest(storage, reference.key) == before
    assert verify_manifest(storage, reference.key) == []
    assert len(rows_of(storage, fetched)) == fetched.rows
    assert not storage.exists("tenant/app/Flow/after/manifest.json")
    await store.kill()
