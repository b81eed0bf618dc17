"""Keeping a worker's memory flat: what one thread frees, another is to use again.

glibc gives every thread an arena of its own and hands little of it back (mallopt(3)); Arrow's own
pools do the same once more. An extraction passes megabytes through a dozen threads that come and
go, and what each of them keeps adds up to twice of what is ever in use. With few arenas, and Arrow
in them, a process that extracts stays at half the size, for the same processor time.
"""

import ctypes
import os
from functools import cache

_M_ARENA_MAX = -8
"""Parameter of mallopt(3): most arenas."""
_ARENAS = 2
_ARROW_POOL = "ARROW_DEFAULT_MEMORY_POOL"
"""Variable that Arrow reads when it is loaded (its manual, "Environment Variables")."""

_POLARS_POOL = "_RJEM_MALLOC_CONF"
"""Variable that the allocator inside polars reads when it is loaded (jemalloc(3), "TUNING"): how
soon it hands back what is free."""


@cache
def share_memory() -> None:
    """Let all threads of this process share two arenas, and Arrow too.

    To be called early: threads keep the arenas they have, and Arrow keeps its pool once it is
    loaded. A pool that the environment chooses stays. Where the C library is not glibc, only
    Arrow's pool is chosen.
    """
    os.environ.setdefault(_ARROW_POOL, "system")
    os.environ.setdefault(_POLARS_POOL, "dirty_decay_ms:100,muzzy_decay_ms:0")
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, _ARENAS)


def return_memory() -> None:
    """Give what is free back to the system, as malloc_trim(3) does, where the C library has it.

    Takes milliseconds; worth it after each task, whose threads may never allocate so much again.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
