"""Actions: functions that tasks of definitions call by name.

::

    @action("files.copy", idempotent=True, timeout="10m")
    def copy(source: str, target: str, context: ActionContext) -> CopyResult:
        ...

The input and the result of such a function are described by its types: what does not fit is refused
before the function is called. It stays an ordinary function.
"""

from flowkeep.definitions.action_context import ActionContext, ActionError
from flowkeep.definitions.action_definition import IDEMPOTENT_RETRY, Action, action
from flowkeep.definitions.action_registry import ActionRegistry
from flowkeep.definitions.spec import Retry

__all__ = [
    "IDEMPOTENT_RETRY",
    "Action",
    "ActionContext",
    "ActionError",
    "ActionRegistry",
    "Retry",
    "action",
]
