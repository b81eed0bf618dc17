"""Probes: what they say, and to whom."""

from psycopg import AsyncConnection
from pydantic import SecretStr

from flowkeep.contracts.api.access import Role
from flowkeep.settings import Settings
from tests.api.keyed import serving


async def test_probes_need_no_key(settings: Settings) -> None:
    """A service with all it needs is alive and ready, for whoever asks."""
    async with serving(settings) as service:
        alive = await service.ask(None, "/health")
        ready = await service.ask(None, "/ready")
    assert (alive.status_code, alive.json()) == (200, {"status": "ok"})
    assert (ready.status_code, ready.json()["checked"]) == (200, ["ledger", "temporal"])


async def test_readiness_names_what_is_away(settings: Settings) -> None:
    """Without servers the process is alive, not ready, and says which are missing, not where."""
    url = "postgresql://somebody:canary-9f1@127.0.0.1:9/nowhere"
    database = settings.database.model_copy(update={"url": SecretStr(url)})
    temporal = settings.temporal.model_copy(
        update={"address": "127.0.0.1:9", "connect_timeout_seconds": 1.0}
    )
    away = settings.model_copy(update={"database": database, "temporal": temporal})
    async with serving(away) as service:
        assert (await service.ask(None, "/health")).status_code == 200
        answer = await service.ask(None, "/ready")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "2"
    problem = answer.json()
    assert problem["code"] == "NOT_READY"
    assert [one["path"] for one in problem["errors"]] == ["ledger", "temporal"]
    for secret in ("canary-9f1", "somebody", "nowhere", "127.0.0.1"):
        assert secret not in answer.text


async def test_readiness_knows_the_migration(settings: Settings) -> None:
    """A ledger at another migration is not ready; Temporal alone still is."""
    async with serving(settings) as service:
        async with await AsyncConnection.connect(settings.database_url(), autocommit=True) as own:
            await own.execute("UPDATE flowkeep.alembic_version SET version_num = '0001'")
        answer = await service.ask(None, "/ready")
        alone = await service.ask(None, "/ready?only=temporal")
    assert [one["path"] for one in answer.json()["errors"]] == ["ledger"]
    assert "db current" in answer.json()["detail"]
    assert (alone.status_code, alone.json()["checked"]) == (200, ["temporal"])


async def test_workers_are_for_admins(settings: Settings) -> None:
    """Who is no admin of the tenant does not see the workers, whatever else they may do."""
    async with serving(settings) as service:
        editor = await service.key(role=Role.EDITOR)
        assert (await service.ask(editor, "/workers")).status_code == 403
        assert (await service.ask(None, "/workers")).status_code == 401
        admin = await service.key(role=Role.ADMIN)
        answer = await service.ask(admin, "/workers")
    assert (answer.status_code, answer.json()["data"]) == (200, [])
