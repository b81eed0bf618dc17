"""A memory of the latest shapes, bounded in bytes."""

from flowkeep.extraction.logs.shape import Shape, Unreadable

MEMO_BYTES = 32 * 1024 * 1024
"""What a memo may hold, roughly, in bytes."""
_ENTRY_BYTES = 1_000
"""What a shape takes besides its text and the key it is found by: hashes, tables, the slot."""


class Memo:
    """Remembers what was used since about half its bytes came in.

    Two generations: what is found in the old one moves to the new one, and when the new one is
    full the old one goes. That is as good as an exact order of use here, and cheaper.

    Args:
        limit: Most bytes to hold, roughly.
    """

    def __init__(self, limit: int = MEMO_BYTES) -> None:
        self._half = limit // 2
        self._new: dict[str, Shape | Unreadable] = {}
        self._old: dict[str, Shape | Unreadable] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._new) + len(self._old)

    def get(self, name: str) -> Shape | Unreadable | None:
        """Return what was put under the name, None when it is not remembered."""
        found = self._new.get(name)
        if found is None:
            found = self._old.get(name)
            if found is not None:
                self.put(name, found)
        return found

    def put(self, name: str, shape: Shape | Unreadable) -> None:
        """Remember a shape; one that is larger than the memo is not."""
        text = shape.text if isinstance(shape, Shape) else None
        size = _ENTRY_BYTES + 4 * (len(name) + len(text or ""))
        if size > self._half:
            return
        if self._bytes + size > self._half:
            self._old, self._new, self._bytes = self._new, {}, 0
        self._new[name] = shape
        self._bytes += size
