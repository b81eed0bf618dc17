"""What a role of MySQL or MariaDB can see: `information_schema` hides everything else.

A privilege on all tables of the server shows all tables and columns. Constraints need one beside
SELECT, triggers TRIGGER, the text of views SHOW VIEW, and routines EXECUTE or, for their text,
SELECT on everything (MariaDB) or SHOW_ROUTINE (MySQL). MariaDB opens a view to tell its columns,
and tells none of a view that calls a routine for which EXECUTE is missing.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

_GRANT = re.compile(r"^GRANT (?P<privileges>.+?) ON (?:TABLE )?(?P<scope>\S.*?) TO ")
_AUTHENTICATION = re.compile(r" IDENTIFIED (?:BY|VIA|WITH) .*$", re.DOTALL)
_GRANTEE = re.compile(r" TO (?:`(?:[^`]|``)*`|'[^']*'|PUBLIC)(?:@(?:`(?:[^`]|``)*`|'[^']*'))?")
_SCHEMA = re.compile(r"^(?:FUNCTION |PROCEDURE |PACKAGE (?:BODY )?)?`(?P<schema>(?:[^`]|``)*)`\.")

_ALL = "ALL PRIVILEGES"
_WANTED = ("SELECT", "SHOW VIEW", "TRIGGER")
_WANTED_FOR_VIEWS = "EXECUTE"


@dataclass(frozen=True, slots=True)
class Grants:
    """The privileges of a session.

    Attributes:
        lines: What `SHOW GRANTS` returned, roles that are active included.
        opens_views: Whether the server opens views to tell their columns, as MariaDB does.
    """

    lines: Sequence[str]
    opens_views: bool = True

    @property
    def visibility(self) -> str:
        """`all`, or a digest of the grants: equal for roles that may see the same.

        Neither the role's name nor how it logs in goes into it.
        """
        if self.missing == ():
            return "all"
        plain = sorted(_GRANTEE.sub("", _AUTHENTICATION.sub("", line), 1) for line in self.lines)
        return f"grants {hashlib.sha256(repr(plain).encode()).hexdigest()[:32]}"

    @property
    def missing(self) -> tuple[str, ...]:
        """Privileges on the whole server without which objects stay hidden."""
        if any(line.startswith("REVOKE ") for line in self.lines):  # of MySQL's partial revokes
            return ("every schema",)
        held = self._everywhere()
        if _ALL in held:
            return ()
        wanted = (*_WANTED, _WANTED_FOR_VIEWS) if self.opens_views else _WANTED
        return tuple(name for name in wanted if name not in held)

    def open(self, schema: str) -> bool:
        """Return whether there is any privilege on a schema or something in it."""
        if self._everywhere() & {_ALL, "SELECT", "INSERT", "UPDATE", "DELETE"}:
            return True
        for line in self.lines:
            found = _GRANT.match(line)
            named = _SCHEMA.match(found["scope"]) if found else None
            if named and _pattern(named["schema"].replace("``", "`")).fullmatch(schema):
                return True
        return False

    def _everywhere(self) -> set[str]:
        held: set[str] = set()
        for line in self.lines:
            found = _GRANT.match(line)
            if found and found["scope"] == "*.*":
                held |= {name.strip() for name in found["privileges"].split(",")}
        return held


def _pattern(schema: str) -> re.Pattern[str]:
    """Return what a schema's name in a grant means: `%` and `_` are wildcards unless escaped."""
    words = re.findall(r"\\.|.", schema, re.DOTALL)
    wild = {"%": ".*", "_": "."}
    return re.compile(
        "".join(wild.get(one) or re.escape(one.removeprefix("\\") or one) for one in words),
        re.DOTALL,
    )
