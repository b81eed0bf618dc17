"""PostgreSQL and a tuned Temporal server on this machine, with nothing installed but Python.

The names below load when they are first used, so importing this package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flowkeep.local_engine.dev import serve
    from flowkeep.local_engine.engine import LocalEngine
    from flowkeep.local_engine.tuning import DEFAULTS, TUNED, Tuning

__all__ = ["DEFAULTS", "TUNED", "LocalEngine", "Tuning", "serve"]

# No module bears the name of a function here: the import system would put it in its place.
_HOMES = {
    "DEFAULTS": "tuning",
    "LocalEngine": "engine",
    "TUNED": "tuning",
    "Tuning": "tuning",
    "serve": "dev",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
