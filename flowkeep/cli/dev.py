"""`flowkeep dev`: both servers and the REST API on this machine, until Ctrl-C."""

import asyncio
import logging
from pathlib import Path
from typing import TYPE_CHECKING

import click

from flowkeep.cli.invocation import Invocation, common_options, pass_invocation

if TYPE_CHECKING:
    from flowkeep.cli.dev_api import DevApi
    from flowkeep.local_engine import LocalEngine

logger = logging.getLogger(__name__)

_AGAIN_SECONDS = 30.0


@click.command()
@click.option("--postgres-port", type=click.IntRange(1, 65535), help="A free one when left out.")
@click.option("--temporal-port", type=click.IntRange(1, 65535), help="A free one when left out.")
@click.option("--ui-port", type=click.IntRange(1, 65535), help="Serve Temporal's web interface.")
@click.option(
    "--api-port", type=click.IntRange(1, 65535), help="8800 when left out, or a free one."
)
@click.option("--no-api", is_flag=True, help="Serve no REST API.")
@click.option("--defaults", is_flag=True, help="Run the Temporal server untuned.")
@common_options
@pass_invocation
def dev(
    invocation: Invocation,
    postgres_port: int | None,
    temporal_port: int | None,
    ui_port: int | None,
    api_port: int | None,
    no_api: bool,
    defaults: bool,
) -> None:
    """Run PostgreSQL and Temporal locally until Ctrl-C.

    State lies in ./.flowkeep and survives a restart. Commands and workers started in this folder
    find the servers by themselves. A server that the environment names is used, not started.
    Beside them the ledger is compared with Temporal, as `flowkeep ledger reconcile` does, and the
    REST API is served to this machine, without keys.
    """
    invocation.refuse_server()
    from flowkeep.local_engine import serve

    api = None if no_api else _api(api_port)
    invocation.run(
        serve(
            Path(".flowkeep"),
            prepare=_migrate,
            beside=(_keep_true,) if api is None else (_keep_true, api.run),
            extra={} if api is None else {"api": api.url},
            lines=() if api is None else api.lines,
            load=invocation.settings,
            postgres_port=postgres_port,
            temporal_port=temporal_port,
            ui_port=ui_port,
            tuned=not defaults,
            say=click.echo,
        )
    )


def _api(port: int | None) -> "DevApi | None":
    from importlib.util import find_spec

    if find_spec("uvicorn") is None:
        click.echo("the REST API is left out: install flowkeep[api] for it")
        return None
    from flowkeep.cli.dev_api import DevApi

    return DevApi(port)


async def _migrate(engine: "LocalEngine") -> None:
    from flowkeep.statestore import migrate

    await migrate.upgrade(engine.database_url, engine.settings().database.schema_name)


async def _keep_true(engine: "LocalEngine") -> None:
    """Reconcile while the servers run: programs with a worker of their own have nobody else."""
    settings = engine.settings()
    if not settings.reconciler.enabled:
        return
    from flowkeep.keeper import run_until

    while True:
        try:
            await run_until(asyncio.Event(), settings)
        except Exception:
            # The servers go on, whatever becomes of it.
            logger.exception("the reconciler ended and is started again")
        await asyncio.sleep(_AGAIN_SECONDS)
