"""What is told of one run, in any order, any number of times and in any flushes: the same rows.

MODEL_EXAMPLES sets how many are tried; the short form is the same every time.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from flowkeep.contracts import (
    Attempt,
    RunRef,
    RunStarted,
    RunStatus,
    SegmentClose,
    SegmentKind,
    Source,
    TaskStatus,
)
from flowkeep.statestore import Store
from tests.statestore.records import TENANT, at, attempt, close_of
from tests.statestore.subject import EXAMPLES, SETTINGS, Subject

Fact = Attempt | SegmentClose | RunStarted
_count = iter(range(10**9, 2 * 10**9))


@dataclass
class World:
    """What happened to a run in Temporal, and what may be told of it.

    Attributes:
        facts: By the names `T1` and `T2` of the executions, in the order in which they happened.
        requested: Whether a client requested the run.
        end: Status, source, time, result and execution of its end; None while it goes on.
    """

    facts: list[tuple[str, Any]]
    requested: bool
    end: tuple[str, Source, int, Any] | None


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Draw a run of one or two executions, whose ends the server may have refused at first."""
    chained = draw(st.booleans())
    facts: list[tuple[str, Any]] = []
    clock = 0
    end: tuple[str, Source, int, Any] | None = None
    for name in ("T1", "T2") if chained else ("T1",):
        for turn in range(draw(st.integers(1, 3))):
            for _ in range(draw(st.integers(0, 2))):
                clock += 1
                facts += draw(_task(name, clock))
            clock += 1
            status = draw(st.sampled_from(["succeeded", "failed"]))
            last = (status, Source.WORKFLOW, clock, turn)
            if draw(st.booleans()) or (chained and name == "T1"):
                facts.append((name, {"last": last}))
                end = last
            # Else nobody told how that turn ended; a first attempt of a later turn shows it.
        if chained and name == "T1":
            facts[-1] = (name, {"last": ("running", *facts[-1][1]["last"][1:])})
            end = None
        elif draw(st.booleans()):
            clock += 1
            end = (draw(st.sampled_from(["cancelled", "succeeded"])), Source.SERVER, clock, "s")
            facts.append((name, {"last": end}))
    return World(facts, draw(st.booleans()), _true_end(facts, end))


@st.composite
def _task(draw: st.DrawFn, name: str, clock: int) -> list[tuple[str, Any]]:
    done = {
        "activity_id": str(clock),
        "scheduled_at": at(clock),
        "started_at": at(clock),
        "recorded_at": at(clock + 0.5),
        "finished_at": at(clock + 0.5),
        "status": draw(st.sampled_from([TaskStatus.SUCCEEDED, TaskStatus.FAILED])),
    }
    if draw(st.booleans()):
        return [(name, done)]
    seen = {"status": TaskStatus.RUNNING, "finished_at": None, "recorded_at": at(clock + 0.2)}
    return [(name, done | seen), (name, done)]


def _true_end(facts: list[tuple[str, Any]], end: Any) -> Any:
    """Return the last end that no attempt of a later turn refutes."""
    if end is None or end[1] is Source.SERVER:
        return end
    name = facts[-1][0]
    begun = [fact["scheduled_at"] for other, fact in facts if other == name and "last" not in fact]
    return None if begun and max(begun) > at(end[2]) else end


def _fact(refs: dict[str, RunRef], name: str, fact: dict[str, Any]) -> Fact:
    ref = refs[name]
    if "started" in fact:
        return RunStarted(run=ref, started_at=at(0))
    if "last" not in fact:
        return attempt(ref, **fact)
    status, source, clock, result = fact["last"]
    return close_of(
        ref,
        RunStatus(status),
        source=source,
        closed_at=at(clock),
        outputs=result if status == "succeeded" else None,
        expected_tasks=None if status == "running" else clock,
        kind=SegmentKind.CONTINUE if name == "T2" else SegmentKind.START,
    )


async def _flush(store: Store, facts: Sequence[Fact]) -> None:
    await store.system.record(
        [fact for fact in facts if isinstance(fact, Attempt)],
        closes=[fact for fact in facts if isinstance(fact, SegmentClose)],
        starts=[fact for fact in facts if isinstance(fact, RunStarted)],
    )


async def _rows(subject: Subject) -> Any:
    """Return what must be alike; ids and the times of writing are left out."""
    runs = subject.store.runs
    run = await runs.get(TENANT, subject.run_id)
    segments = {
        subject.names[s.temporal_run_id]: (
            s.kind,
            s.status,
            s.closed_at,
            s.source,
            s.expected_tasks,
        )
        for s in await runs.list_segments(TENANT, subject.run_id)
    }
    ended = run.status.terminal
    return (
        (run.status, run.outputs, run.finished_at, run.source if ended else None),
        (run.tasks_total, run.tasks_finished, run.exceptions_count),
        segments,
        await subject.rows(),
    )


@settings(max_examples=EXAMPLES, **SETTINGS)
@given(data=st.data(), world=worlds())
async def test_any_order_of_all_records_gives_the_same_rows(
    store: Store, data: st.DataObject, world: World
) -> None:
    """Starts, attempts and ends, repeated and reordered, end in what is true of the run."""
    told = [("T1", {"started": True}), *world.facts]
    order = data.draw(st.permutations([*told, *told[: data.draw(st.integers(0, 4))]]))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(order)), max_size=5)))
    pieces = [order[a:b] for a, b in zip([0, *cuts], [*cuts, len(order)], strict=True)]
    found = []
    for parts in ([[one] for one in told], pieces):
        subject = Subject(store, next(_count))
        first = subject.refs["T1"].temporal_run_id
        refs = {name: replace(ref, first_run_id=first) for name, ref in subject.refs.items()}
        if world.requested:
            await subject.create()
        for part in parts:
            await _flush(store, [_fact(refs, *fact) for fact in part])
        found.append(await _rows(subject))
    assert found[0] == found[1]
    status, source, clock, result = world.end or ("running", None, None, None)
    outputs = result if status == "succeeded" else None
    assert found[0][0] == (status, outputs, clock and at(clock), source)
