"""The faults: each a function that hurts something for a while and mends it again."""

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass

from tests.faults.links import Mode
from tests.faults.scene import WORKERS, Scene, fill

Inject = Callable[[Scene, random.Random, float], Awaitable[None]]


@dataclass(frozen=True)
class Fault:
    """A kind of fault.

    Attributes:
        cheap: Whether the short form has it.
        longest_seconds: How long it may last.
    """

    name: str
    inject: Inject
    cheap: bool
    longest_seconds: float


async def _kill_worker(scene: Scene, chance: random.Random, seconds: float) -> None:
    name = chance.choice(WORKERS)
    async with scene.lock(name):
        with scene.trouble(name, "killed"):
            await scene.programs[name].kill()
            await asyncio.sleep(seconds)
        await scene.start_worker(name)


async def _stop_worker(scene: Scene, chance: random.Random, seconds: float) -> None:
    name = chance.choice(WORKERS)
    async with scene.lock(name):
        with scene.trouble(name, "stopped"):
            await scene.programs[name].stop()
            await asyncio.sleep(seconds)
        await scene.start_worker(name)


async def _freeze_worker(scene: Scene, chance: random.Random, seconds: float) -> None:
    name = chance.choice(WORKERS)
    async with scene.lock(name):
        with scene.trouble(name, "frozen"):
            scene.programs[name].send(signal.SIGSTOP)
            await asyncio.sleep(seconds)
            scene.programs[name].send(signal.SIGCONT)


async def _kill_reconciler(scene: Scene, chance: random.Random, seconds: float) -> None:
    async with scene.lock("reconciler"):
        await scene.programs["reconciler"].kill()
        await asyncio.sleep(seconds)
        await scene.programs["reconciler"].start()


async def _kill_postgres(scene: Scene, chance: random.Random, seconds: float) -> None:
    server = scene.engine.postgres
    assert server is not None
    async with scene.lock("postgres"):
        with scene.trouble("*", "ledger killed"):
            server.kill()
            await asyncio.sleep(seconds)
            await server.restart()


async def _kill_temporal(scene: Scene, chance: random.Random, seconds: float) -> None:
    server = scene.engine.temporal
    assert server is not None
    async with scene.lock("temporal"):
        server.kill()
        await asyncio.sleep(seconds)
        await server.restart()


async def _fill_disk(scene: Scene, chance: random.Random, seconds: float) -> None:
    """Leave PostgreSQL no room; it may end over it, as it does where its log cannot grow."""
    server = scene.engine.postgres
    assert server is not None
    filler = scene.disk_filler()
    async with scene.lock("postgres"):
        with scene.trouble("*", "disk full"):
            try:
                for _ in range(max(1, int(seconds / 0.25))):
                    await asyncio.to_thread(fill, filler)  # what it gives up is taken too
                    await asyncio.sleep(0.25)
            finally:
                filler.unlink(missing_ok=True)
            # It comes back by itself from most of it; where it does not, somebody restarts it.
            await server.restart()


def _damage(mode: Mode, server: str | None = None) -> Inject:
    async def inject(scene: Scene, chance: random.Random, seconds: float) -> None:
        """Damage one link, or all links to one server."""
        which = server or chance.choice(("ledger", "temporal"))
        process = chance.choice([*WORKERS, "reconciler", "client", "*"])
        hurt = [
            link for (who, to), link in scene.links.items() if to == which and process in (who, "*")
        ]
        reset = chance.random() < 0.5
        delay, rate = chance.uniform(0.05, 0.3), chance.uniform(20e3, 200e3)
        scene.say(f"  {mode}: {process} to {which}")
        async with scene.lock(f"links to {which}"):
            with ExitStack() as stack:
                if which == "ledger":
                    stack.enter_context(scene.trouble(process, f"link {mode}"))
                for link in hurt:
                    link.damage(mode, delay_seconds=delay, rate=rate)
                try:
                    await asyncio.sleep(seconds)
                finally:
                    for link in hurt:
                        link.mend(reset=reset)

    return inject


