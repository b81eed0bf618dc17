"""Writing the rows of a kind: as they are, and as entities."""

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from flowkeep.contracts.extraction import KindAssets, KindResult, PartInfo
from flowkeep.extraction.logs.frames import GroupedFile
from flowkeep.extraction.metadata.assets import write_assets
from flowkeep.extraction.metadata.keys import RunLocation
from flowkeep.extraction.metadata.kinds import Kind
from flowkeep.extraction.metadata.parts import Progress, delete_others
from flowkeep.extraction.metadata.transform import Transformer
from flowkeep.storage import Storage

if TYPE_CHECKING:
    import polars as pl

_TYPES = {"text": "string", "integer": "int64", "boolean": "bool", "list": "string"}
_GROUP_ROWS = 50_000


def write_kind(
    storage: Storage,
    location: RunLocation,
    kind: Kind,
    name: str,
    frames: Iterable["pl.DataFrame"],
    transformer: Transformer,
    taken_at: datetime,
    progress: Progress | None = None,
) -> tuple[KindResult, KindAssets]:
    """Write a kind's rows to Parquet, one part per frame, and make entities of them.

    Args:
        storage: Where the files go.
        location: Folder of the run.
        kind: The kind.
        name: What was read, in the place of a database's name.
        frames: The rows.
        transformer: Makes the entities.
        taken_at: When the run was planned.
        progress: Called with entities and file bytes so far.
    """
    columns = {name: _TYPES[one] for name, one in kind.columns.items()}
    parts: list[PartInfo] = []
    for frame in frames:
        key = location.part("raw", kind.name, name, len(parts), "parquet")
        with GroupedFile(columns) as file:
            for start in range(0, frame.height, _GROUP_ROWS):
                rows = frame.slice(start, _GROUP_ROWS).select(list(columns))
                file.write_table(0, rows.to_arrow())
            if file.rows:
                parts.append(file.store(storage, key))
    delete_others(storage, location.scope("raw", kind.name, name), {part.key for part in parts})
    count = sum(part.rows for part in parts)
    result = KindResult(
        kind=kind.name,
        database=name,
        parts=parts,
        planned=count,
        read=count,
        written=count,
        snapshot="",
        taken_at=taken_at,
        source=None,
    )
    return result, write_assets(storage, location, kind, result, transformer, progress)
