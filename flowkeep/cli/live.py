"""Progress as people follow it: drawn in place on a terminal, a line per change elsewhere."""

from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import click
from rich.console import Group
from rich.live import Live as RichLive
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from flowkeep.cli.output import console, plain, show, show_bytes, show_seconds
from flowkeep.cli.run_view import show_stuck
from flowkeep.contracts.progress import RunProgress

_MOST_NAMES = 8
_MOST_TASKS = 14


class Nothing:
    """A display that shows nothing."""

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End."""

    def update(self, progress: RunProgress) -> None:
        """Take a snapshot.

        Args:
            progress: The newest snapshot.
        """


class Lines(Nothing):
    """A display that prints a line whenever something but the clock has changed.

    Args:
        render: Turns a snapshot into a line; the default is for people.
    """

    def __init__(self, render: Callable[[RunProgress], str] | None = None) -> None:
        self._render = render or describe
        self._shown: tuple[object, ...] | None = None

    def update(self, progress: RunProgress) -> None:
        """Print the snapshot if it says something new."""
        content = (
            progress.run.status,
            progress.tasks_total,
            progress.tasks_done,
            progress.tasks_failed,
            progress.attempts,
            progress.rows,
            progress.bytes,
            tuple(progress.current),
            progress.run.stuck,
        )
        if content != self._shown:
            self._shown = content
            click.echo(self._render(progress))


class Live(Nothing):
    """A display that redraws a few lines of the terminal."""

    def __init__(self) -> None:
        self._live = RichLive(console=console(), transient=True, auto_refresh=False)

    def __enter__(self) -> Self:
        """Take the terminal."""
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Give the terminal back."""
        self._live.stop()

    def update(self, progress: RunProgress) -> None:
        """Draw the snapshot."""
        self._live.update(draw(progress), refresh=True)


def snapshot(progress: RunProgress) -> dict[str, Any]:
    """Return a snapshot as a plain object; the last one of a run carries the whole run."""
    run = progress.run
    return {
        "run_id": str(run.id),
        "workflow_id": run.workflow_id,
        "status": run.status.value,
        "tasks_total": progress.tasks_total,
        "tasks_done": progress.tasks_done,
        "tasks_running": progress.tasks_running,
        "tasks_failed": progress.tasks_failed,
        "attempts": progress.attempts,
        "rows": progress.rows,
        "bytes": progress.bytes,
        "rows_per_second": round(progress.rows_per_second, 3),
        "bytes_per_second": round(progress.bytes_per_second, 3),
        "amounts": {
            name: {"rows": rows, "bytes": size} for name, (rows, size) in progress.amounts.items()
        },
        "current": progress.current,
        "stuck": plain(run.stuck),
        "elapsed_seconds": round(progress.elapsed_seconds, 3),
        **({"run": plain(run)} if run.status.terminal else {}),
    }


def describe(progress: RunProgress) -> str:
    """Return a snapshot as one line."""
    parts = [
        progress.run.status.value,
        f"tasks {progress.tasks_done} done, {progress.tasks_running} running, "
        f"{progress.tasks_failed} failed",
        f"attempts {progress.attempts}",
        *_amounts(progress),
        show_seconds(progress.elapsed_seconds),
    ]
    if progress.current:
        parts.append(_names(progress.current))
    if progress.run.stuck is not None:
        parts.append(show_stuck(progress.run.stuck))
    return " | ".join(parts)


def draw(progress: RunProgress) -> Group:
    """Return a snapshot as a few lines with a bar.

    The total is what is known so far: a workflow does not say beforehand what it will do.
    """
    ended = progress.tasks_done + progress.tasks_failed
    head = Text.assemble(
        (show(progress.run.workflow_type), "bold"),
        "  ",
        (progress.run.status.value, "cyan"),
        f"  {show_seconds(progress.elapsed_seconds)}",
    )
    bar = Table.grid(padding=(0, 2))
    bar.add_row(
        ProgressBar(total=max(progress.tasks_total, 1), completed=ended, width=24),
        Text(f"{ended} of {progress.tasks_total} tasks so far"),
    )
    facts = f"{progress.tasks_running} running, {progress.tasks_failed} failed, "
    facts += ", ".join([f"{progress.attempts} attempts", *_amounts(progress)])
    lines: list[Text | Table] = [Text(facts)]
    if len(progress.amounts) > 1:
        lines.append(_by_task(progress))
    if progress.current:
        lines.append(Text(f"now: {_names(progress.current)}", style="dim"))
    if progress.run.stuck is not None:
        lines.append(Text(show_stuck(progress.run.stuck), style="red"))
    return Group(head, bar, *lines)


def _by_task(progress: RunProgress) -> Table:
    """Return rows and bytes of the tasks that reported most of them."""
    most = sorted(progress.amounts.items(), key=lambda one: one[1], reverse=True)
    shown = {name for name, _ in most[:_MOST_TASKS]}
    grid = Table.grid(padding=(0, 2))
    grid.add_column()
    grid.add_column(justify="right")
    grid.add_column(justify="right")
    for name, (rows, size) in progress.amounts.items():
        if name in shown:
            style = "" if name in progress.current else "dim"
            cells = (f"  {show(name)}", f"{rows:,} rows", show_bytes(size))
            grid.add_row(*(Text(cell, style=style) for cell in cells))
    return grid


def _amounts(progress: RunProgress) -> list[str]:
    if not (progress.rows or progress.bytes):
        return []
    return [
        f"{progress.rows:,} rows ({progress.rows_per_second:,.0f}/s)",
        f"{show_bytes(progress.bytes)} ({show_bytes(progress.bytes_per_second)}/s)",
    ]


def _names(current: list[str]) -> str:
    counted = [
        f"{show(name)} ×{count}" if count > 1 else show(name)
        for name, count in sorted(Counter(current).items())
    ]
    more = len(counted) - _MOST_NAMES
    return ", ".join(counted[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
