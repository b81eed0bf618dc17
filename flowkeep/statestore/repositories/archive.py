"""Runs that move to object storage and back."""

from collections.abc import Callable

from flowkeep.statestore.session import Scope
from flowkeep.storage import Storage


class Archive:
    """The archive; see the Protocol `ArchiveRepository`.

    Args:
        scope: Where sessions come from.
        storage: Gives the object storage of bundles when it is needed.
    """

    def __init__(self, scope: Scope, storage: Callable[[], Storage]) -> None:
        self._scope = scope
        self._storage = storage
