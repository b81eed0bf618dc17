"""Filter rules on the command line and in files."""

import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from flowkeep.cli.app import cli
from flowkeep.cli.extract_filters import read_filters
from flowkeep.extraction.options import ExtractionOptions

SALES = "include schema exact sales"
TEMPORARY = "exclude table insensitive glob tmp*"


def test_rules_of_a_file(tmp_path: Path) -> None:
    """A file holds lines with comments, or a JSON list; rules of the command line come after."""
    plain, listed = tmp_path / "rules.txt", tmp_path / "rules.json"
    plain.write_text(f"# ours\n\n{SALES}\n  {TEMPORARY}\n")
    listed.write_text(json.dumps([SALES, TEMPORARY]))
    assert read_filters([], str(plain)) == read_filters([], str(listed))
    found = read_filters(["exclude schema exact hr"], str(plain))
    assert found == {"filters": [SALES, TEMPORARY, "exclude schema exact hr"]}


def test_what_is_read_is_what_an_extraction_takes(tmp_path: Path) -> None:
    """Sentences and objects of a file become rules of the options."""
    file = tmp_path / "rules.json"
    rule = {"action": "exclude", "level": "table", "value": "x", "schema": "hr"}
    file.write_text(json.dumps({"filters": [SALES, rule], "exclude_views": True}))
    options = ExtractionOptions.read(read_filters(["exclude table glob tmp*"], str(file)))
    assert [one.value for one in options.rules] == ["sales", "x", "tmp*"]
    assert options.exclude_views


def test_other_fields_of_a_file_count_unless_the_command_line_says_otherwise(
    tmp_path: Path,
) -> None:
    """Fields of a file beside its rules reach the run; an option is stronger than the file."""
    file = tmp_path / "rules.json"
    file.write_text(json.dumps({"databases": ["hr", "shop"], "exclude_views": True}))
    found = [
        checks(tmp_path, "--filter-file", str(file), *more)
        for more in ((), ("--database", "sales"))
    ]
    assert [sorted(names) for names in found] == [
        ["connection to hr", "connection to shop"],
        ["connection to sales"],
    ]


def checks(folder: Path, *options: str) -> list[str]:
    """Names of the connections that a preflight of a file of SQLite tries, which has none such."""
    source = folder / "source.db"
    source.touch()
    command = ["extract", "preflight", "--source", f"sqlite:///{source}", "-o", "json"]
    environment = {"FLOWKEEP_STORAGE_URL": (folder / "storage").as_uri()}
    result = CliRunner().invoke(cli, [*command, *options], env=environment)
    return [
        one["name"]
        for one in json.loads(result.stdout)["checks"]
        if one["name"].startswith("connection")
    ]


def test_no_rules_are_no_filter() -> None:
    """Without rules nothing is said about filters."""
    assert read_filters([], None) == {}


@pytest.mark.parametrize("content", [None, b"[1", b"\xff\xfe", b'{"filters": "abc"}'])
def test_files_that_cannot_be_read(content: bytes | None, tmp_path: Path) -> None:
    """A file that is missing or holds no rules is an error that names the option."""
    file = tmp_path / "rules"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(click.BadParameter) as caught:
        read_filters([], str(file))
    assert caught.value.param_hint == "--filter-file"
