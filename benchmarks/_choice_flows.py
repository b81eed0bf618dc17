"""One piece of work in four forms; workflows at module level, as the sandbox wants it."""

from datetime import timedelta
from typing import Any

from temporalio import activity, workflow

with workflow.unsafe.imports_passed_through():
    import flowkeep

LONG = timedelta(minutes=10)


async def piece(number: int) -> int:
    return number


@activity.defn
async def piece_of_work(number: int) -> int:
    return number


@activity.defn
async def pieces_in_steps(count: int) -> int:
    async with flowkeep.steps() as step:
        for number in range(count):
            await step(piece, number)
    return count


@workflow.defn
class PieceOfWork:
    @workflow.run
    async def run(self, number: int) -> int:
        return number


@workflow.defn
class Choice:
    """Does a number of pieces, one after the other, in one form."""

    @workflow.run
    async def run(self, form: str, count: int) -> int:
        if form == "step":
            return await workflow.execute_activity(
                pieces_in_steps, count, start_to_close_timeout=LONG
            )
        for number in range(count):
            await self._one(form, number)
        return count

    async def _one(self, form: str, number: int) -> Any:
        if form == "activity":
            return await workflow.execute_activity(
                piece_of_work, number, start_to_close_timeout=LONG
            )
        if form == "local activity":
            return await workflow.execute_local_activity(
                piece_of_work, number, start_to_close_timeout=LONG
            )
        return await workflow.execute_child_workflow(PieceOfWork.run, number)
