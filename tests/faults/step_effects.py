"""What the steps of `step_program` do outside, and how its processes are told where."""

import json
from pathlib import Path
from typing import Any

from flowkeep.local_engine import LocalEngine


def environment_of(engine: LocalEngine, effects: Path) -> dict[str, str]:
    """Return the variables of a worker of the program."""
    settings = engine.settings()
    assert settings.database.secret_key is not None
    return {
        "STEP_EFFECTS": str(effects),
        "FLOWKEEP_DATABASE_URL": engine.database_url,
        "FLOWKEEP_SECRET_KEY": settings.database.secret_key.get_secret_value(),
    }


def effects_in(file: Path) -> list[dict[str, Any]]:
    """Return what steps wrote, in order."""
    return [json.loads(line) for line in file.read_text().splitlines()]
