"""The actions that come with flowkeep, one module each.

Heavy libraries load when an action is first called.
"""

from collections.abc import Sequence

from flowkeep.definitions.action_definition import Action
from flowkeep.definitions.builtin.http import http_action
from flowkeep.definitions.builtin.http_hosts import HostRules
from flowkeep.definitions.builtin.plain import plain_actions
from flowkeep.definitions.builtin.shell import shell_action
from flowkeep.definitions.builtin.sql import sql_action
from flowkeep.definitions.builtin.waiting import workflow_actions


def built_in(
    *,
    allow_shell: bool = False,
    http_allow: Sequence[str] | None = None,
    http_refuse: Sequence[str] = (),
) -> list[Action]:
    """Return the actions that come with flowkeep.

    Args:
        allow_shell: Whether `core.shell` is among them: whoever may write definitions may then run
            any program as the worker's user.
        http_allow: Hosts that `core.http` may reach: names, patterns like `*.example.com`,
            addresses and networks; null for all but those that are refused.
        http_refuse: Hosts that it must not reach, beside link-local addresses and those from which
            clouds hand out credentials.

    Raises:
        ConfigurationError: If a pattern cannot be used.
    """
    shell = [shell_action()] if allow_shell else []
    http = http_action(HostRules(http_allow, http_refuse))
    return [http, sql_action(), *shell, *plain_actions(), *workflow_actions()]
