"""Which class reads a source: the dialect of its credentials decides."""

from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from flowkeep.extraction.credentials import SourceCredentials
    from flowkeep.extraction.sources.base import Source

_PACKAGE = "flowkeep.extraction.sources"
_CLASSES = {
    "postgresql": ("postgresql", "PostgreSQLSource"),
    "mysql": ("mysql", "MySQLSource"),
    "sqlite": ("sqlite", "SQLiteSource"),
}
_FALLBACK = ("sqlalchemy_source", "SQLAlchemySource")


def source_class(credentials: "SourceCredentials") -> type["Source"]:
    """Return the class for the credentials' dialect.

    PostgreSQL, MySQL (and MariaDB) and SQLite have classes of their own. Whatever else SQLAlchemy
    has a dialect for is read through its inspector, which is slower.

    Args:
        credentials: How to reach the source; its `dialect` comes from the scheme of the URL.
    """
    module, name = _CLASSES.get(credentials.dialect, _FALLBACK)
    return cast("type[Source]", getattr(import_module(f"{_PACKAGE}.{module}"), name))
