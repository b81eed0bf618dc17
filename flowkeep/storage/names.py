"""Names of folders and objects."""

import hashlib
import re

_UNSAFE = re.compile(rb"[^A-Za-z0-9_.-]")
_LONGEST_SEGMENT = 120


def safe_segment(name: str) -> str:
    """Return a name as one folder that every store and file system takes.

    Bytes other than ASCII letters, digits, `_`, `.` and `-` become `=XX`, as in quoted-printable
    (RFC 2045, section 6.7); dots that would mean a folder above do too. A name that gets too long
    is cut and ends in its hash.
    """
    text = _UNSAFE.sub(lambda found: b"=%02X" % found[0][0], name.encode()).decode()
    if not text.strip("."):
        text = text.replace(".", "=2E") or "=00"
    if len(text) > _LONGEST_SEGMENT:
        text = f"{text[: _LONGEST_SEGMENT - 17]}-{hashlib.sha256(name.encode()).hexdigest()[:16]}"
    return text
