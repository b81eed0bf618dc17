"""Named state, directly and over HTTP."""

import pytest

from flowkeep.contracts import StateType
from flowkeep.errors import InvalidInput, NotFound, RevisionMismatch
from tests.service.conftest import ServiceClient


async def test_state_lives(client: ServiceClient) -> None:
    """A value is stored, merged, replaced and removed; stale revisions change nothing."""
    state = client.state
    made = await state.put("mark", {"a": 1, "b": [1, "ü"]}, expected_revision=0)
    merged = await state.put("mark", {"a": 2}, merge=True, expected_revision=made.revision)
    assert merged.value == {"a": 2, "b": [1, "ü"]}
    for revision in (0, made.revision):
        with pytest.raises(RevisionMismatch):
            await state.put("mark", {"a": 3}, expected_revision=revision)
        with pytest.raises(RevisionMismatch):
            await state.delete("mark", expected_revision=revision)
    assert await state.get("mark") == merged
    with pytest.raises(NotFound):
        await state.get("mark", StateType.CREDENTIALS)
    await state.delete("mark", expected_revision=merged.revision)
    with pytest.raises(NotFound, match="mark"):
        await state.delete("mark")
    with pytest.raises(NotFound, match="mark"):
        await state.delete("mark", expected_revision=0)
    with pytest.raises(NotFound, match="mark"):
        await state.get("mark")


async def test_every_letter_of_a_key_is_a_letter(client: ServiceClient) -> None:
    """Keys with slashes, dots, percents and question marks are entries of their own."""
    keys = ("..", "a/b", "a%2fb", "../../apps?x=1#y", "ü +&=")
    for number, key in enumerate(keys):
        await client.state.put(key, {"n": number}, StateType.WORKFLOWS)
    found = [(await client.state.get(key, StateType.WORKFLOWS)).value["n"] for key in keys]
    assert found == list(range(len(keys)))


@pytest.mark.parametrize("key", ["", "a\x00b", "x" * 1001, "ü" * 501, "a\nb"])
async def test_a_key_that_cannot_be(client: ServiceClient, key: str) -> None:
    """An empty, overlong or unprintable key is refused, whatever is done with it."""
    for call in (client.state.get(key), client.state.put(key, {}), client.state.delete(key)):
        with pytest.raises(InvalidInput):
            await call
