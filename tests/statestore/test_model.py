"""Random sequences of writes on the ledger and on a small model of its rules: same end state.

MODEL_EXAMPLES sets how many sequences are tried; the short form is the same every time.
"""

from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from flowkeep.contracts import Source, TaskStatus
from flowkeep.errors import FlowkeepError
from flowkeep.statestore import Store
from tests.statestore.model import End, Key, Ledger, Refused, Row
from tests.statestore.records import TENANT, at
from tests.statestore.subject import EXAMPLES, SETTINGS, Subject

ERRORS = {"failed": "BOOM", "timed_out": "LATE", "cancelled": "STOPPED"}
ENDED = ["succeeded", "failed", "timed_out", "cancelled"]

executions = st.sampled_from(["T1", "T2"])
sources = st.sampled_from([Source.CLIENT, Source.WORKER, Source.WORKFLOW, Source.SERVER])
values = st.none() | st.integers(1, 2)
patches = st.dictionaries(st.sampled_from("ab"), st.integers(1, 2), min_size=1)
names = st.sampled_from(["s", "t"])
keys = st.tuples(executions, st.sampled_from(["x", "y"]), st.integers(1, 3))
behind = st.sampled_from([0, 0, 0, 1, -1])
outcomes = st.sampled_from([*ENDED, "unknown"])
goals = st.sampled_from(["one", "two"])
times = st.integers(6, 9).map(at)


@st.composite
def rows(draw: st.DrawFn) -> tuple[Key, Row]:
    """One attempt as a source might report it."""
    key = draw(keys)
    status = draw(st.sampled_from(["running", "waiting", *ENDED]))
    return key, Row(
        status=status,
        at=at(draw(st.integers(0, 5))),
        source=draw(sources),
        output=draw(st.integers(1, 2)) if status == "succeeded" else None,
        error=ERRORS.get(status),
        retry=status in ("failed", "timed_out") and key[2] < 3,
        scheduled=at(draw(st.sampled_from([0, 0, 0, 7]))),
    )


def told(report: tuple[Key, Row]) -> Any:
    """What names a report: of one attempt a source says one thing at one time."""
    key, row = report
    return key, row.strength


def op(method: str, /, **arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.tuples(st.just(method), st.fixed_dictionaries(arguments))


batches = st.lists(rows(), min_size=1, max_size=5)
steps = st.tuples(st.just("-"), names, st.just(1))
OPERATIONS = st.one_of(
    op("create"),
    op("mark_running", execution=executions),
    op("set_waiting", wait=st.none() | patches),
    op("resume", patch=st.just({}) | patches),
    op("request_cancel"),
    op("patch_state", patch=patches),
    op("save", goal=goals, behind=behind),
    op("update_with_revision", goal=goals, behind=behind),
    op("finish", outputs=values),
    op("fail", status=st.sampled_from(["failed", "timed_out", "cancelled"])),
    op("record_outcome", status=outcomes, source=sources, outputs=values, at=times),
    op(
        "close_segment",
        execution=executions,
        status=st.sampled_from([*ENDED, "running"]),
        source=sources,
        outputs=values,
        tentative=st.booleans(),
        at=times,
        reset=st.booleans(),
    ),
    op("record", batch=batches),
    op("record", batch=batches),
    op("mark", chosen=st.lists(keys, min_size=1, max_size=3), superseded=st.booleans()),
    op("expect_no_retry", chosen=st.lists(keys, min_size=1, max_size=3)),
    op("insert", name=names, status=st.sampled_from([s.value for s in TaskStatus]), value=values),
    op("claim", name=names),
    op("update", key=steps | keys, status=st.sampled_from(list(TaskStatus)), output=values),
    op("update", key=steps, status=st.sampled_from(list(TaskStatus)), output=values),
)


async def check(subject: Subject, model: Ledger) -> None:
    """Fail unless ledger and model stand alike."""
    run = await subject.store.runs.get_run_by_id(TENANT, None, subject.run_id)
    if run is None:
        assert model.status is None
        return
    assert (run.status, run.revision, run.cancel_requested, run.state, run.wait, run.goal) == (
        model.status,
        model.revision,
        model.cancel_requested,
        model.state,
        model.wait,
        model.goal,
    )
    assert run.outputs == model.outputs
    assert model.finished in (None, run.finished_at)
    segments = await subject.store.runs.list_segments(TENANT, run.id)
    assert {
        subject.names[s.temporal_run_id]: s.closed_at and End(s.status, s.source, s.closed_at)
        for s in segments
    } == model.segments
    found = await subject.rows()
    # The model's own clock is ahead of all reports, as the ledger's is.
    now = {key: row.at for key, row in model.rows.items() if row.at > at(9)}
    assert {k: replace(row, at=now.get(k, row.at)) for k, row in found.items()} == model.rows
    assert (run.tasks_total, run.tasks_finished, run.exceptions_count) == model.counters
    assert await subject.store.system.wrong_counters([run.id]) == []
    events = await subject.store.runs.list_events(TENANT, run.id, 1000)
    revisions = [e.revision for e in reversed(events) if e.kind != "segment_started"]
    assert revisions == list(range(run.revision + 1))


_count = iter(range(1, 10**9))


@settings(max_examples=EXAMPLES, **SETTINGS)
@given(operations=st.lists(OPERATIONS, min_size=1, max_size=25))
async def test_any_sequence_of_writes_ends_as_the_rules_say(
    store: Store, operations: list[tuple[str, dict[str, Any]]]
) -> None:
    """What is refused and what stands in the end is what the model says; so is each event."""
    subject, model = Subject(store, next(_count)), Ledger(executions=("T1", "T2"))
    for name, arguments in operations:
        try:
            expected = getattr(model, name)(**arguments)
        except Refused as refused:
            expected = str(refused)
        try:
            answer = await subject.do(name, arguments)
        except FlowkeepError as error:
            answer = type(error).__name__
        if name == "claim" or isinstance(expected, str) or isinstance(answer, str):
            assert answer == expected, (name, arguments)
    await check(subject, model)


@settings(max_examples=EXAMPLES, **SETTINGS)
@given(data=st.data(), reported=st.lists(rows(), min_size=1, max_size=12, unique_by=told))
async def test_any_order_of_records_gives_the_same_rows(
    store: Store, data: st.DataObject, reported: list[tuple[Key, Row]]
) -> None:
    """Records that come twice, in another order and in other batches leave the same tasks."""
    order = data.draw(st.permutations([*reported, *reported[:3]]))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(order)), max_size=4)))
    ends = zip([0, *cuts], [*cuts, len(order)], strict=True)
    pieces = [order[begin:end] for begin, end in ends]
    first, other = (Subject(store, next(_count)) for _ in range(2))
    for subject, parts in ((first, [reported]), (other, pieces)):
        model = Ledger(executions=("T1", "T2"))
        for batch in parts:
            model.record(batch)
            await subject.record(batch)
        await check(subject, model)
    assert await first.rows() == await other.rows()
