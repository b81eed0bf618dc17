"""Packages that only some commands need."""

from importlib.util import find_spec

from flowkeep.errors import ConfigurationError


def require_extra(module: str, extra: str, what: str) -> None:
    """Make sure that an extra of the package is installed.

    Args:
        module: A module that it brings.
        extra: Its name.
        what: What needs it, for the message.

    Raises:
        ConfigurationError: If it is not.
    """
    if find_spec(module) is None:
        raise ConfigurationError(
            f"{what} needs the package {module}", hint=f"install flowkeep[{extra}]"
        )
