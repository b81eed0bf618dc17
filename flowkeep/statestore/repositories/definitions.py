"""Stored definitions."""

from flowkeep.statestore.session import Scope


class Definitions:
    """Definitions; see the Protocol `DefinitionRepository`.

    Args:
        scope: Where sessions come from.
    """

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
