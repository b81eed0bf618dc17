"""The ledger: PostgreSQL repositories of runs, tasks, state and secrets.

What belongs here: everything that reads or writes the ledger's tables. What does not: anything
that knows Temporal's SDK. Importing the package, `StateStore` and `StateType` loads neither
SQLAlchemy nor psycopg, so workflow files may do it; the rest is loaded when first used.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flowkeep.contracts.status import StateType
    from flowkeep.statestore.secrets import extract_secrets
    from flowkeep.statestore.state import StateStore
    from flowkeep.statestore.store import Store, connect

__all__ = ["StateStore", "StateType", "Store", "connect", "extract_secrets"]

_HOMES = {
    "StateStore": "flowkeep.statestore.state",
    "StateType": "flowkeep.contracts.status",
    "Store": "flowkeep.statestore.store",
    "connect": "flowkeep.statestore.store",
    "extract_secrets": "flowkeep.statestore.secrets",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
