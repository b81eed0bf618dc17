"""Every public method of the archive, called with a foreign tenant."""

import inspect

import pytest

from flowkeep.errors import Forbidden, NotFound
from flowkeep.statestore import Store
from tests.statestore.archive.support import LATER, archive, ended, tables
from tests.statestore.records import OTHER, TENANT


async def test_no_method_reaches_over_the_border(store: Store) -> None:
    """Reads find nothing, writes are forbidden, and every table stays as it was."""
    run = await ended(store)
    (bundle,) = await archive(store)
    await ended(store)
    before = await tables(store)
    found = store.archive
    known = {
        "publish": (lambda: found.publish(OTHER, LATER), None),
        "verify": (lambda: found.verify(OTHER, bundle.id), Forbidden),
        "delete": (lambda: found.delete(OTHER, bundle.id), Forbidden),
        "restore": (lambda: found.restore(OTHER, bundle.id), Forbidden),
        "discard": (lambda: found.discard(OTHER, bundle.id), Forbidden),
        "get": (lambda: found.get(OTHER, bundle.id), NotFound),
        "list": (lambda: found.list(OTHER), None),
        "read": (lambda: found.read(OTHER, run.id), NotFound),
        "reindex": (lambda: found.reindex(OTHER), None),
    }
    public = {
        name
        for name, _ in inspect.getmembers(found, inspect.iscoroutinefunction)
        if not name.startswith("_")
    }
    assert set(known) == public
    for name, (call, expected) in known.items():
        if expected is None:
            answer = await call()
            assert not getattr(answer, "data", getattr(answer, "runs", answer)), name
        else:
            with pytest.raises(expected):
                await call()
        assert await tables(store) == before, name
    assert (await store.archive.get(TENANT, bundle.id)).id == bundle.id
