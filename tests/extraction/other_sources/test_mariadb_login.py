"""MariaDB: who is let in, who is told what, and what a role can see."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from flowkeep.errors import ConfigurationError, FlowkeepError, SourceUnavailable
from flowkeep.extraction.credentials import SourceCredentials
from flowkeep.extraction.handler import SQLHandler
from flowkeep.extraction.sources.mysql import MySQLSource
from flowkeep.extraction.sources.mysql_grants import Grants
from flowkeep.storage import Storage
from tests.extraction.other_sources.support import extraction_of, source_of
from tests.extraction.support import extract, rows_of
from tests.servers.mariadb import MariaDBServer

CANARY = "canary-7f3a-secret"


def attempt(url: str, **credentials: Any) -> FlowkeepError:
    """The error that connecting raises."""
    source = MySQLSource(SourceCredentials.read({"url": url, **credentials}))
    with pytest.raises(FlowkeepError) as caught, source.session():
        pass
    assert CANARY not in str(caught.value)
    return caught.value


@pytest.fixture
def roles(mariadb: MariaDBServer) -> Iterator[MariaDBServer]:
    """The server with roles that may do little; they are gone afterwards."""
    grants = {
        "reader": "SELECT ON *.*",
        "seer": "SELECT, SHOW VIEW, TRIGGER, EXECUTE ON *.*",
        "viewer": "SELECT, SHOW VIEW, TRIGGER ON *.*",
        "clerk": "SELECT ON shop.orders",
        "clerk2": "SELECT ON shop.orders",
        "nobody": "USAGE ON *.*",
    }
    for name, grant in grants.items():
        mariadb.run(
            f"CREATE OR REPLACE USER {name}@'%' IDENTIFIED BY 'pw-{name}'",
            f"GRANT {grant} TO {name}@'%'",
        )
    yield mariadb
    for name in grants:
        mariadb.run(f"DROP USER {name}@'%'")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"password": CANARY}, ["Access denied", "as keeper", "check user and password"]),
        ({"password": "пароль-" + CANARY}, ["Access denied", "check user and password"]),
        ({"username": "stranger"}, ["Access denied", "as stranger"]),
        ({"database": "no_such"}, ["Unknown database 'no_such'", "credentials.database"]),
        ({"host": "-no-such-host"}, ["-no-such-host", "host name is unknown"]),
        ({"host": "x" * 70}, ["x" * 70, "host name is unknown"]),
        ({"extra": {"ssl_mode": "required"}}, ["SSL", "ssl_mode"]),
        ({"extra": {"ssl_mode": "sometimes"}}, ["ssl_mode is 'sometimes'", "verify_identity"]),
        ({"extra": {"ssl_ca": "/no/such/file"}}, ["certificate cannot be read", "ssl_ca"]),
        ({"extra": {"init_command": "SELECT 1"}}, ["credentials.extra.init_command", "ssl_mode"]),
    ],
)
def test_what_somebody_must_correct_is_not_retried(
    mariadb: MariaDBServer, fields: dict[str, Any], words: list[str]
) -> None:
    """Wrong password, role, database, host and options are configuration errors that name it."""
    error = attempt(mariadb.url, **fields)
    assert isinstance(error, ConfigurationError)
    for word in words:
        assert word in str(error)


def test_a_refused_connection_is_retried() -> None:
    """Nobody listens: worth another try."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        error = attempt(f"mysql://user:{CANARY}@127.0.0.1:{port}/")
    assert isinstance(error, SourceUnavailable)
    assert f"127.0.0.1:{port}" in str(error)


def test_a_server_without_free_places_is_retried(mariadb: MariaDBServer) -> None:
    """Too many connections pass by themselves."""
    mariadb.run("CREATE USER guest@'%' IDENTIFIED BY 'g' WITH MAX_USER_CONNECTIONS 1")
    url = mariadb.url_of("guest", "g")
    with source_of(url).session():
        error = attempt(url)
    mariadb.run("DROP USER guest@'%'")
    assert isinstance(error, SourceUnavailable)
    assert "max_user_connections" in str(error)


def test_a_database_above_schemas_does_not_exist(mariadb: MariaDBServer) -> None:
    """Who lists schemas as databases is told where to write them."""
    source = source_of(mariadb.url)
    with pytest.raises(ConfigurationError, match="include_schemas"), source.session("shop"):
        pass


def test_a_limited_role_says_what_is_hidden(roles: MariaDBServer, storage: Storage) -> None:
    """A role without rights everywhere is warned about, and its result is compared with none."""
    url = roles.url_of("clerk", "pw-clerk")
    extraction = extraction_of(source_of(url), storage)
    tables = extraction.fetch("tables")
    assert tables.rows == 1
    (scope,) = tables.scopes
    assert scope.visibility.startswith("grants ")
    _, manifest = extract(extraction)
    (warning,) = manifest["warnings"]
    assert "clerk@%, who may not see everything" in warning
    handler = SQLHandler(source_class=MySQLSource)
    handler.load({"url": url})
    result = handler.preflight_check({})
    (check,) = [one for one in result.checks if one.name.startswith("visibility")]
    assert not check.ok
    assert check.level == "warning"
    assert "lacks SELECT, SHOW VIEW, TRIGGER, EXECUTE ON *.*" in check.message


