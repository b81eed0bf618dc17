"""Secrets with names: what the definitions of a tenant can call for."""

from uuid import UUID, uuid5

_NAMESPACE = UUID("6f1d2b0e-2c35-5b0a-9a55-3c6d3c8a3f10")


def secret_id(tenant_id: str, name: str) -> UUID:
    """Return the id under which a secret of this name is stored.

    Args:
        tenant_id: Whose secret it is.
        name: Its name; the id of a secret stands for itself.
    """
    try:
        return UUID(name)
    except ValueError:
        return uuid5(_NAMESPACE, f"{tenant_id}\x00{name}")
