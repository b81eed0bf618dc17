"""Drivers that are installed on demand."""

from importlib.util import find_spec

from flowkeep.errors import ConfigurationError

_PACKAGES = {
    "bigquery": "sqlalchemy-bigquery",
    "clickhouse": "clickhouse-sqlalchemy",
    "databricks": "databricks-sqlalchemy",
    "db2": "ibm_db_sa",
    "duckdb": "duckdb-engine",
    "hana": "sqlalchemy-hana",
    "redshift": "sqlalchemy-redshift",
    "snowflake": "snowflake-sqlalchemy",
    "teradatasql": "teradatasqlalchemy",
    "trino": "trino[sqlalchemy]",
    "vertica": "vertica-sqlalchemy",
}
"""Dialect to the package that brings it, for the hint of the error."""


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


def missing_dialect(dialect: str, module: str | None = None) -> ConfigurationError:
    """Return the error that SQLAlchemy cannot read a dialect here.

    Args:
        dialect: What the URL begins with.
        module: What could not be imported; None when nothing is known by the dialect's name.
    """
    package = module or _PACKAGES.get(dialect, f"the SQLAlchemy dialect for {dialect}")
    return ConfigurationError(
        f"credentials.url: nothing that is installed where the worker runs reads {dialect}",
        hint=f"pip install {package}" if " " not in package else f"install {package}",
        code="DRIVER_MISSING",
    )
