"""The key of a service that nobody has a key for yet."""

from flowkeep.contracts.api.keys import NewApiKey
from flowkeep.statestore.store import Store

TENANT = "default"
SUBJECT = "admin"


async def ensure_admin_key(store: Store) -> str | None:
    """Make a system admin's key if the ledger has none that is usable.

    Of several processes that start at once, one makes it.

    Args:
        store: The ledger.

    Returns:
        The secret of the new key, to be shown once; None where there was a key.

    Raises:
        LedgerUnavailable: If the ledger cannot be reached.
    """
    new = NewApiKey(name="first admin key", system=True)
    made = await store.api_keys.ensure_system(TENANT, new, subject=SUBJECT)
    return None if made is None else made.secret
