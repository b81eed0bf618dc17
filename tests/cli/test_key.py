"""Command lines about API keys."""

from uuid import uuid4

from flowkeep.settings import Settings
from flowkeep.statestore import connect
from tests.cli.calling import Ask, Call


async def test_a_key_is_made_listed_and_revoked(ask: Ask, call: Call, settings: Settings) -> None:
    """The secret is all that standard output holds, works, and is never shown again."""
    made = await call(
        *("key", "create", "ci", "--role", "operator", "--app-role", "crm=admin"),
        *("--expires-in", "30d", "--tenant", "acme"),
    )
    assert made.exit_code == 0, made.stderr
    secret = made.stdout.strip()
    async with await connect(settings=settings) as store:
        key = await store.api_keys.authenticate(secret)
    assert (key.tenant_id, key.subject, key.role) == ("acme", "ci", "operator")
    assert key.expires_at is not None
    assert (key.expires_at - key.created_at).days in (29, 30)
    shown = await ask("key", "show", str(key.id), "--tenant", "acme")
    assert shown["app_roles"] == {"crm": "admin"}
    (listed,) = (await ask("key", "list", "--tenant", "acme"))["data"]
    assert listed == shown
    table = await call("key", "list", "--tenant", "acme")
    assert (key.prefix in table.stdout, "active" in table.stdout) == (True, True)
    assert (await ask("key", "list"))["data"] == []
    done = await call("key", "revoke", str(key.id), "--tenant", "acme")
    assert (done.exit_code, "revoked" in done.stdout) == (0, True)
    assert secret[20:] not in table.output + done.output + str(shown)


async def test_a_key_that_cannot_be(call: Call) -> None:
    """A key without rights, with an unknown role or odd lifetime is a usage error; no key is 3."""
    for words in (
        (),
        ("--role", "owner"),
        ("--app-role", "crm=owner"),
        ("--system", "--role", "viewer"),
        ("--role", "viewer", "--expires-in", "soon"),
        ("--role", "viewer", "--expires-in", "0d"),
        ("--role", "viewer", "--expires-in", "99999999d"),
        ("--role", "viewer", "--expires-in", "3000000d"),
    ):
        done = await call("key", "create", "ci", *words)
        assert done.exit_code == 2, (words, done.output)
    assert (await call("key", "show", str(uuid4()))).exit_code == 3
    assert (await call("key", "revoke", "x")).exit_code == 2
