"""Runs: started, found, followed, steered, repeated and deleted."""

from flowkeep.clients.direct.runs_changing import RunChanges
from flowkeep.clients.direct.runs_deleting import RunRemoval
from flowkeep.clients.direct.runs_details import RunDetails
from flowkeep.clients.direct.runs_reading import RunReads
from flowkeep.clients.direct.runs_starting import RunStarts
from flowkeep.clients.direct.runs_steering import RunSteering
from flowkeep.clients.direct.runs_watching import RunWatching


class Runs(RunReads, RunDetails, RunStarts, RunSteering, RunChanges, RunRemoval, RunWatching):
    """Runs; it is `client.runs`. Staff sees all of its tenant or app, others see their own."""
