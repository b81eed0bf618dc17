"""What a record keeps of values: never a secret."""

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue

from flowkeep.recording.capture import capture
from flowkeep.redaction import MASK


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "db_password",
        "PWD",
        "token",
        "access_token",
        "refreshToken",
        "Authorization",
        "aws_secret_access_key",
        "secret_key",
        "private-key",
        "apiKey",
    ],
)
def test_names_of_secrets_are_masked_at_any_depth(name: str) -> None:
    """Whatever stands under a name that says secret is masked, and nothing else."""
    value = {"outer": [{name: "canary-pw", "table": "orders", "page_token_count": 3}]}
    assert capture(value, "full") == {
        "outer": [{name: MASK, "table": "orders", "page_token_count": 3}]
    }


@pytest.mark.parametrize("mode", ["full", "digest"])
def test_undecoded_payloads_are_recorded_by_digest(mode: str) -> None:
    """The bytes of a payload nobody decoded may hold anything, so they are never shown."""
    raw = RawValue(Payload(metadata={"encoding": b"json/plain"}, data=b'{"password":"canary-pw"}'))
    for value in (raw, [raw, raw]):
        assert "canary" not in str(capture(value, mode))  # type: ignore[arg-type]


def test_big_values_are_told_by_their_digest() -> None:
    """Above the limit a value that would be kept in full is told by size and hash, and why."""
    assert capture("x" * 98, "full", 100) == "x" * 98
    kept = capture("x" * 99, "full", 100)
    assert kept == {**capture("x" * 99, "digest"), "not_recorded": "larger than 100 bytes"}
    assert kept["size"] == 101
