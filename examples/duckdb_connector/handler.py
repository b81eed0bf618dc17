"""What is checked before a DuckDB file is read."""

from collections.abc import Mapping
from typing import Any

from flowkeep.contracts import CheckResult, PreflightResult
from flowkeep.extraction.handler import SQLHandler


class DuckDBHandler(SQLHandler):
    """Warns about changes that are not in the file yet."""

    def preflight_check(self, arguments: Mapping[str, Any]) -> PreflightResult:
        result = super().preflight_check(arguments)
        path = self.source.credentials.database
        journal = CheckResult(
            name="journal",
            ok=not path.endswith(".wal"),
            message=f"{path} is a database"
            if not path.endswith(".wal")
            else f"{path} is the journal of a database: name the file without .wal",
        )
        return PreflightResult(checks=[*result.checks, journal])
