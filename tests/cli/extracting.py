"""Extractions by the command line, as processes of their own."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE
from pathlib import Path
from typing import Any


class Extract:
    """Runs `flowkeep extract` as a process of its own, in an empty folder."""

    def __init__(self, folder: Path, environment: dict[str, str], verb: str = "metadata") -> None:
        self.folder = folder
        self.environment = environment
        self.verb = verb

    async def __call__(self, *words: str, **environment: str) -> tuple[int, str, str]:
        """Return exit code, standard output and standard error."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "flowkeep", "extract", self.verb, *words),
            cwd=self.folder,
            stdout=PIPE,
            stderr=PIPE,
            env={**os.environ, **self.environment, **environment},
        )
        out, err = await process.communicate()
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()

    async def json(self, *words: str, **environment: str) -> Any:
        """Return what a call that must succeed prints as JSON."""
        code, out, err = await self(*words, "-o", "json", **environment)
        assert code == 0, err
        return json.loads(out)
