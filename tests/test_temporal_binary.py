"""How the `temporal` program is found or made, and what is said when every way fails."""

import asyncio
import shutil
from pathlib import Path

import pytest

from flowkeep.errors import ConfigurationError
from flowkeep.local_engine import go, temporal_binary
from flowkeep.local_engine.temporal_binary import VERSION, find_temporal

WORKS = "#!/bin/sh\necho 'temporal version 9.9.9 (Server 9.9.9, UI 9.9.9)'\n"
BROKEN = "#!/bin/sh\necho 'cannot execute: wrong machine' >&2\nexit 1\n"
OTHER = "#!/bin/sh\necho 'temporal 0.1, a calendar'\n"
GO_COMPILES = f"""#!/bin/sh
if [ "$1" = version ]; then echo "go version go1.26.1 linux/amd64"; exit; fi
echo "$@" >> "$(dirname "$0")/builds"
echo "go: downloading example.org/module v1.0.0" >&2
echo "example.org/module" >&2
cat > "$GOBIN/temporal" <<'END'
{WORKS}END
"""
GO_FAILS = """#!/bin/sh
if [ "$1" = version ]; then echo "go version go1.26.1 linux/amd64"; exit; fi
echo "example.org/module" >&2
echo "dial tcp: lookup proxy: no such host" >&2
exit 1
"""
GO_OLD = "#!/bin/sh\necho 'go version go1.19.8 linux/amd64'\n"


class Machine:
    """A machine on which only what a test puts there is found."""

    def __init__(self, root: Path) -> None:
        self.bin = root / "bin"
        self.cache = root / "cache"
        self.bin.mkdir()
        self.progress: list[str] = []

    @property
    def cached(self) -> Path:
        return self.cache / "temporal" / VERSION / "temporal"

    def put(self, path: Path, script: str) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(script)
        path.chmod(0o755)
        return path

    async def find(self) -> Path:
        return await find_temporal(self.progress.append, cache=self.cache)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine without `temporal`, without Go, and without a way to the SDK's download."""
    machine = Machine(tmp_path)
    for needed in ("sh", "cat", "dirname", "echo"):
        program = shutil.which(needed)
        assert program is not None
        (machine.bin / needed).symlink_to(program)
    monkeypatch.setenv("PATH", str(machine.bin))
    for variable in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:1")
    monkeypatch.setattr(go, "WHEEL", "no-such-distribution")
    return machine


async def test_path_comes_first(machine: Machine) -> None:
    """A program on PATH is taken before the cached one."""
    on_path = machine.put(machine.bin / "temporal", WORKS)
    machine.put(machine.cached, WORKS)
    assert await machine.find() == on_path
    assert machine.progress == []


@pytest.mark.parametrize("script", [BROKEN, OTHER])
async def test_cache_comes_when_path_does_not_serve(machine: Machine, script: str) -> None:
    """A program on PATH that fails, or is something else, leads to the cache."""
    machine.put(machine.bin / "temporal", script)
    machine.put(machine.cached, WORKS)
    assert await machine.find() == machine.cached


async def test_go_builds_it_once_for_all(machine: Machine) -> None:
    """Processes that need it at the same time build it once; later ones find it in the cache."""
    machine.put(machine.bin / "go", GO_COMPILES)
    found = await asyncio.gather(*(machine.find() for _ in range(3)))
    assert set(found) == {machine.cached}
    assert await machine.find() == machine.cached
    builds = (machine.bin / "builds").read_text().splitlines()
    assert len(builds) == 1
    assert builds[0].endswith(f"{temporal_binary.PACKAGE}@{VERSION}")
    assert any("building it once with Go on PATH" in line for line in machine.progress)
    assert any("another process is getting it" in line for line in machine.progress)
    left = sorted(path.name for path in machine.cached.parent.iterdir())
    assert left == ["lock", "temporal"]


async def test_broken_cache_is_made_again(machine: Machine) -> None:
    """A cached program that does not run (another machine's) is replaced."""
    machine.put(machine.cached, BROKEN)
    machine.put(machine.bin / "go", GO_COMPILES)
    assert await machine.find() == machine.cached
    assert machine.cached.read_text() == WORKS


async def test_error_lists_everything_that_was_tried(machine: Machine) -> None:
    """When every way fails, the message names each in its order, with the reason."""
    machine.put(machine.bin / "temporal", BROKEN)
    machine.put(machine.bin / "go", GO_FAILS)
    with pytest.raises(ConfigurationError) as caught:
        await machine.find()
    message = str(caught.value)
    expected = [
        f"PATH: {machine.bin / 'temporal'} does not run: cannot execute: wrong machine",
        f"cache: {machine.cached} does not exist",
        "SDK download: ",
        "Go of the package no-such-distribution: not installed",
        "build with Go on PATH: dial tcp: lookup proxy: no such host",
        "TEMPORAL_ADDRESS",
    ]
    places = [message.find(text) for text in expected]
    assert -1 not in places, message
    assert places == sorted(places)
    assert list(machine.cached.parent.iterdir()) == [machine.cached.parent / "lock"]


async def test_old_or_missing_go_is_named(machine: Machine) -> None:
    """A Go that is too old is not tried; the message says which version it is."""
    with pytest.raises(ConfigurationError, match="Go on PATH: no program `go`"):
        await machine.find()
    machine.put(machine.bin / "go", GO_OLD)
    with pytest.raises(ConfigurationError, match=r"version 1\.19 is older than 1\.25"):
        await machine.find()


async def test_hanging_download_is_given_up(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A download that does not end in time is stopped, and the next way is tried."""
    monkeypatch.setattr(temporal_binary, "DOWNLOAD_SECONDS", 0.01)
    machine.put(machine.bin / "go", GO_COMPILES)
    tried: list[str] = []
    machine.cached.parent.mkdir(parents=True)
    assert not await temporal_binary._download(
        machine.cached.parent, machine.cached, tried, machine.progress.append
    )
    assert tried == ["SDK download: not finished within 0.01 s"]
    assert await machine.find() == machine.cached


async def test_leftovers_of_a_killed_build_are_removed(machine: Machine) -> None:
    """What a killed process was building does not stay in the cache."""
    leftover = machine.cached.parent / ".build-killed" / "modules"
    leftover.mkdir(parents=True)
    machine.put(machine.bin / "go", GO_COMPILES)
    assert await machine.find() == machine.cached
    assert not leftover.parent.exists()


async def test_unwritable_cache_is_named(machine: Machine, tmp_path: Path) -> None:
    """A cache that cannot be made is part of the list."""
    machine.cache = tmp_path / "file"
    machine.cache.write_text("")
    with pytest.raises(ConfigurationError, match=r"cache: .* cannot be made"):
        await machine.find()
