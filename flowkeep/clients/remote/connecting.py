"""What a connection to the service is made of."""

import ssl
from pathlib import Path

import httpx2

from flowkeep.errors import ConfigurationError, InvalidInput


def checked_url(url: str) -> str:
    """Return the URL of a service.

    Raises:
        InvalidInput: If it cannot be the URL of one.
    """
    hint = "give it like https://flowkeep.example.com; a key goes into api_key"
    try:
        found = httpx2.URL(url)
    except (httpx2.InvalidURL, UnicodeError):
        raise InvalidInput("the URL of the service is no URL", hint=hint) from None
    if found.scheme not in ("http", "https") or not found.host:
        raise InvalidInput(
            "the URL of the service does not begin with http:// or https://", hint=hint
        )
    if found.userinfo or found.query or found.fragment:
        raise InvalidInput("the URL of the service has more than a host and a path", hint=hint)
    return url.rstrip("/").removesuffix("/api/v1")


def trust(ca_file: Path) -> ssl.SSLContext:
    """Return what trusts the authorities of a file and no other.

    Args:
        ca_file: Certificates in PEM.

    Raises:
        ConfigurationError: If it cannot be read.
    """
    try:
        return ssl.create_default_context(cafile=str(ca_file))
    except OSError as error:  # ssl.SSLError is one
        raise ConfigurationError(
            f"the certificates in {ca_file} cannot be read: {error.strerror or error}",
            hint="ca_file is a file in PEM with the certificates of authorities",
        ) from None
