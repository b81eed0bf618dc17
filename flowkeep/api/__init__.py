"""The REST API: who calls, what over HTTP; everything else is `flowkeep.clients.direct`."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flowkeep.api.app import build_app

__all__ = ["build_app"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from flowkeep.api import app

        return getattr(app, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
