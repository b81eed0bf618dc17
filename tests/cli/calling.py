"""Types of the fixtures that run command lines."""

from collections.abc import Awaitable, Callable
from typing import Any

from click.testing import Result

Call = Callable[..., Awaitable[Result]]
Ask = Callable[..., Awaitable[Any]]
