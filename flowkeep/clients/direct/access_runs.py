"""Who may see and steer which runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from flowkeep.clients.direct.noun import Noun
from flowkeep.contracts import Run
from flowkeep.contracts.api.access import Role
from flowkeep.errors import InvalidInput, NotFound

_MOST_APPS = 32
_HINT = "look it up with `run list`"


@dataclass(frozen=True, slots=True)
class Visible:
    """What of a list somebody sees, as filters of the ledger.

    Attributes:
        owner: Only this owner's runs; None for everybody's.
        apps: Only runs of these apps; None for all.
        nothing: Whether there is nothing to see at all.
    """

    owner: str | None = None
    apps: Sequence[str] | None = None
    nothing: bool = False


class RunNoun(Noun):
    """What the parts of the noun `runs` share: finding a run that the caller may see."""

    async def _seen(self, run_id: UUID) -> Run:
        """Return a run that the caller sees.

        Staff sees every run of its tenant or app, others see their own and what those started.

        Raises:
            NotFound: If there is none.
        """
        run = await self._store.runs.get_run_by_id(self._tenant, None, run_id)
        if run is None:
            raise NotFound(f"run {run_id} does not exist", hint=_HINT)
        if not (self._owns(run) or await self._owns_family(run)):
            raise self._access.hidden("run", run_id, hint=_HINT)
        return run

    async def _steered(self, run_id: UUID) -> Run:
        """Return a run that the caller sees and may steer.

        Raises:
            NotFound: If there is none that the caller sees.
            Forbidden: If the caller is no operator.
        """
        run = await self._seen(run_id)
        self._access.require(Role.OPERATOR, run.app_id)
        return run

    def _owns(self, run: Run) -> bool:
        return self._access.owns_run(run)

    async def _owns_family(self, run: Run) -> bool:
        """Tell whether a run that belongs to nobody was started by one of the caller's."""
        root = run.root_run_id or run.parent_run_id
        if run.owner is not None or root in (None, run.id):
            return False
        assert root is not None
        above = await self._store.runs.get_run_by_id(self._tenant, None, root)
        return above is not None and self._owns(above)

    def _visible(self, app_id: str | None, owner: str | None) -> Visible:
        """Return what of a list the caller sees.

        Args:
            app_id: The app that is asked for; None for every app.
            owner: The owner that is asked for; None for everybody.

        Raises:
            InvalidInput: If the caller has roles in too many apps to list them at once.
        """
        principal = self._access.principal
        apps = None
        if app_id is None and not principal.may(Role.VIEWER):
            apps = sorted(principal.app_roles)
            if len(apps) > _MOST_APPS:
                raise InvalidInput(
                    f"you have roles in {len(apps)} apps: name one as app_id",
                    hint=f"one of {', '.join(apps[:10])} …",
                )
        elif not principal.may(Role.VIEWER, app_id):
            return Visible(nothing=True)
        if all(principal.is_staff(one) for one in apps or (app_id,)):
            return Visible(owner, apps, nothing=apps == [])
        mine = principal.owner
        return Visible(mine, apps, nothing=apps == [] or mine is None or owner not in (None, mine))
