"""What the handler finds before anything is extracted."""

from pathlib import Path
from typing import Any

import pytest

from flowkeep.contracts import CheckResult, PreflightResult
from flowkeep.errors import ConfigurationError, InvalidInput, SourceUnavailable
from flowkeep.extraction.handler import SQLHandler
from flowkeep.storage import Storage
from tests.extraction.support import run, with_


def check(
    url: str, storage: Storage | None = None, **options: Any
) -> tuple[PreflightResult, dict[str, CheckResult]]:
    """Run the preflight; the checks also by name."""
    handler = SQLHandler(storage)
    result = handler.preflight_check({"credentials": {"url": url}, "metadata": options})
    return result, {one.name: one for one in result.checks}


def test_a_good_set_up_passes_every_check(sample_url: str, storage: Storage) -> None:
    """Connection, version, visibility, schemas and output are each looked at."""
    result, checks = check(sample_url, storage, include_schemas=["sales", "odd.names"])
    assert result.failures == []
    assert result.warnings == []
    assert list(checks) == [
        "arguments",
        "connection to extraction_sample",
        "version",
        "visibility in extraction_sample",
        "rule: include schema exact sales",
        "rule: include schema exact odd.names",
        "scope",
        "output",
    ]
    assert checks["rule: include schema exact sales"].message == "matches 1 schema: sales"
    assert list(storage.list()) == []


def test_a_schema_that_no_database_has_fails(sample_url: str) -> None:
    """An include that matches nothing is an error, an exclude only a warning."""
    result, _ = check(sample_url, include_schemas=["sales", "Sales"], exclude_schemas=["x"])
    (failure,) = result.failures
    assert failure.name == "rule: include schema exact Sales"
    assert "matches no schema of any database: names are exact" in failure.message
    (warning,) = result.warnings
    assert warning.name == "rule: exclude schema exact x"


def test_a_schema_of_one_database_is_enough(
    sample_url: str, database_url: str, storage: Storage
) -> None:
    """With several databases each name must exist in one of them."""
    run(database_url, "CREATE SCHEMA only_here")
    databases = ["extraction_sample", database_url.rsplit("/", 1)[1]]
    result, _ = check(sample_url, databases=databases, include_schemas=["sales", "only_here"])
    assert result.failures == []


def test_each_database_that_fails_is_named(sample_url: str) -> None:
    """All reasons are given at once."""
    result, checks = check(sample_url, databases=["no_1", "extraction_sample", "no_2"])
    assert [one.name for one in result.failures] == ["connection to no_1", "connection to no_2"]
    assert "create the database" in result.failures[0].message
    assert checks["connection to extraction_sample"].ok


def test_a_role_that_cannot_query_still_sees_the_catalogue(
    database_url: str, storage: Storage
) -> None:
    """Missing USAGE is a warning that names role and schemas."""
    run(
        database_url,
        "CREATE SCHEMA closed",
        "CREATE TABLE closed.t (a integer)",
        "CREATE ROLE limited LOGIN PASSWORD 'l'",
    )
    url = with_(database_url, user="limited", password="l")
    result, _ = check(url, storage)
    assert result.failures == []
    (warning,) = result.warnings
    assert "limited lacks USAGE on closed" in warning.message
    from tests.extraction.support import extraction_of

    assert extraction_of(url, storage).fetch("tables").rows == 1
    run(database_url, "DROP ROLE limited")


def test_an_output_that_cannot_be_written_fails(sample_url: str, tmp_path: Path) -> None:
    """The storage URL and the way out are in the message."""
    (tmp_path / "file").write_text("in the way")
    result, _ = check(sample_url, Storage((tmp_path / "file" / "storage").as_uri()))
    (failure,) = result.failures
    assert failure.name == "output"
    assert str(tmp_path / "file" / "storage") in failure.message
    assert "FLOWKEEP_STORAGE_URL" in failure.message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "credentials.host is missing"),
        ({"credentials": {"host": "h"}, "metadata": {"filter": 1}}, "metadata.filter"),
        ({"credentials": "x"}, "must be a mapping"),
    ],
)
def test_arguments_that_do_not_fit_fail_a_check(arguments: Any, message: str) -> None:
    """Wrong arguments are reported like every other reason."""
    result = SQLHandler().preflight_check(arguments)
    (failure,) = result.failures
    assert failure.name == "arguments"
    assert message in failure.message


def test_a_server_that_is_away_is_an_error_to_retry(sample_url: str) -> None:
    """A preflight does not judge what may be different in a minute."""
    with pytest.raises(SourceUnavailable):
        check(with_(sample_url, port="1"))


def test_a_login_can_be_tested(sample_url: str) -> None:
    """test_auth logs in, or says why not."""
    handler = SQLHandler()
    with pytest.raises(ConfigurationError, match="call load"):
        handler.test_auth()
    handler.load({"url": sample_url})
    assert handler.test_auth() is True
    handler.load({"url": with_(sample_url, password="wrong")})
    with pytest.raises(ConfigurationError, match="password"):
        handler.test_auth()


def test_databases_and_schemas_can_be_listed(sample_url: str, database_url: str) -> None:
    """Names to choose a filter from, of any database of the server."""
    other = database_url.rsplit("/", 1)[1]
    run(database_url, 'CREATE SCHEMA "Awkward.one"')
    handler = SQLHandler()
    handler.load({"url": sample_url})
    databases = handler.fetch_metadata("databases")
    assert {"database_name": other} in databases
    assert {"database_name": "template1"} not in databases
    schemas = handler.fetch_metadata("schemas", other)
    assert {"database_name": other, "schema_name": "Awkward.one"} in schemas
    assert {"database_name": other, "schema_name": "sales"} not in schemas
    assert {"database_name": "extraction_sample", "schema_name": "sales"} in (
        handler.fetch_metadata("schemas")
    )
    with pytest.raises(InvalidInput, match="cannot be listed"):
        handler.fetch_metadata("tables")
