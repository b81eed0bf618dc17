"""`flowkeep api` as a process: its first words, its end, and several processes on one address."""

import asyncio
import os
import signal
from pathlib import Path

import httpx2
import pytest
from click.testing import CliRunner
from psycopg import AsyncConnection

from flowkeep.api.serving import listen, url_of
from flowkeep.cli.app import CALL_FAILED, cli
from flowkeep.errors import ConfigurationError
from flowkeep.settings import Settings
from tests.api.running import Running, running
from tests.support import alive, eventually

pytestmark = pytest.mark.slow

EXTERNAL = {"workflow_type": "Elsewhere", "external": True}


def key_of(service: Running) -> str:
    """Return the key that the first start shows."""
    (key,) = [line.strip() for line in service.said if line.startswith("  fk_")]
    return key


async def blocked(own: AsyncConnection) -> None:
    """Wait until somebody waits for a lock of this database."""

    async def waits() -> None:
        found = await own.execute(
            "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database"
            " WHERE NOT l.granted AND d.datname = current_database()"
        )
        row = await found.fetchone()
        assert row is not None
        assert row[0] > 0

    await eventually(waits)


async def test_a_first_start_and_a_graceful_end(settings: Settings) -> None:
    """The first start shows a working key once; at SIGTERM what runs finishes and streams end."""
    async with running(settings) as service:
        await service.ready()
        headers = {"Authorization": f"Bearer {key_of(service)}"}
        async with httpx2.AsyncClient(base_url=service.url, headers=headers, timeout=30) as http:
            assert (await http.get("/apps")).status_code == 200
            assert (await http.get("/apps", headers={"Authorization": ""})).status_code == 401
            run = (await http.post("/runs", json=EXTERNAL)).json()
            async with (
                http.stream("GET", f"/runs/{run['run_id']}/watch") as stream,
                await AsyncConnection.connect(settings.database_url()) as own,
                await AsyncConnection.connect(settings.database_url(), autocommit=True) as eyes,
            ):
                frames = stream.aiter_text()
                assert "event: progress" in await anext(frames)
                await own.execute("LOCK TABLE flowkeep.run IN EXCLUSIVE MODE")
                slow = asyncio.create_task(http.post("/runs", json=EXTERNAL))
                await blocked(eyes)
                service.process.send_signal(signal.SIGTERM)
                async for _ in frames:  # ends as a whole answer does, or raises
                    pass
                assert not slow.done()
                with pytest.raises(httpx2.ConnectError):
                    async with httpx2.AsyncClient() as late:
                        await late.get(f"{service.url}/health")
                await own.rollback()
            assert (await slow).status_code in (201, 202)
        assert await service.end() == 0
    (line,) = [one for one in service.records if one.get("route", "").endswith("/watch")]
    assert (line["status"], line["run_id"]) == (200, run["run_id"])
    assert key_of(service) not in "".join(service.logged)
    async with running(settings) as again:
        await again.ready()
        assert not [line for line in again.said if "fk_" in line and not line.startswith("next")]
        again.process.send_signal(signal.SIGINT)
        assert await again.end() == 0


async def test_a_second_signal_ends_at_once(settings: Settings) -> None:
    """Whoever cannot wait says SIGTERM twice: a request that hangs keeps nobody."""
    async with running(settings, "--open", FLOWKEEP_API_SHUTDOWN_SECONDS="300") as service:
        await service.ready()
        async with (
            httpx2.AsyncClient(base_url=service.url, timeout=60) as http,
            await AsyncConnection.connect(settings.database_url()) as own,
            await AsyncConnection.connect(settings.database_url(), autocommit=True) as eyes,
        ):
            await own.execute("LOCK TABLE flowkeep.run IN EXCLUSIVE MODE")
            slow = asyncio.create_task(http.post("/runs", json=EXTERNAL))
            await blocked(eyes)
            service.process.send_signal(signal.SIGTERM)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1):
                    await service.process.wait()
            service.process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(20):
                await service.end()
            with pytest.raises(httpx2.TransportError):
                await slow


async def test_processes_share_an_address(settings: Settings) -> None:
    """Of two processes one may be killed: the address goes on answering, and it is replaced."""
    async with running(settings, "--open", "--workers", "2") as service:
        await service.ready()
        children = Path(f"/proc/{service.process.pid}/task/{service.process.pid}/children")

        def servers() -> list[int]:
            found = [int(pid) for pid in children.read_text().split()]
            own = [pid for pid in found if b"spawn_main" in _words(pid)]
            assert len(own) == 2
            return own

        before = await eventually(servers, timeout=30)
        os.kill(before[0], signal.SIGKILL)
        async with httpx2.AsyncClient(base_url=service.url, timeout=60) as http:
            for _ in range(5):
                try:
                    assert (await http.get("/health")).status_code == 200
                except httpx2.TransportError:  # it was the killed one that had the connection
                    continue
        after = await eventually(servers, timeout=60)
        assert before[1] in after
        assert before[0] not in after
        service.process.send_signal(signal.SIGTERM)
        assert await service.end() == 0
        assert not [pid for pid in after if alive(pid)]
    ends = [one["event"] for one in service.records if "exit code" in one["event"]]
    assert ends == [f"api process 0 (pid {before[0]}) ended with exit code -9"]


def _words(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return b""


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["--open", "--host", "0.0.0.0"], "open service cannot listen on 0.0.0.0"),
        (["--host", "192.0.2.1"], "cannot listen on 192.0.2.1"),
    ],
)
def test_addresses_are_checked(
    words: list[str], hint: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that is open to other machines is refused, and so is an address of another one."""
    monkeypatch.setenv("FLOWKEEP_DATABASE_URL", settings.database_url())
    done = CliRunner().invoke(cli, ["api", *words], prog_name="flowkeep")
    assert done.exit_code == CALL_FAILED
    assert hint in done.stderr
    assert "fk_" not in done.stdout


def test_a_proxy_is_named_not_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Believing every proxy, or any proxy in front of an open service, is refused."""
    for proxies, words in (("*", []), ("10.0.0.0/8", ["--open"])):
        monkeypatch.setenv("FLOWKEEP_API_TRUSTED_PROXIES", proxies)
        done = CliRunner().invoke(cli, ["api", *words], prog_name="flowkeep")
        assert done.exit_code == CALL_FAILED
        assert "FLOWKEEP_API_TRUSTED_PROXIES" in done.stderr


def test_a_taken_port_is_named() -> None:
    """A port that somebody listens on is refused with the port and what to do."""
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        assert url_of(taken) == f"http://127.0.0.1:{port}"
        with pytest.raises(ConfigurationError, match=f"port {port}.*FLOWKEEP_API_PORT"):
            listen("127.0.0.1", port)
