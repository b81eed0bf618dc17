"""Headers of requests to the service."""

from collections.abc import Mapping

from flowkeep.errors import InvalidInput

IDEMPOTENCY_KEY = "Idempotency-Key"
REQUEST_ID = "X-Request-Id"


def if_match(revision: int | None) -> Mapping[str, str] | None:
    """Return the header that lets a request fail when an object has another revision."""
    return None if revision is None else {"If-Match": f'"{revision}"'}


def own_headers(api_key: str | None, tenant: str | None) -> dict[str, str]:
    """Return the headers that every request of a client has.

    Args:
        api_key: The key that says who calls.
        tenant: The tenant to act in.

    Raises:
        InvalidInput: If one of them cannot stand in a header.
    """
    from flowkeep import __version__

    headers = {"User-Agent": f"flowkeep/{__version__}"}
    if api_key is not None:
        headers["Authorization"] = f"Bearer {_checked('api_key', api_key)}"
    if tenant is not None:
        headers["Flowkeep-Tenant"] = _checked("tenant", tenant)
    return headers


def _checked(name: str, value: str) -> str:
    if not (value and value.isascii() and value.isprintable()) or value != value.strip():
        raise InvalidInput(
            f"{name} cannot stand in a header of a request",
            hint="give it as it was issued: printable ASCII characters without blanks around",
        )
    return value
