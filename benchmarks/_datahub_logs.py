"""DataHub's SqlParsingAggregator, in the environment its extraction is measured in too.

The `postgres` extra brings everything that `sql-parser` does, sqlglot's compiled form included.
"""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from benchmarks._datahub import CONSTRAINTS, REQUIREMENT, VERSION
from benchmarks._peer import PeerError, end_of, install
from benchmarks._support import ANSWER

_LOAD = Path(__file__).with_name("_query_log_datahub_load.py")


class DataHubLogs:
    """An installed DataHub.

    Args:
        python: The interpreter of its environment.
    """

    def __init__(self, python: Path) -> None:
        self._python = python

    @classmethod
    def install(cls) -> "DataHubLogs":
        """Return it from the cache; installs the pinned version on first use.

        Raises:
            PeerError: If it cannot be installed.
        """
        home = install(f"datahub-{VERSION}", [REQUIREMENT], CONSTRAINTS)
        return cls(home / "bin" / "python")

    def measure(self, what: str, log: Path, catalogue: Path | None) -> dict[str, Any]:
        """Return figures of one run in a process of its own.

        Args:
            what: `usage` or `lineage`.
            log: Statements, one JSON list per line: text, user, database, time, duration.
            catalogue: Tables and their columns, as `Catalogue.to_json` gives them.

        Returns:
            `statements`, `seconds`, `cpu_seconds`, `peak_mib`; what it `made`, for how many
            statements it `failed`, and for how many of the others it found no lineage of columns.

        Raises:
            PeerError: If it fails.
        """
        command = [str(self._python), "-I", str(_LOAD), what, str(log)]
        command += [str(catalogue)] if catalogue else []
        # It would report itself otherwise, which takes time and a network.
        environment = {**os.environ, "DATAHUB_TELEMETRY_ENABLED": "false", "HOME": str(log.parent)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        answers = [line for line in done.stdout.splitlines() if line.startswith(ANSWER)]
        if done.returncode != 0 or not answers:
            raise PeerError(f"DataHub failed:\n{end_of(done.stderr)}")
        figure: dict[str, Any] = json.loads(answers[-1].removeprefix(ANSWER))
        return figure