def _replace(what: str, *, records: bool) -> Inject:
    async def inject(scene: Scene, chance: random.Random, seconds: float) -> None:
        """Let another kind of worker take the place of one for a while."""
        name = chance.choice(WORKERS)
        arguments = {
            "old": ["--old"],
            "skewed": ["--skew", str(chance.choice((-1, 1)) * chance.uniform(60, 600))],
            "jumbled": ["--jumble", str(chance.randrange(10**6))],
            "plain": ["--plain"],
        }[what]
        kill = chance.random() < 0.5
        async with scene.lock(name):
            with ExitStack() as stack:
                if not records:
                    stack.enter_context(scene.trouble(name, what))
                await _end(scene, name, kill=kill)
                await scene.start_worker(name, *arguments)
                await asyncio.sleep(seconds + 2)  # it takes that long to come up
                await _end(scene, name, kill=kill)
            await scene.start_worker(name)

    return inject


async def _end(scene: Scene, name: str, *, kill: bool) -> None:
    with scene.trouble(name, "replaced"):
        await (scene.programs[name].kill() if kill else scene.programs[name].stop())


FAULTS = {
    fault.name: fault
    for fault in (
        Fault("kill-worker", _kill_worker, cheap=True, longest_seconds=1.5),
        Fault("stop-worker", _stop_worker, cheap=False, longest_seconds=1),
        Fault("freeze-worker", _freeze_worker, cheap=True, longest_seconds=5),
        Fault("kill-reconciler", _kill_reconciler, cheap=True, longest_seconds=2),
        Fault("kill-postgres", _kill_postgres, cheap=True, longest_seconds=3),
        Fault("kill-temporal", _kill_temporal, cheap=True, longest_seconds=2),
        Fault("disk-full", _fill_disk, cheap=True, longest_seconds=3),
        Fault("link-cut", _damage(Mode.CUT), cheap=True, longest_seconds=3),
        Fault("link-hole", _damage(Mode.HOLE), cheap=False, longest_seconds=4),
        Fault("link-deaf", _damage(Mode.DEAF), cheap=True, longest_seconds=2),
        Fault("link-slow", _damage(Mode.SLOW), cheap=False, longest_seconds=4),
        Fault("jumbled-writes", _replace("jumbled", records=True), cheap=True, longest_seconds=5),
        Fault("old-worker", _replace("old", records=True), cheap=False, longest_seconds=4),
        Fault("skewed-worker", _replace("skewed", records=True), cheap=False, longest_seconds=4),
        Fault("plain-worker", _replace("plain", records=False), cheap=False, longest_seconds=3),
    )
}


@dataclass(frozen=True)
class Planned:
    """One fault that will be injected.

    Attributes:
        at: Seconds after the first run was started.
        seed: Of everything that it decides itself.
    """

    at: float
    name: str
    seconds: float
    seed: int


def plan(chance: random.Random, names: list[str], seconds: float) -> list[Planned]:
    """Spread every kind over the time, in random order, and then as many again as there is room.

    Args:
        chance: Decides.
        names: Kinds.
        seconds: How long the whole goes on.
    """
    if not names:
        return []
    count = max(len(names), int(seconds / 2.2))
    order: list[str] = []
    while len(order) < count:
        order += chance.sample(names, len(names))
    gap = seconds / count
    return [
        Planned(
            at=gap * (index + chance.random()),
            name=name,
            seconds=chance.uniform(0.3, FAULTS[name].longest_seconds),
            seed=chance.randrange(10**9),
        )
        for index, name in enumerate(order[:count])
    ]


async def inject(scene: Scene, planned: Planned) -> None:
    """Wait for its time, do it, and say so."""
    loop = asyncio.get_running_loop()
    await asyncio.sleep(planned.at)
    scene.say(f"fault {planned.name} for {planned.seconds:.1f} s")
    begin = loop.time()
    await FAULTS[planned.name].inject(scene, random.Random(planned.seed), planned.seconds)
    scene.say(f"fault {planned.name} over after {loop.time() - begin:.1f} s")
