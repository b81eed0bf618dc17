"""Apps: containers inside a tenant."""

from flowkeep.statestore.session import Scope


class Apps:
    """Apps; see the Protocol `AppRepository`.

    Args:
        scope: Where sessions come from.
    """

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
