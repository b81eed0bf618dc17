"""Actions that tasks call."""

from flowkeep.statestore.session import Scope


class Actions:
    """Actions; see the Protocol `ActionRepository`.

    Args:
        scope: Where sessions come from.
    """

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
