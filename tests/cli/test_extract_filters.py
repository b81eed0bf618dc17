"""Filter rules on the command line and in files."""

import json
from pathlib import Path

import click
import pytest

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


def test_no_rules_are_no_filter() -> None:
    """Without rules nothing is said about filters."""
    assert read_filters([], None) == {}


@pytest.mark.parametrize("content", [None, b"[1", b"\xff\xfe"])
def test_files_that_cannot_be_read(content: bytes | None, tmp_path: Path) -> None:
    """A file that is missing or holds no rules is an error that names the option."""
    file = tmp_path / "rules"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(click.BadParameter) as caught:
        read_filters([], str(file))
    assert caught.value.param_hint == "--filter-file"
