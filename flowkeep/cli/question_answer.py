"""`flowkeep question answer|token`."""

import json
import shlex
from typing import Any

import click

from flowkeep.cli.arguments import merge_arguments
from flowkeep.cli.definition_files import FILE, needing_definitions, read_files
from flowkeep.cli.invocation import Invocation, common_options, pass_invocation
from flowkeep.cli.output import print_json


@click.command()
@click.argument("run")
@click.argument("task")
@click.argument("pairs", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--by", required=True, help="Who answers: one of those that are asked.")
@click.option("--token", help="What `question token` printed: then anybody may answer.")
@click.option("--json", "file", type=FILE, help="The answer as a JSON file; - is standard input.")
@common_options
@pass_invocation
def answer(
    invocation: Invocation,
    run: str,
    task: str,
    pairs: tuple[str, ...],
    by: str,
    token: str | None,
    file: str | None,
) -> None:
    """Answer the question of a task.

    RUN and TASK are as for `question show`. The answer is made of KEY=VALUE words (a value that is
    JSON is taken as such, else as text), or read from a file.
    """
    if bool(pairs) == (file is not None):
        raise click.UsageError("give the answer either as KEY=VALUE words or by --json FILE")
    given = merge_arguments(pairs, None, option="KEY=VALUE") if file is None else _read(file)
    with needing_definitions():
        invocation.run(_answer(invocation, run, task, given, by, token))


def _read(name: str) -> Any:
    try:
        return json.loads(read_files([name])[name])
    except ValueError as error:
        raise click.BadParameter(f"{name} is no JSON: {error}", param_hint="--json") from None


async def _answer(
    invocation: Invocation, run: str, task: str, given: Any, by: str, token: str | None
) -> None:
    from flowkeep.cli.service import open_service

    async with open_service(invocation) as client:
        run_id = await client.questions.answer(run, task, given, by=by, token=token)
    if invocation.json:
        print_json({"run_id": run_id, "task": task, "answered": True})
        return
    click.echo(f"{task} is answered.")
    click.echo(f"Follow the run: flowkeep run watch {run_id}", err=True)


@click.command()
@click.argument("run")
@click.argument("task")
@common_options
@pass_invocation
def token(invocation: Invocation, run: str, task: str) -> None:
    """Print the token that lets its bearer answer a question, once.

    RUN and TASK are as for `question show`. Needs the secret key of the ledger.
    """
    with needing_definitions():
        invocation.run(_token(invocation, run, task))


async def _token(invocation: Invocation, run: str, task: str) -> None:
    from flowkeep.cli.service import open_service

    async with open_service(invocation) as client:
        found = await client.questions.get(run, task)
        made = await client.questions.token(found.run_id, task)
    if invocation.json:
        print_json({"run_id": found.run_id, "task": task, "token": made})
        return
    click.echo(made)
    words = f"{found.run_id} {shlex.quote(task)} --by NAME --token TOKEN KEY=VALUE…"
    click.echo(f"Its bearer answers: flowkeep question answer {words}", err=True)
