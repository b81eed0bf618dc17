"""What can be done with the steps of an activity."""

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from flowkeep.contracts import RunRef
from flowkeep.contracts.steps import RecordedStep, RecordSteps, StepScope


class StepRepository(Protocol):
    """Steps that an activity commits before it goes on. The records name their own tenant."""

    async def open_steps(self, scope: StepScope, run: RunRef) -> list[RecordedStep]:
        """Take an activity's steps over from its earlier attempts, and return what they recorded.

        From then on those record nothing. Steps of theirs that have no end are `failed`.

        Args:
            scope: The activity, and the attempt that goes on with it.
            run: Its run, which is adopted when nothing was heard of it so far.

        Returns:
            The last attempt of each step.

        Raises:
            StaleAttempt: If a newer attempt has taken them.
            NotFound: If the run was deleted.
            LedgerUnavailable: If the ledger is away.
        """
        ...

    def recording_steps(self) -> AbstractAsyncContextManager[RecordSteps]:
        """Hold a connection on which steps of any activities are committed, group after group.

        What it gives takes records, at most one per attempt of a step, and commits them durably;
        repeating a group changes nothing. It returns the places in the group of those that were
        refused, because a newer attempt holds the activity's steps or its run was deleted; all
        others are committed. It raises:

        LedgerUnavailable: If the ledger is away: it may have committed them or not.
        InvalidInput: If one cannot be stored; nothing was written.
        """
        ...

    async def step_output(self, tenant_id: str, digest: bytes) -> str:
        """Return the result of a step that was too big for its row, as JSON text.

        Args:
            tenant_id: Whose it is.
            digest: `RecordedStep.output_hash`.

        Raises:
            NotFound: If the ledger has no such content.
        """
        ...
