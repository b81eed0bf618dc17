"""The workflow that runs definitions: it carries a plan to Temporal, and its events back."""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from flowkeep.activities.definition import DefinitionActivities
    from flowkeep.contracts import Progress
    from flowkeep.contracts.definition_loading import (
        ANSWER,
        DEPTH_KEY,
        KEPT_KEY,
        Answer,
        Kept,
        LoadedDefinition,
    )
    from flowkeep.contracts.identity import DEFINITION_TYPE
    from flowkeep.contracts.status import TaskStatus
    from flowkeep.definitions.plan import Plan
    from flowkeep.definitions.plan_commands import (
        AskHuman,
        CallAction,
        CancelTask,
        Command,
        Finish,
        Note,
        Reused,
        RunChild,
        TaskRef,
    )
    from flowkeep.definitions.spec import DefinitionSpec
    from flowkeep.workflows.base import WorkflowInterface
    from flowkeep.workflows.definition_alarm import Alarm
    from flowkeep.workflows.definition_calls import Calls
    from flowkeep.workflows.definition_departure import Departure
    from flowkeep.workflows.definition_loading import load
    from flowkeep.workflows.definition_notes import NoteBook
    from flowkeep.workflows.definition_questions import Questions
    from flowkeep.workflows.definition_results import Room, note_of, result_of
    from flowkeep.workflows.definition_timers import Timers

Event = tuple[TaskRef, TaskStatus, Any, dict[str, Any] | None]


