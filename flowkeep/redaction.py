"""Secrets taken out of text: for errors, logs and whatever else people read."""

import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

MASK = "***"
"""What stands where a secret stood."""

# The last `@` of a word ends the password, so that one holding `@` or `/` does not show its tail.
# A scheme may begin inside a longer word, so its length is bounded: else a text of a million
# letters would be read a million times.
_URL_PASSWORD = re.compile(r"([a-zA-Z][a-zA-Z0-9+.\-]{0,39}://[^\s:/@\"'<>]*:)[^\s\"'<>]*@")
_NAMES = (
    r"(?:[a-z_]*(?:password|passwd|pwd|passphrase|secret|secret_key|api[_-]?key|access[_-]?key))"
)
_ASSIGNMENT = re.compile(
    rf"(?i)\b({_NAMES}\s*=\s*)('(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|[^\s&;,'\")]+)"
)
_JSON_MEMBER = re.compile(
    rf"(?i)([\"']{_NAMES}[\"']\s*:\s*)('(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")"
)
_SECRET_KEY = re.compile(
    r"^(pwd|.*(password|passwd|passphrase|(api|access|secret|private)[_-]?key"
    r"|(access|auth|bearer|refresh|api)[_-]?token))$",
    re.IGNORECASE,
)
_SHORTEST = 4
"""Known values shorter than this are left: masking every `a` would destroy the text."""


def names_secret(key: object) -> bool:
    """Tell whether a key is the name of a secret, like `password` or `api_key`."""
    return isinstance(key, str) and _SECRET_KEY.match(key) is not None


def hides_password(text: str) -> bool:
    """Tell whether a text holds something like `scheme://user:password@`."""
    return "://" in text and _URL_PASSWORD.search(text) is not None


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Replace secrets in a text by `***`.

    Masked are passwords in URLs, values of `password=…` and the like in connection strings and
    JSON, and the given values wherever they stand, also in their URL-quoted forms. When in doubt
    it masks too much.

    Args:
        text: Any text, for example an error message.
        secrets: Values known to be secret; those under four characters are ignored.
    """
    known = {value for value in secrets if len(value) >= _SHORTEST}
    forms = known | {quote(value, safe="") for value in known} | {quote_plus(v) for v in known}
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, MASK)
    text = _URL_PASSWORD.sub(rf"\1{MASK}@", text)
    text = _ASSIGNMENT.sub(rf"\1{MASK}", text)
    return _JSON_MEMBER.sub(rf"\1{MASK}", text)
