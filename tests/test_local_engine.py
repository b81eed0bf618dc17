"""The local engine starts, answers and keeps its state."""

from temporalio.client import Client

from flowkeep.local_engine import LocalEngine


async def test_engine_serves_database_and_temporal(
    engine: LocalEngine, database_url: str, temporal_client: Client
) -> None:
    """Both servers answer at the addresses that the engine gives."""
    import psycopg

    connection = await psycopg.AsyncConnection.connect(database_url)
    async with connection:
        cursor = await connection.execute("SHOW server_version_num")
        row = await cursor.fetchone()
    assert row is not None
    assert int(row[0]) >= 180000
    assert await temporal_client.service_client.check_health()