@workflow.defn(name=DEFINITION_TYPE)
class DefinitionWorkflow(WorkflowInterface):
    """Runs the version of a definition that the run pins."""

    activities_cls: type[Any] = DefinitionActivities

    @staticmethod
    def get_activities(activities: Any) -> Sequence[Any]:
        """Declare what it does besides calling actions."""
        return [activities.load_definition, activities.save_child_arguments]

    @workflow.init
    def __init__(self, workflow_config: Any) -> None:
        # Here and not in `run`: answers and resumes may come before its first line.
        super().__init__()
        self._events: deque[Event] = deque()
        self._notes = NoteBook()
        self._questions = Questions(self._notes.add, self._ended)
        self._timers = Timers(self._notes.add, self._ended)
        self._alarm = Alarm(self._ring)
        self._plan: Plan | None = None
        self._held = self._cancelled = False
        self._kept = Kept.of(workflow_config)
        if self._kept is not None:
            self._questions.restore(self._kept.questions)
            self._timers.restore(self._kept.timers)
            self._notes.restore(self._kept)
            self._paused, self._pause_reason = self._kept.paused, self._kept.pause_reason

    @workflow.run
    async def run(self, workflow_config: Any) -> Any:
        """Run a definition.

        Args:
            workflow_config: `{"workflow_id": …}`; that of a child names its definition and brings
                its parameters, that of a run that continues as new brings where it stands.

        Returns:
            What `output_map` gives, by name.

        Raises:
            DefinitionFailed: If a task failed and nothing in the definition handles it.
            InvalidInput: If the result does not fit the output schema; names the path.
        """
        # Not behind the pause gate: what a pause keeps from beginning is the plan's to know.
        loaded = await load(workflow_config, goes_on=self._kept is not None)
        spec = DefinitionSpec.model_validate(loaded.spec)
        depth = workflow_config.get(DEPTH_KEY, 0)
        self._departure = Departure(loaded.most_events)
        self._questions.run_id = loaded.run["id"]
        self._calls = Calls(loaded.actions, depth, Room(spec), self._notes.add, self._ended)
        finish = await self._drive(self._begin(spec, loaded), workflow_config, loaded)
        self._alarm.set(None)
        self._notes.hurry()
        await self._settle()
        return result_of(spec, finish)

    def reset_to_start(self) -> None:
        """Tell the ledger what it has to know of a reset."""
        self._notes.go_back()

    @workflow.update(name=ANSWER)
    async def answer(self, answer: Answer) -> None:
        """Take the answer of a person."""
        self._questions.answer(answer)
        await self._told()

    @answer.validator
    def check_answer(self, answer: Answer) -> None:
        """Refuse what cannot be taken."""
        self._questions.check(answer)

    @workflow.query(name="progress")
    def progress(self) -> Progress:
        """Return how far this run is, in tasks of its definition."""
        base = super().progress()
        if self._plan is None:
            return base
        counts = self._plan.counts()
        ended = counts["succeeded"] + counts["failed"] + counts["skipped"]
        return base.model_copy(
            update={
                "scheduled": ended + counts["active"],
                "finished": ended,
                "failed": counts["failed"],
                "current": [ref.text for ref in self._plan.active],
            }
        )

    def _begin(self, spec: DefinitionSpec, loaded: LoadedDefinition) -> list[Command]:
        kept, self._kept = self._kept, None
        if kept is not None:
            # What an action was when the run began counts, whatever was deployed since.
            loaded.actions.clear()
            loaded.actions.update(kept.actions)
            self._plan = Plan.load(spec, kept.plan)
        else:
            self._plan = Plan(
                spec,
                parameters=loaded.parameters,
                config=loaded.config,
                run=loaded.run,
                reuse={
                    name: Reused(outcome.status, outcome.result, outcome.input)
                    for name, outcome in loaded.reuse.items()
                },
            )
        self._held = self._paused
        if self._held:
            self._plan.hold()
        elif kept is not None:
            return self._plan.release()
        return [] if kept is not None else self._plan.begin()

    async def _drive(
        self, commands: list[Command], config: dict[str, Any], loaded: LoadedDefinition
    ) -> Finish:
        """Carry commands out and wait for what comes of them, until the run ends."""
        plan = self._plan
        assert plan is not None
        while True:
            self._begin_anew()
            for command in commands:
                self._carry(command)
            self._look_ahead()
            if plan.outcome is not None:
                return plan.outcome
            if self._may_leave:
                await self._leave(config, loaded)
            try:
                await workflow.wait_condition(self._has_news)
            except asyncio.CancelledError:
                self._cancelled = True
            commands = self._news()

    def _carry(self, command: Command) -> None:
        if isinstance(command, AskHuman):
            self._questions.ask(command)
        elif isinstance(command, CancelTask):
            text = command.ref.text
            if not self._questions.withdraw(text) and not self._timers.cancel(text):
                self._calls.cancel(command.ref)
        elif isinstance(command, Note):
            self._notes.add(note_of(command))
        elif isinstance(command, CallAction) and self._calls.is_timer(command):
            self._timers.begin(command)
        elif isinstance(command, CallAction | RunChild):
            self._calls.begin(command)

    def _look_ahead(self) -> None:
        """See to a long history, to the next deadline, and to what the ledger is to be told."""
        self._departure.look(self._calls.under_way)
        self._set_alarm()
        if not self._paused:  # a resume is told before it counts
            self._notes.unpaused_at = workflow.now()
        waits_for = self._waits_for
        if not (self._departure.wanted and waits_for):
            self._notes.wait_for(waits_for)

    def _set_alarm(self) -> None:
        gives_up_at = self._departure.gives_up_at if self._calls else None
        deadlines = (self._questions.next_deadline, self._timers.next_deadline, gives_up_at)
        self._alarm.set(min((at for at in deadlines if at is not None), default=None))

    @property
    def _waits_for(self) -> dict[str, Any]:
        """What the run waits for that has nothing else to do; nothing while it is paused."""
        busy = self._paused or self._calls or self._timers or self._events
        open_questions = self._questions.open
        return {"human": open_questions} if open_questions and not busy else {}

    def _has_news(self) -> bool:
        news = self._events or self._cancelled or self._notes.begins
        return bool(news) or self._held != self._holds or self._may_leave

    @property
    def _holds(self) -> bool:
        """Whether nothing may begin: the run is paused, or about to continue as new."""
        return self._paused or self._departure.wanted

    @property
    def _may_leave(self) -> bool:
        """Whether the run can continue as new now; what is untold may be too much to take along."""
        return self._departure.wanted and not self._calls and not self._notes.too_many

    def _news(self) -> list[Command]:
        """Tell the plan what happened; returns what it asks for."""
        assert self._plan is not None
        commands: list[Command] = []
        if self._cancelled:
            self._cancelled = False
            commands += self._plan.cancel()
        if self._held != self._holds:
            self._held = self._holds
            if self._held:
                self._plan.hold()
            else:
                commands += self._plan.release()
                commands += self._plan.begin()  # of a run that was paused before it began
        while self._events:
            commands += self._plan.ended(*self._events.popleft())
        return commands

    def _ended(
        self, ref: TaskRef, status: TaskStatus, result: Any, error: dict[str, Any] | None
    ) -> None:
        self._events.append((ref, status, result, error))

    def _ring(self) -> None:
        self._questions.expire()
        self._timers.expire()
        self._departure.look(self._calls.under_way)
        if not self._events:  # then nobody looks ahead: a paused run has no news of a departure
            self._set_alarm()

    async def _told(self) -> None:
        """Wait until the ledger has been told everything, or has been away for too long."""
        await workflow.wait_condition(lambda: self._notes.told)

    async def _settle(self) -> None:
        """Wait for the ledger and for handlers; a cancellation meanwhile is kept for later."""

        def settled() -> bool:
            return self._notes.told and workflow.all_handlers_finished()

        while not settled():
            self._begin_anew()  # the answer that ended the run may have come with a reset
            try:
                await workflow.wait_condition(lambda: settled() or self._notes.begins)
            except asyncio.CancelledError:
                self._cancelled = True

    def _begin_anew(self) -> None:
        if self._notes.begins:  # a retry or a reset made this execution
            self._notes.begin([*self._questions.notes, *self._timers.notes, *self._calls.notes])

    async def _leave(self, config: dict[str, Any], loaded: LoadedDefinition) -> None:
        """Continue as new, with where everything stands; not while there is news."""
        assert self._plan is not None
        await self._settle()
        if self._events or self._cancelled or self._notes.begins or self._notes.too_many:
            return
        kept = Kept(
            plan=self._plan.dump(),
            questions=self._questions.dump(),
            timers=self._timers.dump(),
            **self._notes.dump(),
            paused=self._paused,
            pause_reason=self._pause_reason,
            actions=loaded.actions,
        )
        workflow.continue_as_new({**config, KEPT_KEY: kept.model_dump(mode="json")})
