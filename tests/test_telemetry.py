"""Logs of our own loggers, of the standard library and of Temporal, in one shape."""

import io
import json
import logging
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog
from temporalio import activity, workflow
from temporalio.testing import ActivityEnvironment

from flowkeep import telemetry
from flowkeep.errors import ConfigurationError
from flowkeep.settings import TelemetrySettings
from flowkeep.telemetry.lines import Lines as Written

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def logs() -> Iterator[tuple[io.StringIO, Lines]]:
    """A JSON log in memory, and the records in it; the root logger is left as it was."""
    root = logging.getLogger()
    level = root.level
    stream = io.StringIO()
    telemetry.configure(TelemetrySettings(log_format="json"), stream=stream)
    yield stream, lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    telemetry.silence()
    root.setLevel(level)
    structlog.reset_defaults()


@contextmanager
def own_handler_alone() -> Iterator[None]:
    """Keep pytest's handlers away from a message that only ours can format."""
    root = logging.getLogger()
    everybody = root.handlers
    root.handlers = [one for one in everybody if type(one).__module__ == "flowkeep.telemetry.logs"]
    try:
        yield
    finally:
        root.handlers = everybody


def test_own_logger_writes_fields(logs: tuple[io.StringIO, Lines]) -> None:
    """A call of our logger becomes one JSON line with its fields, level, logger and UTC time."""
    telemetry.get_logger("flowkeep.example").info("%d%% done", 3, rows=7, name="x", args=[1])
    (line,) = logs[1]()
    stamp = datetime.fromisoformat(line.pop("timestamp"))
    assert stamp.utcoffset() is not None
    assert line == {
        "event": "3% done",
        "level": "info",
        "logger": "flowkeep.example",
        "rows": 7,
        "name": "x",
        "args": [1],
    }


def test_percent_sign_without_arguments(logs: tuple[io.StringIO, Lines]) -> None:
    """A message that merely holds a percent sign is printed as it is."""
    telemetry.get_logger("flowkeep.example").warning("half is 50%s", rows=1)
    logging.getLogger("other").warning("99% sure")
    assert [line["event"] for line in logs[1]()] == ["half is 50%s", "99% sure"]


def test_standard_records_and_extra(logs: tuple[io.StringIO, Lines]) -> None:
    """A record of the standard library keeps its arguments and its extra fields."""
    logging.getLogger("library.part").error("lost %s", "it", extra={"table": "a.b"})
    (line,) = logs[1]()
    assert (line["event"], line["level"], line["logger"], line["table"]) == (
        "lost it",
        "error",
        "library.part",
        "a.b",
    )


def test_users_of_structlog_end_in_the_same_log(logs: tuple[io.StringIO, Lines]) -> None:
    """A logger made with structlog itself, and its bound context, are rendered by us."""
    with structlog.contextvars.bound_contextvars(connector="pg"):
        structlog.get_logger("user.code").info("fetched", rows=2)
    (line,) = logs[1]()
    assert (line["event"], line["rows"], line["connector"]) == ("fetched", 2, "pg")


def test_activity_logger_fields(logs: tuple[io.StringIO, Lines]) -> None:
    """What Temporal's activity logger attaches becomes fields, and leaves the message."""

    @activity.defn(name="fetch")
    def fetch() -> None:
        activity.logger.info("fetched %d rows", 5, extra={"rows": 5})

    environment = ActivityEnvironment()
    environment.info = environment.default_info().__class__(
        **{
            **vars(environment.default_info()),
            "workflow_id": "at 50% off",
            "activity_type": "fetch",
            "activity_id": "7",
            "attempt": 2,
        }
    )
    with own_handler_alone():
        environment.run(fetch)
    line = next(line for line in logs[1]() if line["event"] == "fetched 5 rows")
    info = environment.info
    assert line["workflow_id"] == "at 50% off"
    assert line["temporal_run_id"] == info.workflow_run_id
    assert (line["activity_type"], line["activity_id"], line["attempt"]) == ("fetch", "7", 2)
    assert (line["task_queue"], line["namespace"]) == (info.task_queue, info.namespace)
    assert line["workflow_type"] == info.workflow_type
    assert line["rows"] == 5
    assert not {"temporal_activity", "workflow_run_id"} & line.keys()


def test_workflow_logger_fields(logs: tuple[io.StringIO, Lines]) -> None:
    """What Temporal's workflow logger attaches becomes fields, its run id under our name."""
    details = {"attempt": 1, "run_id": "0198-abc", "workflow_id": "w%d", "workflow_type": "Hello"}
    with own_handler_alone():
        workflow.logger.base_logger.info(
            f"step %s ({details})", "one", extra={"temporal_workflow": details}
        )
    (line,) = logs[1]()
    assert line["event"] == "step one"
    assert line["temporal_run_id"] == "0198-abc"
    assert line["workflow_type"] == "Hello"
    assert "run_id" not in line


def test_exception_is_rendered_once(logs: tuple[io.StringIO, Lines]) -> None:
    """An exception appears as text with its traceback, for our loggers and for others."""
    for logger in (telemetry.get_logger("ours"), logging.getLogger("theirs")):
        try:
            raise ValueError("broken")
        except ValueError:
            logger.exception("failed")
    lines = logs[1]()
    assert [line["event"] for line in lines] == ["failed", "failed"]
    for line in lines:
        assert line["exception"].startswith("Traceback")
        assert line["exception"].endswith("ValueError: broken")
        assert "exc_info" not in line


