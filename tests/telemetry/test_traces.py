"""One trace over request, start, workflow, activity and SQL; and nothing at all when it is off."""

import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from uuid import uuid4

import httpx2
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

from flowkeep.api import build_app
from flowkeep.clients.workflow import WorkflowClient
from flowkeep.errors import ConfigurationError
from flowkeep.settings import Settings, TelemetrySettings
from flowkeep.telemetry import traces
from flowkeep.telemetry.traces import interceptors, start_tracing, stop_tracing
from flowkeep.worker import Worker
from tests.support import eventually
from tests.workflows import flows

CANARY = "canary-4f9"
TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    """What was traced; tracing ends with the test."""
    exporter = InMemorySpanExporter()
    start_tracing(TelemetrySettings(), exporter)
    yield exporter
    stop_tracing()


@pytest.fixture
async def worker(
    exporter: InMemorySpanExporter, settings: Settings, task_queue: str
) -> AsyncIterator[Worker]:
    """A worker that is traced."""
    letters = flows.Letters()
    mine = settings.worker.model_copy(update={"task_queue": task_queue})
    async with (
        await WorkflowClient.connect(settings.model_copy(update={"worker": mine})) as client,
        Worker(
            client,
            workflow_classes=[flows.Sequenced],
            workflow_activities=[letters.first, letters.second, letters.third],
        ) as worker,
    ):
        yield worker


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    """Run the open service, traced."""
    api = settings.api.model_copy(update={"open": True})
    app = build_app(settings.model_copy(update={"api": api}))
    async with app.router.lifespan_context(app):
        transport = httpx2.ASGITransport(app=app)
        url = "http://127.0.0.1/api/v1"
        async with httpx2.AsyncClient(transport=transport, base_url=url) as http:
            yield http


def named(spans: tuple[ReadableSpan, ...], beginning: str) -> list[ReadableSpan]:
    """Return the spans whose names begin so."""
    return [span for span in spans if span.name.startswith(beginning)]


def is_child(span: ReadableSpan, above: ReadableSpan) -> bool:
    """Tell whether a span stands right below another one."""
    return span.parent is not None and span.parent.span_id == above.context.span_id


async def test_one_trace_over_all(
    worker: Worker, exporter: InMemorySpanExporter, settings: Settings
) -> None:
    """A request's trace holds its start, the workflow, its activities and their SQL, no values."""
    body = {
        "workflow_type": "Sequenced",
        "task_queue": worker.task_queue,
        "arguments": {"suffix": CANARY},
    }
    traced = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
    async with serving(settings) as http:
        answer = await http.post("/runs", json=body, headers=traced)
        assert answer.status_code == 202
        run_id = answer.json()["run_id"]

        async def ended() -> None:
            run = (await http.get(f"/runs/{run_id}")).json()
            assert run["status"] == "succeeded", run["status"]

        await eventually(ended, timeout=60, interval=0.2)
        assert (await http.get("/health")).status_code == 200
    spans = exporter.get_finished_spans()
    ours = tuple(span for span in spans if f"{span.context.trace_id:032x}" == TRACE)
    (request,) = named(ours, "POST /")
    (start,) = named(ours, "StartWorkflow:Sequenced")
    (run,) = named(ours, "RunWorkflow:Sequenced")
    activities = named(ours, "RunActivity:")
    assert {"RunActivity:first", "RunActivity:second"} <= {span.name for span in activities}
    inside = {span.context.span_id for span in activities}
    statements = [span for span in ours if "db.query.text" in (span.attributes or {})]
    assert [span for span in statements if span.parent and span.parent.span_id in inside]
    assert [span for span in statements if is_child(span, request)]
    assert is_child(start, request)
    assert is_child(run, start)
    assert not [span for span in spans if "health" in span.name]
    lonely = [span.name for span in spans if span.parent is None and span not in ours]
    assert {name.split()[0] for name in lonely} <= {"GET"}
    assert CANARY not in "".join(span.to_json() for span in spans)


