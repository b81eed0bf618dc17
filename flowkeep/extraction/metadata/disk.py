"""The local disk, where parts are written before they are stored."""

import errno
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from flowkeep.errors import SourceUnavailable

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@contextmanager
def temporary_files() -> Iterator[None]:
    """Tell a full disk from other errors.

    Raises:
        SourceUnavailable: If the folder of temporary files has no room; names it.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise SourceUnavailable(
            f"cannot write to the temporary folder {tempfile.gettempdir()}: {error.strerror}",
            hint="free space on this disk, or let TMPDIR name a folder on another one",
            code="DISK_FULL",
        ) from None
