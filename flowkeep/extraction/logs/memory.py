"""What a source keeps from one run to the next, as files in storage."""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from flowkeep.extraction.logs.sources.base import Memory
from flowkeep.extraction.metadata.parts import open_parquet, read_tables, store_part
from flowkeep.storage import Storage

if TYPE_CHECKING:
    import pyarrow as pa


class StoredMemory(Memory):
    """Keeps tables as Parquet files.

    Args:
        storage: Where they lie.
        kept: Keys of what earlier runs kept.
        key_of: Number of a new table to its key; None where nothing can be kept.

    Attributes:
        new: Keys of what was kept by this one.
    """

    def __init__(
        self,
        storage: Storage,
        kept: Sequence[str],
        key_of: Callable[[int], str] | None = None,
    ) -> None:
        self._storage = storage
        self._kept = list(kept)
        self._key_of = key_of
        self.new: list[str] = []

    @property
    def kept(self) -> list[str]:
        """Keys of what earlier runs kept."""
        return self._kept

    def recall(self, keys: Iterable[str] | None = None) -> Iterator["pa.Table"]:
        """Yield what was kept; see `Memory.recall`."""
        for key in self._kept if keys is None else keys:
            yield from read_tables(self._storage, key)

    def keep(self, table: "pa.Table") -> None:
        """Keep a table; see `Memory.keep`."""
        assert self._key_of is not None, "only the reading of a window keeps something"
        key = self._key_of(len(self.new))
        with tempfile.TemporaryFile(prefix="flowkeep-") as file:
            with open_parquet(file, table.schema) as writer:
                writer.write_table(table)
            store_part(self._storage, key, file, table.num_rows)
        self.new.append(key)