def test_equal_grants_are_equal_visibility(roles: MariaDBServer) -> None:
    """Roles with equal grants see alike; other grants, another password or name do not matter."""

    def visibility(name: str) -> str:
        with source_of(roles.url_of(name, f"pw-{name}")).session() as session:
            return session.visibility

    assert visibility("clerk") == visibility("clerk2")
    assert len({visibility(name) for name in ("clerk", "reader", "nobody", "seer")}) == 4
    assert visibility("seer") == "all"
    with source_of(roles.url).session() as session:
        assert session.visibility == "all"


def test_who_may_read_everything_sees_everything(roles: MariaDBServer, storage: Storage) -> None:
    """What the preflight asks for is enough: all counts are those of a role with all rights."""
    seer = source_of(roles.url_of("seer", "pw-seer"))
    for kind in seer.statements:
        mine = extraction_of(seer, storage, "seer").fetch(kind)
        assert mine.scopes[0].status == "complete"
        theirs = extraction_of(source_of(roles.url), storage, "all").fetch(kind)
        assert mine.rows == theirs.rows
        assert [part.sha256 for part in mine.scopes[0].parts] == [
            part.sha256 for part in theirs.scopes[0].parts
        ]


def test_views_that_call_what_the_role_may_not_execute(
    roles: MariaDBServer, storage: Storage
) -> None:
    """The server hides their columns: a partial scope; its own such views are nobody's business."""
    viewer = source_of(roles.url_of("viewer", "pw-viewer"))
    without = extraction_of(viewer, storage).fetch("columns").scopes[0]
    assert (without.status, without.visibility == "all") == ("complete", False)
    roles.run(
        "CREATE FUNCTION shop.f1() RETURNS int DETERMINISTIC RETURN 1",
        "CREATE VIEW shop.calls AS SELECT shop.f1() AS one",
    )
    columns = extraction_of(viewer, storage, "run-2").fetch("columns").scopes[0]
    roles.run("DROP VIEW shop.calls", "DROP FUNCTION shop.f1")
    assert columns.status == "partial"
    assert "'shop.f1'" in str(columns.reason)
    assert "sys." not in str(columns.reason)


def test_schemas_without_any_right_are_closed(roles: MariaDBServer) -> None:
    """A grant on a schema or a pattern of names opens it, with escapes as the server reads them."""
    grants = Grants(
        [
            "GRANT USAGE ON *.* TO `a`@`%` IDENTIFIED BY PASSWORD '*1'",
            "GRANT SELECT ON `shop\\_%`.* TO `a`@`%`",
            "GRANT EXECUTE ON FUNCTION `tools`.`f` TO `a`@`%`",
        ]
    )
    names = ["shop_1", "shopx", "tools", "other"]
    assert [grants.open(name) for name in names] == [True, False, True, False]
    assert grants.missing == ("SELECT", "SHOW VIEW", "TRIGGER", "EXECUTE")
    assert Grants(grants.lines, opens_views=False).missing == ("SELECT", "SHOW VIEW", "TRIGGER")
    assert Grants(["GRANT SELECT ON *.* TO `a`@`%`", "REVOKE SELECT ON `x`.* FROM `a`"]).missing


@pytest.mark.parametrize(
    ("version", "right", "words"),
    [
        ("10.11.19-MariaDB-log", True, "MariaDB 10.11.19"),
        ("5.5.5-10.5.3-MariaDB", False, "10.6 or later"),
        ("8.0.36", True, "MySQL 8.0.36"),
        ("5.7.44-log", False, "8.0 or later"),
    ],
)
def test_versions_are_judged(mariadb: MariaDBServer, version: str, right: bool, words: str) -> None:
    """Servers older than the statements are refused with the version that is needed."""
    source = source_of(mariadb.url)
    with source.session() as session:
        info = session.info.model_copy(update={"version": version})
    found, sentence = source.check_version(info)
    assert found is right
    assert words in sentence


@pytest.mark.parametrize(
    ("options", "only"),
    [
        ({}, True),
        ({"filters": ["exclude table glob o*"]}, True),
        ({"filters": ["include schema glob *"]}, False),
        ({"include_system_schemas": True}, False),
    ],
)
def test_the_database_of_the_url_is_the_scope(
    mariadb: MariaDBServer, storage: Storage, options: dict[str, Any], only: bool
) -> None:
    """Where nothing else chooses schemas, the URL does, and the manifest's filters say so."""
    source = source_of(f"{mariadb.url}shop")
    extraction = extraction_of(source, storage, options=options)
    schemas = {row["schema_name"] for row in rows_of(storage, extraction.fetch("schemas"))}
    assert (schemas == {"shop"}) is only
    assert "shop" in schemas
    assert extraction.options.filters()["include_schemas"] == (["shop"] if only else [])
    handler = SQLHandler()
    handler.load({"url": f"{mariadb.url}shop"})
    checks = {
        one.name: one.message for one in handler.preflight_check({"metadata": options}).checks
    }
    assert ("rule: include schema exact shop" in checks) is only
