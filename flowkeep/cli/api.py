"""`flowkeep api`: the REST API, for front ends, remote clients and command lines elsewhere."""

from typing import TYPE_CHECKING

import click

from flowkeep.cli.invocation import Invocation, common_options, pass_invocation

if TYPE_CHECKING:
    from flowkeep.settings import Settings


@click.command()
@click.option("--host", help="Address to listen on. Else FLOWKEEP_API_HOST, else 127.0.0.1.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="Port to listen on; 0 takes a free one. Else FLOWKEEP_API_PORT, else 8800.",
)
@click.option(
    "--open",
    "without_keys",
    is_flag=True,
    help="Let everybody on this machine do everything without a key.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Processes that share the address.",
)
@click.option(
    "--metrics-address",
    metavar="HOST:PORT",
    help="Offer metrics to Prometheus there; each further process a port higher.",
)
@common_options
@pass_invocation
def api(
    invocation: Invocation,
    host: str | None,
    port: int | None,
    without_keys: bool,
    workers: int,
    metrics_address: str | None,
) -> None:
    """Serve the REST API until Ctrl-C or SIGTERM, then drain.

    Requests that are under way may finish, streams of events end; a second signal ends it at once.
    The first start on a ledger makes a key for an admin of the whole installation and shows it.
    """
    invocation.flags |= {
        "api__host": host,
        "api__port": port,
        "api__open": True if without_keys else None,
        "telemetry__metrics_address": metrics_address,
    }
    settings = invocation.direct_settings()

    from flowkeep.cli.extras import require_extra

    require_extra("uvicorn", "api", "the REST API")

    from flowkeep.api.serving import check_serving, listen, serve, url_of

    check_serving(settings.api)
    secret = invocation.run(_prepare(settings))
    listener = listen(settings.api.host, settings.api.port)
    url = url_of(listener)
    click.echo(f"REST API  {url}/api/v1")
    click.echo(f"its documentation  {url}/api/v1/docs")
    if settings.api.open:
        click.echo("open: everybody on this machine may do everything")
    if secret is not None:
        click.echo("a key for an admin of the whole installation, shown this once:")
        click.echo(f"  {secret}")
        click.echo("keep it in a safe place; more keys: flowkeep key create")
    key = "" if settings.api.open else " FLOWKEEP_API_KEY=fk_…"
    click.echo(f"next, in a second terminal: FLOWKEEP_SERVER={url}{key} flowkeep run list")
    serve(settings, listener, workers)


async def _prepare(settings: "Settings") -> str | None:
    """Check the ledger; return the secret of the first key where there was none."""
    from flowkeep.api.first_key import ensure_admin_key
    from flowkeep.statestore.store import connect

    async with await connect(settings=settings) as store:
        return None if settings.api.open else await ensure_admin_key(store)
