"""How long runs are kept, and their removal."""

from flowkeep.statestore.session import Scope


class Retention:
    """Retention; see the Protocol `RetentionRepository`.

    Args:
        scope: Where sessions come from.
    """

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
