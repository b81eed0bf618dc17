"""What callers change of a run's record."""

from typing import Any
from uuid import UUID

from flowkeep.clients.direct.access_runs import RunNoun
from flowkeep.clients.direct.looking import is_external
from flowkeep.contracts import Run, check_move, run_status
from flowkeep.contracts.api.access import Role
from flowkeep.contracts.api.runs import RunPatch
from flowkeep.errors import Conflict, RevisionMismatch

_TRIES = 5
_STAFF = {"owner", "hold_until"}
_EXTERNAL = {"status", "outputs", "error"}


class RunChanges(RunNoun):
    """Part of `client.runs`: changes of the record."""

    async def update(
        self, run_id: UUID, patch: RunPatch, expected_revision: int | None = None
    ) -> Run:
        """Change the fields that the patch gives, all of them or none.

        Args:
            run_id: The run.
            patch: What is to change.
            expected_revision: Fail if the run is at another revision by now.

        Raises:
            NotFound: If there is no run that the caller sees.
            Forbidden: If the caller is no operator, or gives what only staff may.
            Conflict: If status or outputs are given for a run of Temporal's.
            IllegalTransition: If the run cannot move there.
            RevisionMismatch: If somebody else was first.
        """
        given = patch.model_fields_set
        self._check(await self._steered(run_id), given)  # the log hears of a denial once
        async with self._journal.writing("run.update", "run", run_id) as entry:
            for left in reversed(range(_TRIES)):
                run = await self._steered(run_id)
                if expected_revision not in (None, run.revision):
                    raise RevisionMismatch(
                        f"run {run_id}", expected=expected_revision or 0, actual=run.revision
                    )
                self._check(run, given)
                entry.was(run)
                wanted = run.model_copy(update=_changes(run, patch))
                try:
                    changed = await self._store.runs.update_with_revision(
                        self._tenant, wanted, actor=self._access.principal.owner
                    )
                except RevisionMismatch:
                    if expected_revision is not None or not left:
                        raise
                    continue
                entry.became(changed)
                return changed
        raise AssertionError("unreachable")

    def _check(self, run: Run, given: set[str]) -> None:
        """Refuse what the caller may not change of a run.

        Raises:
            Forbidden: If it is staff's to change.
            Conflict: If it is Temporal's to say.
        """
        if given & _STAFF:
            self._access.require(Role.ADMIN, run.app_id)
        theirs = sorted(given & _EXTERNAL)
        if theirs and not is_external(run):
            raise Conflict(
                f"run {run.id} runs in Temporal, which says its {' and '.join(theirs)}",
                hint="to stop it use cancel or terminate",
                code="RUN_OF_TEMPORAL",
            )


def _changes(run: Run, patch: RunPatch) -> dict[str, Any]:
    """Return the fields of a run that a patch changes."""
    given = patch.model_fields_set
    found: dict[str, Any] = {
        name: getattr(patch, name)
        for name in ("owner", "hold_until", "outputs", "error")
        if name in given
    }
    if "labels" in given:
        found["labels"] = _merged(run.labels, patch.labels)
    if "state" in given:
        found["state"] = _merged(run.state, patch.state)
        if found["state"] != run.state and run.status.terminal:
            check_move(f"run {run.id}", run.status, run.status)
    if patch.status is not None:
        found["status"] = run_status(patch.status)
    return found


def _merged(old: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """Return an object with some keys set, and without those that are to be null."""
    return {key: value for key, value in {**old, **patch}.items() if patch.get(key, 0) is not None}
