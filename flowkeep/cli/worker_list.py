"""`flowkeep worker list`: who polls the task queues of the tenant."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from flowkeep.cli.invocation import Invocation, common_options, pass_invocation
from flowkeep.cli.output import print_json, print_table

if TYPE_CHECKING:
    from flowkeep.contracts.api.workers import TaskQueue


@click.command("list")
@common_options
@pass_invocation
def list_workers(invocation: Invocation) -> None:
    """List the task queues that the tenant uses, with their workers and what waits."""
    invocation.run(_list(invocation))


async def _list(invocation: Invocation) -> None:
    from flowkeep.cli.service import open_service

    async with open_service(invocation) as client:
        page = await client.workers.list()
    if invocation.json:
        print_json(page)
        return
    print_table(
        ("task queue", "worker", "tasks", "last seen", "build", "waiting"),
        (row for queue in page.data for row in _rows(queue)),
    )
    if not page.data:
        click.echo("No run or schedule of the tenant names a task queue.", err=True)


def _rows(queue: "TaskQueue") -> Iterator[tuple[Any, ...]]:
    waiting = {one.kind: one.waiting for one in queue.backlogs}
    for poller in queue.pollers:
        build = "/".join(part for part in (poller.deployment, poller.build_id) if part)
        last = poller.last_access_at
        yield (queue.name, poller.identity, poller.kind, last, build, waiting.get(poller.kind))
    polled = {poller.kind for poller in queue.pollers}
    for kind in ("workflow", "activity"):
        if kind not in polled and (waiting.get(kind) or not polled):
            yield (queue.name, "nobody", kind, None, None, waiting.get(kind))
