"""Identity: the header, and ids of runs that came without one."""

from uuid import UUID

import uuid_utils.compat as uuids
from hypothesis import given
from hypothesis import strategies as st

from flowkeep.contracts import Identity, derive_run_id


@given(namespace=st.text(), workflow_id=st.text(), first=st.text())
def test_derived_ids_are_uuid7_and_stable(namespace: str, workflow_id: str, first: str) -> None:
    """A derived id is always a valid UUIDv7, and the same for the same execution."""
    one = derive_run_id(namespace, workflow_id, first)
    assert (one.version, one.variant) == (7, "specified in RFC 4122")
    assert one == derive_run_id(namespace, workflow_id, first)


def test_derived_id_takes_the_time_of_the_first_run() -> None:
    """The time of a UUIDv7 first run id is kept, so derived ids sort like drawn ones."""
    first = uuids.uuid7()
    assert derive_run_id("default", "w", str(first)).int >> 80 == first.int >> 80


def test_derived_id_of_another_kind_of_first_run_has_no_time() -> None:
    """A first run id that is no UUIDv7 gives time zero."""
    assert derive_run_id("n", "w", "4b1f3c1e-8c4f-4f7e-9d4a-111111111111").int >> 80 == 0


def test_namespaces_workflows_and_runs_differ() -> None:
    """Each of the three parts changes the id, and parts do not run together."""
    first = str(uuids.uuid7())
    ids = {
        derive_run_id("a", "b", first),
        derive_run_id("a", "c", first),
        derive_run_id("b", "b", first),
        derive_run_id("ab", "", first),
        derive_run_id("", "ab", first),
    }
    assert len(ids) == 5


def test_header_round_trip_ignores_unknown_keys() -> None:
    """What a later version adds to the header does not disturb this one."""
    identity = Identity(run_id=str(UUID(int=1)), tenant_id="acme", count=7)
    assert Identity.from_header({**identity.to_header(), "later": True}) == identity
