"""Drivers that are installed on demand."""

from importlib.util import find_spec

from flowkeep.errors import ConfigurationError


def need_driver(module: str, package: str, *, extra: str | None = None) -> None:
    """Check that a driver is installed.

    Args:
        module: What is imported.
        package: What is installed.
        extra: Our own extra that brings it.

    Raises:
        ConfigurationError: If it is not there; names the package to install.
    """
    if find_spec(module) is None:
        name = f"flowkeep[{extra}]" if extra else package
        raise ConfigurationError(
            f"the driver {package} is not installed where the worker runs",
            hint=f"pip install '{name}'",
            code="DRIVER_MISSING",
        )
