"""Secrets: encrypted, of one tenant, and found wherever they hide in arguments."""

from typing import Any

import psycopg
import pytest
from cryptography.fernet import Fernet
from pydantic import BaseModel, SecretBytes, SecretStr

from flowkeep.contracts.secret_names import secret_id
from flowkeep.errors import ConfigurationError, Conflict, InvalidInput, NotFound
from flowkeep.statestore import Store, connect, extract_secrets
from flowkeep.statestore.secrets import is_reference, references, same_arguments
from tests.statestore.conftest import SECRET_KEY, settings_for
from tests.statestore.records import OTHER, TENANT, new_id, new_run

CANARY = "canary-9f8e7d"


async def test_a_secret_comes_back_to_its_tenant_only(store: Store) -> None:
    """A stored credential is read by its reference, in its tenant, until it is deleted."""
    for value in ({"user": "u", "password": CANARY, "n": [1]}, CANARY, "", {}):
        reference = await store.secrets.put(TENANT, value)
        assert is_reference(reference)
        assert await store.secrets.get(TENANT, reference) == value
        assert await store.secrets.get(TENANT, reference["secret_ref"]) == value
        with pytest.raises(NotFound):
            await store.secrets.get(OTHER, reference)
        assert await store.secrets.delete(OTHER, reference) is False
        assert await store.secrets.delete(TENANT, reference) is True
        with pytest.raises(NotFound):
            await store.secrets.get(TENANT, reference)


async def test_a_chosen_id_is_safe_to_repeat(store: Store) -> None:
    """Putting the same value under one id twice is once; another value is a conflict."""
    secret_id = new_id()
    first = await store.secrets.put(TENANT, CANARY, secret_id=secret_id)
    assert await store.secrets.put(TENANT, CANARY, secret_id=secret_id) == first
    with pytest.raises(Conflict):
        await store.secrets.put(TENANT, "other", secret_id=secret_id)
    with pytest.raises(Conflict):
        await store.secrets.put(OTHER, CANARY, secret_id=secret_id)
    assert await store.secrets.get(TENANT, first) == CANARY


async def test_a_name_has_the_newest_value_of_its_tenant(store: Store) -> None:
    """What is set under a name replaces what was, and is another tenant's under the same name."""
    first = await store.secrets.set(TENANT, "warehouse", "one")
    assert await store.secrets.set(TENANT, "warehouse", {"password": CANARY}) == first
    await store.secrets.set(OTHER, "warehouse", "theirs")
    assert await store.secrets.get(TENANT, secret_id(TENANT, "warehouse")) == {"password": CANARY}
    assert await store.secrets.get(OTHER, secret_id(OTHER, "warehouse")) == "theirs"
    with pytest.raises(NotFound):
        await store.secrets.get(OTHER, first)


@pytest.mark.parametrize("reference", ["x", {"a": 1}, {}, 5, None])
async def test_what_is_no_reference_is_refused(store: Store, reference: Any) -> None:
    """Only references lead to secrets."""
    with pytest.raises(InvalidInput, match="reference"):
        await store.secrets.get(TENANT, reference)


async def test_keys_rotate(ledger_url: str) -> None:
    """A new key in front encrypts, the old one behind still decrypts; without it, the error says
    which key is missing.
    """
    new = Fernet.generate_key().decode()
    async with await connect(settings=settings_for(ledger_url)) as store:
        reference = await store.secrets.put(TENANT, CANARY)
    async with await connect(settings=settings_for(ledger_url, key=f"{new},{SECRET_KEY}")) as store:
        assert await store.secrets.get(TENANT, reference) == CANARY
        newer = await store.secrets.put(TENANT, CANARY)
    async with await connect(settings=settings_for(ledger_url, key=new)) as store:
        assert await store.secrets.get(TENANT, newer) == CANARY
        with pytest.raises(ConfigurationError, match=r"key \w+, which is not configured"):
            await store.secrets.get(TENANT, reference)


async def test_without_a_key_the_error_says_how_to_make_one(ledger_url: str) -> None:
    """A missing or malformed key is a matter of configuration, told without the key."""
    async with await connect(settings=settings_for(ledger_url, key=None)) as store:
        with pytest.raises(ConfigurationError, match="FLOWKEEP_SECRET_KEY"):
            await store.secrets.put(TENANT, CANARY)
        assert await store.secrets.resolve(TENANT, {"no": "secret"}) == {"no": "secret"}
    async with await connect(settings=settings_for(ledger_url, key="short-canary")) as store:
        with pytest.raises(ConfigurationError, match="32 bytes") as caught:
            await store.secrets.put(TENANT, CANARY)
        assert "short-canary" not in str(caught.value)


