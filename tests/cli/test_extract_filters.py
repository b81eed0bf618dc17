"""Filter rules as they are typed."""

import json
from pathlib import Path

import click
import pytest

from flowkeep.cli.extract_filters import read_filters, read_rule


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (
            "exclude table regex tmp_.*",
            {"action": "exclude", "level": "table", "match": "regex", "value": "tmp_.*"},
        ),
        (
            "include  schema   exact Sales Figures",
            {"action": "include", "level": "schema", "match": "exact", "value": "Sales Figures"},
        ),
        (
            "exclude table schema=hr insensitive glob old*",
            {
                "action": "exclude",
                "level": "table",
                "schema": "hr",
                "case": "insensitive",
                "match": "glob",
                "value": "old*",
            },
        ),
        ('{"action": "include", "level": "database", "value": "a b"}', None),
    ],
)
def test_rules_of_the_command_line(text: str, rule: dict[str, str] | None) -> None:
    """A rule is a short sentence whose last part may hold spaces, or the JSON of all its fields."""
    assert read_rule(text, "--filter") == (rule or json.loads(text))


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "include, exclude"),
        ("drop table exact x", "'drop'"),
        ("exclude tabel exact x", "'tabel'"),
        ("exclude table x", "exact, glob, regex"),
        ("exclude table exact", "no value"),
        ("exclude table schema=s", "exact, glob, regex"),
        ("{nonsense", "JSON"),
    ],
)
def test_rules_that_cannot_be_read(text: str, named: str) -> None:
    """A rule that is no rule is quoted, with the words that would fit."""
    with pytest.raises(click.BadParameter, match="--filter|JSON|rule|none of|no value") as caught:
        read_rule(text, "--filter")
    assert named in caught.value.message
    assert repr(text) in caught.value.message


def test_rules_of_a_file(tmp_path: Path) -> None:
    """A file holds lines with comments, or a JSON list of sentences and objects."""
    plain, listed = tmp_path / "rules.txt", tmp_path / "rules.json"
    plain.write_text("# ours\n\ninclude schema exact sales\nexclude table glob tmp*\n")
    listed.write_text(
        '["include schema exact sales",'
        ' {"action": "exclude", "level": "table", "match": "glob", "value": "tmp*"}]'
    )
    expected = read_filters(["include schema exact sales", "exclude table glob tmp*"], None)
    assert read_filters([], str(plain)) == read_filters([], str(listed)) == expected
    more = read_filters(["exclude schema exact hr"], str(plain))
    assert more["filters"] == [*expected["filters"], read_rule("exclude schema exact hr", "")]


def test_filters_of_the_original_are_passed_on(tmp_path: Path) -> None:
    """A file with an object is taken as it is, so that dictionaries of the original SDK serve."""
    file = tmp_path / "filters.json"
    file.write_text('{"include-filter": {"^db$": ["^public$"]}}')
    assert read_filters([], str(file)) == {"include-filter": {"^db$": ["^public$"]}}


@pytest.mark.parametrize("content", [None, "[1", "exclude everything"])
def test_files_that_cannot_be_read(content: str | None, tmp_path: Path) -> None:
    """A file that is missing or holds no rules is an error that names the option."""
    file = tmp_path / "rules"
    if content is not None:
        file.write_text(content)
    with pytest.raises(click.BadParameter) as caught:
        read_filters([], str(file))
    assert caught.value.param_hint == "--filter-file"