async def test_histories_replay_with_tracing_and_without(
    worker: Worker, exporter: InMemorySpanExporter
) -> None:
    """A traced run's history replays untraced, and what was recorded untraced replays traced."""
    handle = await worker.client.start_workflow({"suffix": "!"}, flows.Sequenced)
    await handle.result()
    traced = await _history(worker, handle.workflow_id)
    assert b"_tracer-data" in b"".join(e.SerializeToString() for e in traced.events)
    config = worker.client.temporal.config()
    copies = [type(event).FromString(event.SerializeToString()) for event in traced.events]
    bare = WorkflowHistory(traced.workflow_id, copies)
    for event in bare.events:
        kind = str(event.WhichOneof("attributes"))
        if event.HasField(kind) and hasattr(getattr(event, kind), "header"):
            getattr(event, kind).header.fields.pop("_tracer-data", None)
    assert b"_tracer-data" not in b"".join(e.SerializeToString() for e in bare.events)
    for history, around in ((traced, []), (traced, interceptors()), (bare, interceptors())):
        replayer = Replayer(
            workflows=[flows.Sequenced],
            interceptors=around,
            plugins=list(config["plugins"]),
            data_converter=config["data_converter"],
        )
        result = await replayer.replay_workflow(history, raise_on_replay_failure=True)
        assert result.replay_failure is None


async def _history(worker: Worker, workflow_id: str) -> WorkflowHistory:
    return await worker.client.temporal.get_workflow_handle(workflow_id).fetch_history()


async def test_errors_of_sql_tell_no_values(
    exporter: InMemorySpanExporter, settings: Settings
) -> None:
    """A statement that fails is marked with its SQLSTATE, not with PostgreSQL's words."""
    from opentelemetry import trace
    from sqlalchemy import text
    from sqlalchemy.exc import DBAPIError

    from flowkeep.statestore.engine import build_engine

    engine = build_engine(settings.database_url(), settings.database)
    provider = traces._provider
    assert provider is not None
    with provider.get_tracer("test").start_as_current_span("outer"):
        assert trace.get_current_span().is_recording()
        async with engine.connect() as connection:
            with pytest.raises(DBAPIError):
                await connection.execute(text("SELECT CAST(:x AS int)"), {"x": CANARY})
    await engine.dispose()
    (span,) = named(exporter.get_finished_spans(), "SELECT")
    assert (span.attributes or {})["db.response.status_code"] == "22P02"
    assert not span.status.is_ok
    assert CANARY not in span.to_json()


def test_off_imports_nothing() -> None:
    """Off, no worker or client loads OpenTelemetry, and the API no more than FastAPI does."""
    code = (
        "import sys, flowkeep.worker, flowkeep.cli.work\n"
        "from flowkeep import telemetry\n"
        "from flowkeep.settings import Settings\n"
        "settings = Settings()\n"
        "telemetry.start_tracing(settings.telemetry)\n"
        "from flowkeep.telemetry.traces import interceptors\n"
        "assert interceptors() == []\n"
        "loaded = lambda: [name for name in sys.modules if name.startswith('opentelemetry')]\n"
        "print(loaded())\n"
        "import fastapi\n"
        "before = set(loaded())\n"
        "from flowkeep.api.serving import ApiServer\n"
        "ApiServer(settings)\n"
        "print(set(loaded()) - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\nset()\n"


def test_standard_variables_turn_it_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenTelemetry's own variables say where traces go and what the service is called."""
    name = f"service-{uuid4().hex}"
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
    monkeypatch.setenv("OTEL_SERVICE_NAME", name)
    settings = Settings.load().telemetry
    assert (settings.otel_endpoint, settings.otel_service) == ("http://127.0.0.1:4318", name)


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Traces that cannot be made are an error that names the extra, never left out quietly."""
    monkeypatch.setattr(traces, "find_spec", lambda _: None)
    with pytest.raises(ConfigurationError, match=r"flowkeep\[otel\]"):
        start_tracing(TelemetrySettings(otel_endpoint="http://127.0.0.1:4318"))
