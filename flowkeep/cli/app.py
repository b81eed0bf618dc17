"""The root of the command line: its nouns, its exit codes, and how errors are told."""

import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from flowkeep.cli.invocation import Invocation, common_options
from flowkeep.cli.lazy import LazyGroup
from flowkeep.errors import FlowkeepError, InvalidInput, RunFailed

OK = 0
RUN_FAILED = 1
"""A run that the command waited for did not succeed, what it compared differs, or what it checked
has errors."""
USAGE = 2
"""The command line cannot be understood."""
CALL_FAILED = 3
"""The command could not do its work: server away, not found, conflict, configuration."""
INTERRUPTED = 130
"""Ctrl-C."""
PIPE_CLOSED = 141
"""Whoever read the output has gone."""


class Root(LazyGroup):
    """The root group: it turns every outcome into an exit code and at most one line."""

    def main(self, args: Sequence[str] | None = None, *rest: Any, **options: Any) -> NoReturn:
        """Run a command line and leave with its exit code; never returns.

        Args:
            args: Words after the program's name; those of this process when left out.
            *rest: What click takes further.
            **options: What click takes further.
        """
        words = list(sys.argv[1:] if args is None else args)
        invocation = Invocation()
        options.update(standalone_mode=False, obj=invocation)
        try:
            outcome = super().main(words, *rest, **options)
            sys.stdout.flush()
        except BrokenPipeError:
            # What is still buffered goes nowhere, quietly, when the interpreter ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(PIPE_CLOSED)
        except (KeyboardInterrupt, click.Abort):
            sys.exit(INTERRUPTED)
        except Exception as error:  # noqa: BLE001  # the boundary: told below, never swallowed
            sys.exit(report(error, invocation, words))
        sys.exit(outcome if isinstance(outcome, int) else OK)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; a closed pipe is not to look like a failed run, as click has it."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            return PIPE_CLOSED


def report(error: Exception, invocation: Invocation, words: Sequence[str] = ()) -> int:
    """Tell an error on standard error and return the exit code.

    Args:
        error: What happened.
        invocation: Output format and debug switch.
        words: The command line, for one that failed before its options were read.
    """
    code, name, message, hint = _explain(error)
    if invocation.debug and not isinstance(error, click.ClickException):
        from flowkeep.redaction import redact

        click.echo(redact("".join(traceback.format_exception(error))), err=True, nl=False)
    if invocation.json or _asks_for_json(words):
        import json

        body = {"error": {"code": name, "message": message, "hint": hint}}
        click.echo(json.dumps(body, ensure_ascii=False), err=True)
    else:
        line = f"{message} ({hint})" if hint else message
        click.echo(f"Error: {' '.join(line.split())}", err=True)
    return code


def _explain(error: Exception) -> tuple[int, str, str, str]:
    """Return exit code, code, message and hint of an error, without secrets."""
    if isinstance(error, click.UsageError):
        path = error.ctx.command_path if error.ctx is not None else "flowkeep"
        return USAGE, "USAGE", error.format_message(), f"see `{path} --help`"
    if isinstance(error, click.ClickException):
        return CALL_FAILED, "CALL_FAILED", error.format_message(), ""
    from flowkeep.redaction import redact

    if isinstance(error, FlowkeepError):
        code = CALL_FAILED
        if isinstance(error, InvalidInput):
            code = USAGE
        elif isinstance(error, RunFailed):
            code = RUN_FAILED
        return code, error.code, redact(error.message), redact(error.hint)
    return (
        CALL_FAILED,
        "UNEXPECTED",
        redact(f"{type(error).__name__}: {error}"),
        "add --debug for the traceback",
    )


def _asks_for_json(words: Sequence[str]) -> bool:
    joined = " ".join(words)
    return any(f"{name}json" in joined for name in ("-o ", "-o", "--output ", "--output="))


_EXIT_CODES = """\b
Exit codes:
  0    done
  1    a run that was waited for did not succeed, what was compared differs, or what was
       checked has errors
  2    the command line cannot be understood
  3    the command failed: server away, not found, conflict, configuration
  130  Ctrl-C
"""

_NOUNS = {
    "api": ("flowkeep.cli.api:api", "Serve the REST API until Ctrl-C or SIGTERM, then drain."),
    "archive": ("flowkeep.cli.archive:archive", "Move ended runs to object storage and back."),
    "audit": ("flowkeep.cli.audit:audit", "Read the audit log."),
    "db": ("flowkeep.cli.db:db", "Create and inspect the ledger's schema."),
    "definition": (
        "flowkeep.cli.definition:definition",
        "Check, store, compare, list and run definitions.",
    ),
    "demo": ("flowkeep.cli.demo:demo", "Extract a sample database's metadata, from zero."),
    "dev": ("flowkeep.cli.dev:dev", "Run PostgreSQL and Temporal locally until Ctrl-C."),
    "extract": (
        "flowkeep.cli.extract:extract",
        "Extract metadata and query logs, compare and verify them.",
    ),
    "key": ("flowkeep.cli.key:key", "Make, list and revoke API keys."),
    "ledger": ("flowkeep.cli.ledger:ledger", "Compare the ledger with Temporal."),
    "profile": (
        "flowkeep.cli.profile:profile",
        "Name services, and choose the one to work against.",
    ),
    "question": (
        "flowkeep.cli.question:question",
        "List and answer the questions of runs to people.",
    ),
    "retention": ("flowkeep.cli.retention:retention", "Keep runs for as long as policies say."),
    "run": ("flowkeep.cli.run:run", "Start, list, inspect, watch and steer runs."),
    "schedule": (
        "flowkeep.cli.schedule:schedule",
        "Run definitions and workflow classes at times.",
    ),
    "secret": ("flowkeep.cli.secret:secret", "Store secrets; show and rotate their keys."),
    "stats": (
        "flowkeep.cli.stats:stats",
        "Show counts and durations of runs, archived and deleted ones included.",
    ),
    "state": ("flowkeep.cli.state:state", "Read and write named state."),
    "tenant": ("flowkeep.cli.tenant:tenant", "List and erase tenants."),
    "webhook": ("flowkeep.cli.webhook:webhook", "Have others told how runs end."),
    "worker": ("flowkeep.cli.worker:worker", "Run workers, and list those that run."),
}


@click.command(
    cls=Root,
    lazy=_NOUNS,
    epilog=_EXIT_CODES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="flowkeep", message="%(prog)s %(version)s")
@common_options
def cli() -> None:
    """Durable workflows on Temporal with a PostgreSQL ledger of every run, task and attempt.

    Flags beat the environment, the environment beats the file that a running `flowkeep dev` of
    this folder leaves, the file beats the defaults.
    """