async def test_altered_ciphertexts_are_noticed(store: Store, ledger_url: str) -> None:
    """A ciphertext that was changed, or moved to another row, is not decrypted."""
    one = await store.secrets.put(TENANT, CANARY)
    two = await store.secrets.put(TENANT, "two")
    async with await psycopg.AsyncConnection.connect(ledger_url, autocommit=True) as connection:
        await connection.execute(
            "UPDATE flowkeep.secret SET ciphertext = (SELECT ciphertext FROM flowkeep.secret"
            " WHERE id = %s) WHERE id = %s",
            (one["secret_ref"], two["secret_ref"]),
        )
        with pytest.raises(ConfigurationError, match="altered"):
            await store.secrets.get(TENANT, two)
        await connection.execute("UPDATE flowkeep.secret SET ciphertext = 'x'")
        with pytest.raises(ConfigurationError, match="altered"):
            await store.secrets.get(TENANT, one)


class Login(BaseModel):
    """A user's model with a secret in it."""

    user: str
    password: SecretStr


ARGUMENTS: dict[str, Any] = {
    "workflow_id": "w",
    "credentials": {"user": "u", "password": CANARY, "extra": {"token": SecretStr(CANARY)}},
    "source": {
        "url": f"postgresql://u:{CANARY}@host:5432/db?sslmode=require",
        "plain": "https://host/path?mail=a@b.c",
        "items": [{"credentials": CANARY}, SecretStr(CANARY), SecretBytes(CANARY.encode()), 1],
        "login": Login(user="u", password=SecretStr(CANARY)),
    },
    "tuple": (f"mysql://u:{CANARY}@h/d",),
    "empty": {"credentials": None},
}
PLAIN: dict[str, Any] = {
    "workflow_id": "w",
    "credentials": {"user": "u", "password": CANARY, "extra": {"token": CANARY}},
    "source": {
        "url": f"postgresql://u:{CANARY}@host:5432/db?sslmode=require",
        "plain": "https://host/path?mail=a@b.c",
        "items": [{"credentials": CANARY}, CANARY, CANARY, 1],
        "login": {"user": "u", "password": CANARY},
    },
    "tuple": [f"mysql://u:{CANARY}@h/d"],
    "empty": {"credentials": None},
}


async def test_secrets_at_any_depth_become_references(store: Store) -> None:
    """Extracting, storing and resolving arguments gives back what was passed; nothing in between
    shows a secret.
    """
    clean, found = extract_secrets(ARGUMENTS)
    assert CANARY not in repr(clean)
    assert references(clean) == set(found)
    assert len(found) == 7
    assert clean["source"]["url"]["shown"] == "postgresql://u:***@host:5432/db?sslmode=require"
    assert clean["source"]["plain"] == PLAIN["source"]["plain"]
    assert clean["empty"] == {"credentials": None}
    run = new_run(arguments=clean, inputs=clean)
    async with store.transaction() as tx:
        for secret_id, value in found.items():
            await tx.secrets.put(TENANT, value, secret_id=secret_id)
        await tx.runs.create(TENANT, run)
    stored = await store.state.get_arguments(TENANT, run.id)
    assert await store.secrets.resolve(TENANT, stored) == PLAIN
    with pytest.raises(NotFound):
        await store.secrets.resolve(OTHER, stored)
    assert extract_secrets(clean) == (clean, {})


async def test_no_table_holds_a_secret_in_clear(store: Store, ledger_url: str) -> None:
    """A canary password is in no column of any table."""
    clean, found = extract_secrets(ARGUMENTS)
    async with store.transaction() as tx:
        for secret_id, value in found.items():
            await tx.secrets.put(TENANT, value, secret_id=secret_id)
        await tx.runs.create(TENANT, new_run(arguments=clean, inputs=[clean] * 100))
    async with await psycopg.AsyncConnection.connect(ledger_url) as connection:
        tables = await (
            await connection.execute(
                "SELECT tablename FROM pg_tables WHERE schemaname = 'flowkeep'"
            )
        ).fetchall()
        assert {"run", "state_entry", "secret"} <= {name for (name,) in tables}
        for (table,) in tables:
            rows = await connection.execute(f"SELECT t::text FROM flowkeep.{table} AS t")  # type: ignore[arg-type]
            for (row,) in await rows.fetchall():
                assert CANARY not in row
                assert CANARY.encode().hex() not in row


def test_arguments_are_compared_but_for_their_references() -> None:
    """Two extractions of one set of arguments are the same; other values are not."""
    one, _ = extract_secrets(ARGUMENTS)
    two, _ = extract_secrets(ARGUMENTS)
    assert one != two
    assert same_arguments(one, two)
    assert not same_arguments(one, {**two, "workflow_id": "x"})
    assert not same_arguments(one, {**two, "credentials": None})
