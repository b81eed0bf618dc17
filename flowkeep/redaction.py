"""Secrets taken out of text: for errors, logs and whatever else people read."""

import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

MASK = "***"
"""What stands where a secret stood."""

# Words are looked through one by one, so that a text is read once: one expression for all would
# read a list of a million addresses a million times.
_WORD = re.compile(r"[^\s\"'<>]+")
_USER = re.compile(r"(?<=[a-zA-Z0-9+.\-])://[^:/@]*:")
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
_API_KEY = re.compile(r"\b(fk_[0-9a-f]{16})_[\w-]{43}")
_SHORTEST = 4
"""Known values shorter than this are left: masking every `a` would destroy the text."""


def names_secret(key: object) -> bool:
    """Tell whether a key is the name of a secret, like `password` or `api_key`."""
    return isinstance(key, str) and _SECRET_KEY.match(key) is not None


def hides_password(text: str) -> bool:
    """Tell whether a text holds something like `scheme://user:password@`."""
    return "://" in text and any(_password(word[0]) for word in _WORD.finditer(text))


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Replace secrets in a text by `***`.

    Masked are passwords in URLs, values of `password=…` and the like in connection strings and
    JSON, the secret parts of API keys, and the given values wherever they stand, also in their
    URL-quoted forms. When in doubt it masks too much.

    Args:
        text: Any text, for example an error message.
        secrets: Values known to be secret; those under four characters are ignored.
    """
    known = {value for value in secrets if len(value) >= _SHORTEST}
    if known:
        forms = known | {quote(value, safe="") for value in known} | {quote_plus(v) for v in known}
        for form in sorted(forms, key=len, reverse=True):
            text = text.replace(form, MASK)
    if "://" in text:
        text = _WORD.sub(_without_password, text)
    if "fk_" in text:
        text = _API_KEY.sub(rf"\1_{MASK}", text)
    if "=" in text:
        text = _ASSIGNMENT.sub(rf"\1{MASK}", text)
    if ":" in text:
        text = _JSON_MEMBER.sub(rf"\1{MASK}", text)
    return text


def _without_password(found: re.Match[str]) -> str:
    word = found[0]
    place = _password(word)
    return word if place is None else word[: place[0]] + MASK + word[place[1] :]


def _password(word: str) -> tuple[int, int] | None:
    """Return where the password of a URL lies in a word.

    The last `@` ends it, so that one holding `@` or `/` does not show its tail.
    """
    end = word.rfind("@")
    found = _USER.search(word, 0, end) if end > 0 else None
    return None if found is None else (found.end(), end)
