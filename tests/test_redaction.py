"""Secrets in text are masked; the rest stays readable."""

import time

import pytest

from flowkeep.redaction import hides_password, redact


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("postgresql://u:hunter2@h:5432/d", "postgresql://u:***@h:5432/d"),
        ("at postgresql+psycopg://:hunter2@h/d now", "at postgresql+psycopg://:***@h/d now"),
        ("https://u:hun@ter/2@h/x?a=1", "https://u:***@h/x?a=1"),
        ("two a://u:hunter2@h and b://v:hunter2@k", "two a://u:***@h and b://v:***@k"),
        ("host=h password=hunter2 user=u", "host=h password=*** user=u"),
        ("password='hunter2 x' user=u", "password=*** user=u"),
        ("PGPASSWORD=hunter2 psql", "PGPASSWORD=*** psql"),
        ("d?sslpassword=hunter2&x=1", "d?sslpassword=***&x=1"),
        ('{"password": "hunter2", "n": 1}', '{"password": ***, "n": 1}'),
        ("{'api_key': 'hunter2'}", "{'api_key': ***}"),
        ("client_secret=hunter2", "client_secret=***"),
    ],
)
def test_secrets_are_masked(text: str, clean: str) -> None:
    """Passwords in URLs, connection strings and JSON become asterisks."""
    assert redact(text) == clean


@pytest.mark.parametrize(
    "text",
    [
        'password authentication failed for user "u"',
        "https://host:8080/path",
        "mail a@b.c about secret matters",
        "",
    ],
)
def test_other_text_stays(text: str) -> None:
    """What holds no secret is unchanged."""
    assert redact(text) == text


def test_known_values_are_masked_in_every_form() -> None:
    """A given secret is masked wherever it stands, URL-quoted too; short ones are left."""
    text = "p@ss w/rd and p%40ss%20w%2Frd and p%40ss+w%2Frd and abc"
    assert redact(text, ["p@ss w/rd", "abc"]) == "*** and *** and *** and abc"


@pytest.mark.parametrize("piece", ["http://a:80,", "http://", "a://b:c@,d://", "a", "password='"])
def test_a_big_text_is_read_once(piece: str) -> None:
    """A megabyte of whatever looks like the beginning of a secret takes no noticeable time."""
    text = (piece * 1_000_000)[:1_000_000]
    begin = time.process_time()
    redact(text)
    hides_password(text)
    assert time.process_time() - begin < 2


def test_api_keys_are_named_and_not_shown() -> None:
    """Of an API key in a text only the part is left that lists show."""
    secret = "A-_b" * 11
    text = f"Authorization: Bearer fk_{'0' * 16}_{secret[:43]} was refused"
    assert redact(text) == f"Authorization: Bearer fk_{'0' * 16}_*** was refused"
