"""`flowkeep question list|show`."""

import shlex
from typing import TYPE_CHECKING, Any

import click

from flowkeep.cli.definition_files import needing_definitions
from flowkeep.cli.invocation import Invocation, common_options, pass_invocation
from flowkeep.cli.output import print_fields, print_json, print_table

_PAGE = 100

if TYPE_CHECKING:
    from flowkeep.contracts.api.questions import Question


@click.command("list")
@click.option("--run", help="Only those of this run: a run id or a workflow id.")
@common_options
@pass_invocation
def list_questions(invocation: Invocation, run: str | None) -> None:
    """List open questions, newest first."""
    with needing_definitions():
        invocation.run(_list(invocation, run))


async def _list(invocation: Invocation, run: str | None) -> None:
    from flowkeep.cli.service import open_service

    found: list[Question] = []
    cursor: str | None = None
    async with open_service(invocation) as client:
        while True:
            page = await client.questions.list(run=run, limit=_PAGE, cursor=cursor)
            found += page.data
            cursor = page.next
            if cursor is None:
                break
    if invocation.json:
        print_json({"data": [as_question(one) for one in found]})
        return
    if not found:
        click.echo("No open questions.", err=True)
        return
    print_table(
        ("run id", "task", "question", "asks", "asked", "until"),
        (
            (
                one.run_id,
                one.task,
                one.title,
                ", ".join(one.assignee or ()),
                one.asked_at,
                one.deadline_at,
            )
            for one in found
        ),
    )
    first = f"{found[0].run_id} {shlex.quote(found[0].task)}"
    click.echo(f"Show one: flowkeep question show {first}", err=True)


@click.command("show")
@click.argument("run")
@click.argument("task")
@common_options
@pass_invocation
def show_question(invocation: Invocation, run: str, task: str) -> None:
    """Show an open question.

    RUN is a run id, or a workflow id for its newest run; TASK is the name of the task that asks,
    with items and in loops `name[index]#iteration`.
    """
    with needing_definitions():
        invocation.run(_show(invocation, run, task))


async def _show(invocation: Invocation, run: str, task: str) -> None:
    from flowkeep.cli.service import open_service

    async with open_service(invocation) as client:
        found = await client.questions.get(run, task)
    shown = as_question(found)
    if invocation.json:
        print_json(shown)
        return
    assignee = ", ".join(shown.pop("assignee") or ())
    print_fields(
        {key.replace("_", " "): value for key, value in shown.items()} | {"asks": assignee}
    )
    words = f"{found.run_id} {shlex.quote(found.task)}"
    click.echo(f"Answer it: flowkeep question answer {words} --by NAME KEY=VALUE…", err=True)


def as_question(found: "Question") -> dict[str, Any]:
    """Return what a question says, as programs get it."""
    return {**dict(found), "run_id": str(found.run_id)}
