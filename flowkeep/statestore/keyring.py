"""The keys that encrypt secrets, and large payloads on request."""

import base64
import hashlib
import json
import os
from typing import Any, Self
from uuid import UUID

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from flowkeep.errors import ConfigurationError
from flowkeep.settings import DatabaseSettings

_NONCE_BYTES = 12

_HOW = (
    "make one with `python -c 'from cryptography.fernet import Fernet;"
    " print(Fernet.generate_key().decode())'` and set FLOWKEEP_SECRET_KEY to it"
)


class Keyring:
    """Fernet keys (AES-128-CBC with HMAC-SHA256): the first encrypts, all of them decrypt.

    Pieces of large payloads are encrypted with AES-256-GCM by keys derived from these: Fernet
    would make them a third bigger and takes several times as long.

    Args:
        keys: Fernet keys, newest first; to rotate, put a new one before the old.

    Raises:
        ConfigurationError: If there is none, or one is malformed.
    """

    def __init__(self, keys: list[str]) -> None:
        if not keys:
            raise ConfigurationError("no key for secrets is configured", hint=_HOW)
        try:
            self._keys = {_key_id(key): Fernet(key) for key in keys}
        except ValueError:
            raise ConfigurationError(
                "a key for secrets is not 32 bytes in urlsafe base64", hint=_HOW
            ) from None
        self._sealing = {_key_id(key): _derived(key) for key in keys}
        self.key_id = _key_id(keys[0])
        self.key_ids = tuple(self._keys)

    @classmethod
    def from_settings(cls, settings: DatabaseSettings) -> Self:
        """Read the keys: several are separated by commas.

        Raises:
            ConfigurationError: If there is none, or one is malformed.
        """
        text = settings.secret_key.get_secret_value() if settings.secret_key else ""
        return cls([key.strip() for key in text.split(",") if key.strip()])

    def encrypt(self, tenant_id: str, secret_id: UUID, value: Any) -> bytes:
        """Encrypt a JSON value; it can only be decrypted as the same secret of the same tenant."""
        content = {"tenant_id": tenant_id, "id": str(secret_id), "value": value}
        return self._keys[self.key_id].encrypt(json.dumps(content).encode())

    def decrypt(self, tenant_id: str, secret_id: UUID, key_id: str, ciphertext: bytes) -> Any:
        """Decrypt a value.

        Raises:
            ConfigurationError: If its key is not configured or the content was tampered with.
        """
        content = self._open(tenant_id, secret_id, key_id, ciphertext)
        if content is None:
            raise ConfigurationError(
                f"secret {secret_id} cannot be decrypted: its content was altered",
                hint="store the credential again",
            )
        return content["value"]

    def renew(
        self, tenant_id: str, secret_id: UUID, key_id: str, ciphertext: bytes
    ) -> bytes | None:
        """Encrypt with the newest key what another one encrypted; None if it was tampered with.

        Raises:
            ConfigurationError: If its key is not configured.
        """
        content = self._open(tenant_id, secret_id, key_id, ciphertext)
        return None if content is None else self.encrypt(tenant_id, secret_id, content["value"])

    def seal(self, data: bytes, bound: bytes) -> bytes:
        """Encrypt bytes with the newest key.

        Args:
            data: The bytes.
            bound: What the result is bound to: it can only be opened with the same.
        """
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._sealing[self.key_id].encrypt(nonce, data, bound)

    def unseal(self, key_id: str, sealed: bytes, bound: bytes) -> bytes:
        """Decrypt what `seal` returned.

        Raises:
            ConfigurationError: If its key is not configured.
            cryptography.exceptions.InvalidTag: If it was altered, or is bound to something else.
        """
        key = self._sealing.get(key_id)
        if key is None:
            raise ConfigurationError(
                f"a large payload was encrypted with the key {key_id}, which is not configured",
                hint="add that key to FLOWKEEP_SECRET_KEY, behind the new one and a comma",
            )
        return key.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], bound)

    def _open(
        self, tenant_id: str, secret_id: UUID, key_id: str, ciphertext: bytes
    ) -> dict[str, Any] | None:
        key = self._keys.get(key_id)
        if key is None:
            raise ConfigurationError(
                f"secret {secret_id} was encrypted with the key {key_id}, which is not configured",
                hint="add that key to FLOWKEEP_SECRET_KEY, behind the new one and a comma",
            )
        try:
            content: dict[str, Any] = json.loads(key.decrypt(ciphertext))
        except InvalidToken:
            return None
        meant = (content.get("tenant_id"), content.get("id")) == (tenant_id, str(secret_id))
        return content if meant else None


def _key_id(key: str) -> str:
    """Name a key without telling anything of it."""
    return hashlib.sha256(b"flowkeep secret key\x00" + key.encode()).hexdigest()[:16]


def _derived(key: str) -> AESGCM:
    kdf = HKDF(SHA256(), length=32, salt=None, info=b"flowkeep large payload")
    return AESGCM(kdf.derive(base64.urlsafe_b64decode(key)))
