"""The original SDK's filter settings, and the rules that are made of them."""

from typing import Any

import pytest

from flowkeep.errors import InvalidInput
from flowkeep.extraction.metadata.manifest_file import read_manifest
from flowkeep.extraction.options import ExtractionOptions
from flowkeep.storage import Storage
from tests.extraction.support import extraction_of, rows_of


@pytest.mark.parametrize(
    ("settings", "rules"),
    [
        ({"include-filter": ""}, []),
        ({"include-filter": {}, "exclude-filter": "{}"}, []),
        ({"include-filter": None, "temp-table-regex": ""}, []),
        (
            {"include-filter": {"^shop$": ["^sales$", "hr"]}},
            [
                "include database exact shop",
                "include schema database=shop exact sales",
                "include schema database=shop exact hr",
            ],
        ),
        ({"include_filter": '{"shop": "*"}'}, ["include database exact shop"]),
        ({"include-filter": {"shop": ["*"]}}, ["include database exact shop"]),
        ({"include-filter": {"shop": []}}, ["include database exact shop"]),
        (
            {"include-filter": {"^s.*$": ["a|b$"]}},
            ["include database regex s.*", "include schema database=(regex s.*) regex a|b"],
        ),
        (
            {"include-filter": {"^s.*$": ["^a$"], "shop": "*"}},
            [
                "include database regex s.*",
                "include schema database=(regex s.*) exact a",
                "include database exact shop",
                "include schema database=shop glob *",
            ],
        ),
        (
            {"include-filter": {"^a$": ["x"], "a": ["y"]}},
            [
                "include database exact a",
                "include schema database=a exact x",
                "include schema database=a exact y",
            ],
        ),
        ({"exclude-filter": {"^old$": "*"}}, ["exclude database exact old"]),
        (
            {"exclude-filter": {"^shop$": ["^tmp_[a-z]{3}$"]}},
            ["exclude schema database=shop regex tmp_[a-z]{3}"],
        ),
        ({"temp-table-regex": "^tmp_|_bak$"}, ["exclude table regex .*(?:^tmp_|_bak$).*"]),
        (
            {"filters": ["exclude table exact t"], "temp_table_regex": "x"},
            ["exclude table exact t", "exclude table regex .*(?:x).*"],
        ),
    ],
)
def test_settings_become_rules(settings: dict[str, Any], rules: list[str]) -> None:
    """Anchors go, plain names are exact, all schemas of a database are no rule for schemas."""
    assert [str(rule) for rule in ExtractionOptions.read(settings).rules] == rules


@pytest.mark.parametrize(
    ("value", "expected"),
    [("true", True), ("False", False), ("0", False), ("yes", True), ("", False), (None, False)],
)
@pytest.mark.parametrize("name", ["exclude_views", "exclude-empty-tables"])
def test_flags_may_be_texts(name: str, value: Any, expected: bool) -> None:
    """A text that says false is false."""
    options = ExtractionOptions.read({name: value})
    assert getattr(options, name.replace("-", "_")) is expected


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"include-filter": "{"}, "metadata.include-filter is no JSON"),
        ({"exclude-filter": ["a"]}, "metadata.exclude-filter must be an object"),
        ({"exclude-filter": '"a"'}, "metadata.exclude-filter must be an object"),
        ({"include-filter": {"a": 1}}, r"metadata.include-filter.a must be a list of schemas"),
        ({"include-filter": {"a": [1]}}, r"metadata.include-filter.a must be a list of schemas"),
        ({"include-filter": {"^$": "*"}}, r"metadata.include-filter: '\^\$' names no database"),
        ({"include-filter": {"a": ["^"]}}, "a schema without a name"),
        ({"include-filter": {"a": ["("]}}, r"metadata.include-filter.a: .*not closed"),
        ({"include-filter": {"a(": "*"}}, r"metadata.include-filter: .*not closed"),
        ({"temp-table-regex": "(?!a)"}, r"metadata.temp-table-regex: .*another rule"),
        ({"temp-table-regex": "a)(b"}, r"metadata.temp-table-regex: .*never opened"),
        ({"temp-table-regex": 1}, r"metadata.temp-table-regex must be a text"),
        ({"include-filter": {}, "include_filter": {}}, "are one setting"),
        ({"exclude_views": "maybe"}, "metadata.exclude_views"),
    ],
)
def test_a_setting_that_cannot_be_read_is_an_error(settings: Any, message: str) -> None:
    """It is never skipped."""
    with pytest.raises(InvalidInput, match=message):
        ExtractionOptions.read(settings)


@pytest.mark.parametrize(
    ("settings", "sentences"),
    [
        ({"temp-table-regex": "a"}, []),
        ({"exclude_views": "true"}, []),
        ({"include-filter": {"^a$": ["^b$"]}}, ["only end like it"]),
        ({"include-filter": {"a": "*"}}, ["only end like it", "only begin like it"]),
        ({"exclude-filter": {"a": ["b|c"]}}, ["only end like it", "alternatives in 'b|c'"]),
        (
            {"include-filter": {"a.*": ["b"]}},
            ["only end like it", "every database that matches 'a.*' is read"],
        ),
    ],
)
def test_a_different_meaning_is_said(settings: dict[str, Any], sentences: list[str]) -> None:
    """One sentence per difference, and none where there is no difference."""
    warnings = ExtractionOptions.read(settings).warnings
    assert len(warnings) == len(sentences)
    for warning, sentence in zip(warnings, sentences, strict=True):
        assert sentence in warning


def test_the_manifest_has_the_rules_and_what_they_were_made_of(
    sample_url: str, storage: Storage
) -> None:
    """And the schemas that come are those the settings ask for."""
    settings = {
        "include-filter": {"^extraction_sample$": ["^sales$", "odd.names"]},
        "exclude-filter": '{"^extraction_sample$": ["^sales$"]}',
    }
    extraction = extraction_of(sample_url, storage, options=settings)
    fetched = [extraction.fetch(kind) for kind in ("databases", "schemas")]
    assert [row["schema_name"] for row in rows_of(storage, fetched[1])] == ["odd.names"]
    made = [extraction.transform(one) for one in fetched]
    reference = extraction.finish(fetched, made)
    filters = read_manifest(storage, reference.key)["filters"]
    assert filters["translated_from"] == settings
    assert [rule["value"] for rule in filters["rules"]] == ["sales", "odd.names", "sales"]
    assert len(filters["warnings"]) == 2
