"""An object as a file of which only some pieces are read."""

import io
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any


class Pieces(io.RawIOBase):
    """A read-only file over a reader of `obstore`, whose errors are told as ours.

    Args:
        reader: The library's reader.
        translated: Makes the context that translates the library's errors.
    """

    def __init__(self, reader: Any, translated: Callable[[], AbstractContextManager[None]]) -> None:
        self._reader = reader
        self._translated = translated

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def seekable(self) -> bool:
        """Return that it can seek."""
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place; see `io.IOBase.seek`."""
        with self._translated():
            return int(self._reader.seek(offset, whence))

    def tell(self) -> int:
        """Return the place."""
        with self._translated():
            return int(self._reader.tell())

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes, all that are left when it is negative."""
        with self._translated():
            if size is None or size < 0:
                return bytes(self._reader.read())
            return bytes(self._reader.read(size))
