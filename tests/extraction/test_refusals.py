"""Who is not let in learns whether one database refuses or the whole server."""

from typing import Any

import pytest

from flowkeep.errors import ConfigurationError
from flowkeep.extraction.sources.base import DATABASE_REFUSED, SOURCE_REFUSED
from tests.extraction.support import run, source_of, with_


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"database": "no such database"}, DATABASE_REFUSED),
        ({"database": "closed_to_all"}, DATABASE_REFUSED),
        ({"database": "closed_to_most", "user": "locked_out", "password": "l"}, DATABASE_REFUSED),
        ({"password": "wrong"}, SOURCE_REFUSED),
        ({"user": "nobody"}, SOURCE_REFUSED),
    ],
)
def test_one_database_that_refuses_is_told_apart_from_wrong_credentials(
    engine: Any, change: dict[str, str], code: str
) -> None:
    """A database that is gone or closed has another code than a login that fits none."""
    admin = engine.database_url
    run(
        admin,
        "CREATE DATABASE closed_to_all ALLOW_CONNECTIONS false",
        "CREATE DATABASE closed_to_most",
        "REVOKE CONNECT ON DATABASE closed_to_most FROM PUBLIC",
        "CREATE ROLE locked_out LOGIN PASSWORD 'l'",
    )
    try:
        with (
            pytest.raises(ConfigurationError) as raised,
            source_of(with_(admin, **change)).session(),
        ):
            pass
    finally:
        run(
            admin,
            "DROP DATABASE closed_to_all",
            "DROP DATABASE closed_to_most",
            "DROP ROLE locked_out",
        )
    assert raised.value.code == code
