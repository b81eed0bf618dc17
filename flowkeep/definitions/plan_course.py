"""The course of a run: tasks begin, end and lead to others, one event at a time.

Nothing here calls itself again for what follows: tasks to begin wait in a queue, so that chains of
any length of skipped, reused or failed tasks need no stack.
"""

from typing import Any

from flowkeep.contracts.status import TaskStatus
from flowkeep.definitions.plan_commands import (
    CONDITION,
    EMPTY,
    REFUSED,
    REUSED,
    UNREACHED,
    CancelTask,
    Command,
    Finish,
    Note,
    Reused,
    TaskRef,
    given,
)
from flowkeep.definitions.plan_context import Context, Unhandled
from flowkeep.definitions.plan_failure import (
    Failure,
    complete_failure,
    failed_by,
    failed_run,
    failure_of,
)
from flowkeep.definitions.plan_flow import Flow, Move, TooManyIterations
from flowkeep.definitions.plan_items import Group
from flowkeep.definitions.plan_progress import Progress
from flowkeep.definitions.plan_roster import Roster
from flowkeep.definitions.plan_state import State
from flowkeep.definitions.spec import CancellationPolicy, DefinitionSpec, Kind, Task
from flowkeep.errors import InvalidInput


class Course:
    """Carries one event at a time through a definition and collects what it asks for.

    Args:
        spec: The definition.
        flow: Which edges fired.
        progress: Where each task stands.
        context: What templates can name.
        state: What runs and what waits.

    Attributes:
        commands: What is asked for, in order; whoever reads it empties it.

    Raises:
        InvalidInput: If the definition says what cannot be planned.
    """

    def __init__(
        self, spec: DefinitionSpec, flow: Flow, progress: Progress, context: Context, state: State
    ) -> None:
        self._spec = spec
        self._flow = flow
        self._progress = progress
        self._context = context
        self._state = state
        self._roster = Roster(spec)
        self.commands: list[Command] = []

    def start(self) -> None:
        """Set the variables and let the first tasks begin."""
        self._state.started = True
        try:
            for name, value in self._spec.vars.items():
                self._context.publish({name: value}, "vars")
        except InvalidInput as error:
            self.stop(failed_run(failure_of(error)))
        else:
            self._take(self._flow.start())

    def ended(self, ref: TaskRef, status: TaskStatus, result: Any, error: Failure) -> None:
        """Take note of how something that is active has ended."""
        del self._state.active[ref]
        self._state.calls -= self._roster.kinds[ref.name] is not Kind.HUMAN
        self._call_ended(ref, status, result, error)

    def stop(self, finish: Finish) -> None:
        """Let nothing begin any more, and the run end like this once nothing is active."""
        if self._state.stopped is not None:
            return
        self._state.stopped = finish
        self._state.queue.clear()
        cancels = self._spec.cancellation_policy is CancellationPolicy.CANCEL_RUNNING
        self.commands.extend(
            CancelTask(ref)
            for ref in self._state.active
            if cancels or self._roster.kinds[ref.name] is Kind.HUMAN
        )
        for ref, group in list(self._state.groups.items()):
            if ref in self._state.groups:  # one with inner tasks may have ended with the last
                self._group_moved(ref, group)

    def pump(self) -> None:
        """Begin what may begin, and end the run when nothing is left to do."""
        state = self._state
        while state.queue and not state.held and state.calls < state.most_active:
            self._begin(state.queue.popleft())
        if state.stopped is None and state.started and state.turns == 0:
            state.stopped = self._success()
        if state.stopped is not None and not state.active:
            state.outcome = state.stopped
            self.commands.append(state.outcome)

    def _success(self) -> Finish:
        try:
            result = self._context.render(self._spec.output_map, "output_map")
        except InvalidInput as error:
            return failed_run(failure_of(error))
        return Finish("succeeded", result=result)

    def _take(self, moves: list[Move]) -> None:
        for ref, begins in moves:
            if begins:
                self._state.turns += 1
                self._state.queue.append(ref)
            else:
                self._progress.skip(ref)
                self._note_skipped(ref, UNREACHED)

    def _note_skipped(self, ref: TaskRef, reason: str) -> None:
        task = self._roster.tasks[ref.name]
        self.commands.append(Note(ref, task, TaskStatus.SKIPPED, reason=reason))
        for inner in task.inner:
            member = TaskRef(inner.name, ref.iteration)
            self._progress.skip(member)
            self.commands.append(Note(member, inner, TaskStatus.SKIPPED, reason=reason))

    def _begin(self, ref: TaskRef) -> None:
        task = self._roster.tasks[ref.name]
        belongs = self._roster.group_of(ref)
        group = None if belongs is None else self._state.groups.get(belongs[0])
        if belongs is not None and (group is None or not group.begin()):
            return  # another member has failed since this one was queued
        if group is not None and ref.index >= 0:
            self._call(ref, task, group.variables(task, ref.index), group.size)
        else:
            self._progress.begin(ref)
            self._begin_task(ref, task)

    def _begin_task(self, ref: TaskRef, task: Task) -> None:
        try:
            if not self._context.holds(task.when, f"tasks.{task.name}.when"):
                self._note_skipped(ref, CONDITION)
                self._end(ref, TaskStatus.SKIPPED)
                return
            group = self._group_of(task)
        except InvalidInput as error:
            self._refuse(ref, task, failure_of(error))
            return
        if group is None:
            self._call(ref, task, {})
        elif group.size == 0:
            result = group.result(task)
            self.commands.append(Note(ref, task, TaskStatus.SUCCEEDED, output=result, reason=EMPTY))
            self._end(ref, TaskStatus.SUCCEEDED, result)
        else:
            self._state.groups[ref] = group
            self._ask(ref, group)

    def _group_of(self, task: Task) -> Group | None:
        if self._roster.kinds[task.name] is Kind.PARALLEL:
            return Group.of_tasks(task)
        if task.with_items is None:
            return None
        path = f"tasks.{task.name}.with_items"
        return Group.of_items(task, self._context.render(task.with_items, path))

    def _ask(self, ref: TaskRef, group: Group) -> None:
        self._state.queue.extend(
            self._roster.member(ref, group, position) for position in group.next_positions()
        )

    def _call(self, ref: TaskRef, task: Task, more: dict[str, Any], calls: int = 1) -> None:
        reused = self._state.reuse.pop(ref.text, None) if self._state.reuse else None
        if reused is not None and ref.index < 0:
            self._take_over(ref, task, reused, None)
            return
        kind = self._roster.kinds[ref.name]
        try:
            call = self._context.call(ref, task, kind, more, calls)
        except InvalidInput as problem:
            self._refuse(ref, task, failure_of(problem), more.get("batch"))
            return
        if reused is not None and reused.input is not None and reused.input == given(call):
            self._take_over(ref, task, reused, call.batch)
            return
        self._state.active[ref] = None
        self._state.calls += kind is not Kind.HUMAN
        self.commands.append(call)

    def _take_over(self, ref: TaskRef, task: Task, reused: Reused, batch: int | None) -> None:
        status, result = reused.status, reused.result
        error = complete_failure(status, None)
        self.commands.append(
            Note(ref, task, status, reused.input, result, error, batch=batch, reason=REUSED)
        )
        self._call_ended(ref, status, result, error)

    def _refuse(
        self, ref: TaskRef, task: Task, error: dict[str, Any], batch: int | None = None
    ) -> None:
        self.commands.append(
            Note(ref, task, TaskStatus.FAILED, error=error, batch=batch, reason=REFUSED)
        )
        self._call_ended(ref, TaskStatus.FAILED, None, error)

    def _call_ended(self, ref: TaskRef, status: TaskStatus, result: Any, error: Failure) -> None:
        if ref.index < 0:
            self._end(ref, status, result, error)
        else:
            self._member_ended(ref.whole, ref.index, status, result, error)

    def _member_ended(
        self, whole: TaskRef, index: int, status: TaskStatus, result: Any, error: Failure
    ) -> None:
        group = self._state.groups[whole]
        group.end(index, status, result, error)
        self._group_moved(whole, group)

    def _group_moved(self, ref: TaskRef, group: Group) -> None:
        stopped = self._state.stopped is not None
        if not group.over and not (stopped and group.running == 0):
            if not stopped:
                self._ask(ref, group)
            return
        del self._state.groups[ref]
        task = self._roster.tasks[ref.name]
        if group.failed >= 0:
            self._end(ref, TaskStatus.FAILED, error=group.failure(task))
        elif group.over:
            self._end(ref, TaskStatus.SUCCEEDED, group.result(task))
        else:
            cancelled = TaskStatus.CANCELLED
            self._end(ref, cancelled, error=complete_failure(cancelled, None))

    def _end(
        self, ref: TaskRef, status: TaskStatus, result: Any = None, error: Failure = None
    ) -> None:
        """End an iteration of a task for good."""
        task = self._roster.tasks[ref.name]
        self._progress.show(ref, status, result, error)
        if status is TaskStatus.SUCCEEDED and self._state.stopped is None:
            try:
                self._context.succeeded(task, result)
            except InvalidInput as problem:
                status, result, error = TaskStatus.FAILED, None, failure_of(problem)
                self._progress.show(ref, status, result, error)
        self._progress.end(ref)
        belongs = self._roster.group_of(ref)
        if belongs is not None:
            self._member_ended(*belongs, status, result, error)
        elif self._state.stopped is None:
            self._follow(task, status, result, error)

    def _follow(self, task: Task, status: TaskStatus, result: Any, error: Failure) -> None:
        """Decide the transitions of a top-level task and let them lead on."""
        self._state.turns -= 1
        place = self._roster.places[task.name]
        try:
            names = self._context.fired(task, status, result, error)
            targets = [self._roster.places[name] for name in names]
            moves = self._flow.ended(place, targets if task.transitions is not None else None)
        except Unhandled:
            assert error is not None
            self.stop(failed_by(task.name, status, error))
        except TooManyIterations as problem:
            self.stop(failed_run(failure_of(problem), problem.task))
        except InvalidInput as problem:
            self.stop(failed_run(failure_of(problem), task.name))
        else:
            self._take(moves)
