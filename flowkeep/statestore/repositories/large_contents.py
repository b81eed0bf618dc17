"""How a large content lies: in pieces, compressed where that helps, encrypted on request."""

import hashlib
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag

from flowkeep.errors import PayloadMissing
from flowkeep.statestore.keyring import Keyring

PIECE = 4 * 1024 * 1024
"""Bytes of content per piece."""

_PLAIN, _ZLIB = "plain", "zlib"
_WORTHWHILE = 0.9
_SAMPLE = 256 * 1024
_LENGTH = struct.Struct(">I")


@dataclass(frozen=True, slots=True)
class Pieces:
    """A content as it is stored.

    Attributes:
        encoding: `plain` or `zlib`.
        key_id: The key that encrypted it, None when it lies in clear.
        data: The pieces.
    """

    encoding: str
    key_id: str | None
    data: list[bytes]

    @property
    def stored(self) -> int:
        """Bytes at rest."""
        return sum(map(len, self.data))


def take_apart(tenant_id: str, digest: bytes, content: bytes, keyring: Keyring | None) -> Pieces:
    """Cut a content into pieces, compress them where that helps, and encrypt them.

    Args:
        tenant_id: Whose it is; an encrypted piece can only be read as this tenant's.
        digest: Its SHA-256.
        content: The bytes.
        keyring: Encrypts; None leaves it in clear.
    """
    sample = content[:_SAMPLE]
    helps = len(zlib.compress(sample, 1)) < len(sample) * _WORTHWHILE
    count = max(1, -(-len(content) // PIECE))
    view = memoryview(content)
    data = []
    for number in range(count):
        piece = bytes(view[number * PIECE : (number + 1) * PIECE])
        if helps:
            piece = zlib.compress(piece, 1)
        if keyring is not None:
            piece = keyring.seal(piece, _bound(tenant_id, digest, number, count))
        data.append(piece)
    key_id = None if keyring is None else keyring.key_id
    return Pieces(_ZLIB if helps else _PLAIN, key_id, data)


def put_together(
    tenant_id: str, digest: bytes, pieces: Pieces, keyring: Callable[[], Keyring]
) -> bytes:
    """Return a content from its pieces.

    Args:
        tenant_id: Whose it is.
        digest: Its SHA-256.
        pieces: As `take_apart` returned them.
        keyring: Gives the keys, if one is needed.

    Raises:
        PayloadMissing: If it is not the content with this hash (code `PAYLOAD_DAMAGED`).
        ConfigurationError: If its key is not configured.
    """
    opened = []
    count = len(pieces.data)
    try:
        for number, piece in enumerate(pieces.data):
            if pieces.key_id is not None:
                bound = _bound(tenant_id, digest, number, count)
                piece = keyring().unseal(pieces.key_id, piece, bound)
            opened.append(zlib.decompress(piece) if pieces.encoding == _ZLIB else piece)
    except (InvalidTag, zlib.error):
        raise damaged(tenant_id, digest) from None
    content = b"".join(opened)
    if hashlib.sha256(content).digest() != digest:
        raise damaged(tenant_id, digest)
    return content


def damaged(tenant_id: str, digest: bytes) -> PayloadMissing:
    """Return the error about a content that is not what its hash says."""
    return PayloadMissing(
        f"large payload {digest.hex()} of tenant {tenant_id!r} is damaged",
        hint="restore it from a backup; what waits for it goes on then",
        code="PAYLOAD_DAMAGED",
    )


def framed(data: list[bytes]) -> bytes:
    """Return pieces as one object: each with its length in four bytes before it."""
    return b"".join(part for piece in data for part in (_LENGTH.pack(len(piece)), piece))


def unframed(data: bytes) -> list[bytes]:
    """Undo `framed`; an object that was cut ends early, which the hash finds out."""
    return list(_unframed(memoryview(data)))


def _unframed(data: memoryview) -> Iterator[bytes]:
    place = 0
    while place + _LENGTH.size <= len(data):
        (length,) = _LENGTH.unpack_from(data, place)
        place += _LENGTH.size
        yield bytes(data[place : place + length])
        place += length


def _bound(tenant_id: str, digest: bytes, number: int, count: int) -> bytes:
    """Return what an encrypted piece is bound to: it is of no use in another place."""
    return f"{tenant_id}\x00{digest.hex()}\x00{number}/{count}".encode()
