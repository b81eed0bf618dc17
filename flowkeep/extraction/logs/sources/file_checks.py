"""Whether a log of files can be read, before it is."""

from typing import TYPE_CHECKING

from flowkeep.contracts import CheckResult
from flowkeep.errors import ConfigurationError, Incomplete, NotFound, SourceUnavailable
from flowkeep.extraction.logs.sources.log_files import (
    is_compressed,
    looks_compressed,
    read_range,
)
from flowkeep.extraction.logs.sources.record_blocks import RecordBlock, RecordReader
from flowkeep.storage.objects import StoredObject

if TYPE_CHECKING:
    from flowkeep.extraction.logs.sources.files import LogFileSource

_LOOKED_AT = 1 << 20


def check_files(source: "LogFileSource") -> list[CheckResult]:
    """Look for the files, and into one.

    Args:
        source: The log.

    Raises:
        SourceUnavailable: If the store cannot be reached now.
    """
    try:
        listed = source.files.all()
    except ConfigurationError as error:
        return [CheckResult(name="location", ok=False, message=str(error))]
    files = [file for file in listed if source.files.matches(file.key)]
    size = sum(file.size for file in files)
    results = [
        CheckResult(
            name="location",
            ok=bool(files),
            message=f"{source.files.url}: {len(files)} files match {source.pattern}, {size} bytes",
            level="warning",
        )
    ]
    results += [problem for file in files if (problem := _unreadable(source, file))]
    if all(result.ok for result in results) and size:
        results += _check_content(source, [file for file in files if file.size])
    return results


def _unreadable(source: "LogFileSource", file: StoredObject) -> CheckResult | None:
    message = ""
    try:
        with source.files.open(file.key) as opened:
            packed = looks_compressed(read_range(opened, 0, 8))
    except ConfigurationError as error:
        message = str(error)
    except NotFound:
        return None  # rotated just now
    else:
        if packed or is_compressed(file.key):
            message = f"{file.key} is compressed: it must be decompressed first"
    return CheckResult(name="readable", ok=False, message=message) if message else None


def _check_content(source: "LogFileSource", files: list[StoredObject]) -> list[CheckResult]:
    """Check the first records of the last file by name, as servers name files by time."""
    file = max(files, key=lambda one: one.key)
    blocks = _first_blocks(source, file)
    records = [record for block in blocks for record in block.records if record.strip()]
    if not records:
        message = f"{file.key} holds no finished record yet"
        return [CheckResult(name="format", ok=False, message=message, level="warning")]
    problem = source.format_problem(records[0])
    if problem:
        message = f"the first record of {file.key} is no {source.kind}: {problem}"
        return [CheckResult(name="format", ok=False, message=message)]
    parser = source.parser(file.key)
    for block in blocks:
        parser.parse(block)
    chunk = parser.taken()
    abroad = sum(one.reason == "unknown_timezone" for one in chunk.rejected)
    unknown = f"{abroad} times in {file.key} are in a zone that is not known: set the option"
    silent = f"none of the first {chunk.read} records of {file.key} names a statement: set"
    return [
        CheckResult(name="format", ok=True, message=f"{file.key} is a {source.kind}"),
        CheckResult(
            name="timezone",
            ok=not abroad,
            message=f"{unknown} timezone to the server's log_timezone" if abroad else "",
        ),
        CheckResult(
            name="statements",
            ok=bool(chunk.statements),
            message=""
            if chunk.statements
            else f"{silent} log_min_duration_statement = 0 and lc_messages = 'C' on the server",
            level="warning",
        ),
    ]


def _first_blocks(source: "LogFileSource", file: StoredObject) -> list[RecordBlock]:
    """Return the finished records of a file's first mebibyte."""
    try:
        with source.files.open(file.key) as opened:
            reader = RecordReader(opened, file.key, source.splitter(), source.max_record_bytes)
            blocks = list(reader.blocks(0, min(file.size, _LOOKED_AT)))
    except NotFound:
        raise SourceUnavailable(f"{file.key} vanished while it was checked") from None
    except Incomplete as error:
        raise SourceUnavailable(error.message) from None
    return [block for block in blocks if not block.unfinished]