def test_secrets_are_removed_everywhere(logs: tuple[io.StringIO, Lines]) -> None:
    """A password is written neither from message, field, nested value nor traceback."""
    url = "postgresql://someone:canary-4711@db.example/x"

    class Holder:
        def __str__(self) -> str:
            return url

    log = telemetry.get_logger("ours")
    log.info("logged in", password="canary-4711", options={"api_key": "canary-4711"})
    log.info(f"connect {url}", url=url, deep={"a": [{"b": url}]}, holder=Holder())
    logging.getLogger("theirs").error("connect %s", url, extra={"dsn": url})
    try:
        raise ConnectionError(url)
    except ConnectionError:
        log.exception("failed")
    assert len(logs[1]()) == 4
    assert "canary-4711" not in logs[0].getvalue()
    assert "db.example" in logs[0].getvalue()


def test_any_value_can_be_logged(logs: tuple[io.StringIO, Lines]) -> None:
    """Values that JSON does not know, huge integers and broken Unicode do not lose the record."""
    cycle: list[Any] = []
    cycle.append(cycle)
    telemetry.get_logger("ours").info(
        "odd \ud800",
        number=2**70,
        when=datetime.max.replace(tzinfo=UTC),
        cycle=cycle,
        keys={1: {2}},
    )
    (line,) = logs[1]()
    assert line["number"] == 2**70
    assert line["keys"] == {"1": [2]}


def test_level_and_repeated_set_up(logs: tuple[io.StringIO, Lines]) -> None:
    """Configuring again replaces the earlier set-up: one line per record, by the newest level."""
    stream = io.StringIO()
    for _ in range(2):
        telemetry.configure(
            TelemetrySettings(log_format="json", log_level="warning"),
            process="worker-2",
            stream=stream,
        )
    log = telemetry.get_logger("ours")
    log.info("quiet")
    log.warning("loud")
    (line,) = [json.loads(text) for text in stream.getvalue().splitlines()]
    assert (line["event"], line["process"]) == ("loud", "worker-2")
    assert logs[0].getvalue() == ""


def test_unknown_level_is_named() -> None:
    """A level that does not exist is an error that names the variable."""
    with pytest.raises(ConfigurationError, match="FLOWKEEP_LOG_LEVEL: 'LOUD'"):
        telemetry.configure(TelemetrySettings(log_level="LOUD"))


def test_console_is_readable_and_plain_without_a_terminal() -> None:
    """The console format names event and fields, and has no colours outside a terminal."""
    stream = io.StringIO()
    telemetry.configure(TelemetrySettings(log_format="console"), stream=stream)
    try:
        telemetry.get_logger("ours").info("fetched", rows=5)
    finally:
        telemetry.silence()
        structlog.reset_defaults()
    assert "fetched" in stream.getvalue()
    assert "rows=5" in stream.getvalue()
    assert "\x1b" not in stream.getvalue()


def test_unconfigured_loggers_leave_the_application_alone() -> None:
    """Importing and using a logger of ours prints nothing to standard output by itself."""
    code = (
        "import logging\n"
        "from flowkeep.telemetry import get_logger\n"
        "get_logger('flowkeep.x').info('quiet', rows=1)\n"
        "assert logging.getLogger().handlers == []\n"
        "logging.basicConfig(format='%(levelname)s %(message)s', level='INFO')\n"
        "get_logger('flowkeep.x').info('said', rows=1)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "INFO said\n")


@pytest.mark.parametrize("address", ["9464", "127.0.0.1:", "127.0.0.1:99999"])
def test_metrics_want_host_and_port(address: str) -> None:
    """An address that is none is refused by the name of its setting."""
    with pytest.raises(ConfigurationError, match=r"FLOWKEEP_TELEMETRY_METRICS_ADDRESS.*host:port"):
        telemetry.start_core(address)


def test_metrics_want_a_free_port() -> None:
    """A port that somebody else listens on is refused, and the hint says what to set."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ConfigurationError, match="METRICS_ADDRESS to a free host:port"):
            telemetry.start_core(f"127.0.0.1:{taken.getsockname()[1]}")


def test_a_line_is_that_of_a_record(logs: tuple[io.StringIO, Lines]) -> None:
    """A line past the machinery of records is the same line, secrets removed."""
    fields: dict[str, str | float] = {"route": "/runs", "ms": 1.5, "request_id": "password=x"}
    with structlog.contextvars.bound_contextvars(where="around"):
        telemetry.get_logger("flowkeep.example").info("request", **fields)  # pytest listens too
        with own_handler_alone():
            Written("flowkeep.example").write("request", fields)
    one, other = logs[1]()
    assert list(one) == list(other)
    assert one.pop("timestamp") <= other.pop("timestamp")
    assert one == other
    assert one["request_id"] == "password=***"


def test_a_line_nobody_wants_is_not_written(logs: tuple[io.StringIO, Lines]) -> None:
    """Below the level that is set, a line is left out."""
    logging.getLogger().setLevel(logging.WARNING)
    with own_handler_alone():
        Written("flowkeep.example").write("request", {"route": "/runs"})
    assert logs[1]() == []


def test_lines_go_wherever_records_go(
    logs: tuple[io.StringIO, Lines], caplog: pytest.LogCaptureFixture
) -> None:
    """Where somebody else listens too, they get a record of each line."""
    caplog.set_level(logging.INFO)
    Written("flowkeep.example").write("request", {"route": "/runs"})
    assert [record.getMessage() for record in caplog.records] == ["request"]
    assert [line["route"] for line in logs[1]()] == ["/runs"]
