"""Creating the sample database."""

from importlib.resources import files
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
from psycopg import sql

_MARK = "flowkeep sample database"
_VERSION = 2


def create_sample_database(admin_url: str, name: str = "flowkeep_sample") -> str:
    """Create the sample database, unless it is there already; an earlier version of it stays.

    Args:
        admin_url: URL of any database of the server, for a role that may create databases.
        name: Name of the database to create.

    Returns:
        URL of the sample database, with the credentials of `admin_url`.

    Raises:
        FileExistsError: If there is a database of this name that we did not make.
        psycopg.Error: If the server cannot be reached or the role lacks rights.
    """
    url = urlunsplit(urlsplit(admin_url)._replace(path=f"/{quote(name, safe='')}"))
    with psycopg.connect(admin_url, autocommit=True) as admin:
        # One maker at a time: two demos may start at once.
        admin.execute("SELECT pg_advisory_lock(hashtext(%s))", (_MARK,))
        found = admin.execute(
            "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s",
            (name,),
        ).fetchone()
        if found is not None and (found[0] or "").startswith(_MARK):
            return url
        if found is not None and not _is_empty(url):
            raise FileExistsError(f"database {name} exists and is not the sample database")
        if found is None:
            admin.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'").format(
                    sql.Identifier(name)
                )
            )
        script = files(__package__).joinpath("sample_database.sql").read_text(encoding="utf-8")
        with psycopg.connect(url) as connection:  # one transaction: all of it or nothing
            connection.execute(script.encode())
        mark = sql.Literal(f"{_MARK}, version {_VERSION}")
        admin.execute(sql.SQL("COMMENT ON DATABASE {} IS {}").format(sql.Identifier(name), mark))
    return url


def _is_empty(url: str) -> bool:
    """Return whether a database holds no table: what a maker that was killed leaves behind."""
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace"
            " WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
        ).fetchone()
    return row is not None and row[0] == 0
