"""Storage URLs as they may be shown."""

import re
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

_SECRET = re.compile(r"key|secret|token|password|signature|credential|^sig$", re.IGNORECASE)


def redact_url(url: str) -> str:
    """Return a URL without user information and without the values of secret query options."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    query = [
        (name, "***" if _SECRET.search(name) else value)
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
    ]
    return urlunsplit((parts.scheme, host, parts.path, urlencode(query, safe="*:/"), ""))
