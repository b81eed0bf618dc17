"""What `flowkeep demo` shows at its end, and whether its counts agree."""

import asyncio
import json
import shlex
import shutil
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import click

from flowkeep.cli.output import (
    plain,
    print_fields,
    print_table,
    show_bytes,
    show_seconds,
)
from flowkeep.contracts import Run, Task
from flowkeep.errors import NotFound
from flowkeep.settings import ENGINE_FILE
from flowkeep.storage import Storage


@dataclass
class Report:
    """The outcome of the demo.

    Attributes:
        run: The run as the ledger has it.
        tasks: Its tasks, newest attempts.
        manifest: The manifest, null when the run wrote none.
        files: Where the files lie, without credentials.
        differences: One sentence per count that does not agree.
        engine_stops: Whether the servers end with the demo.
    """

    run: Run
    tasks: list[Task]
    manifest: dict[str, Any] | None
    files: str
    differences: list[str] = field(default_factory=list)
    engine_stops: bool = True

    @classmethod
    async def read(cls, run: Run, tasks: list[Task], storage_url: str) -> Self:
        """Read the manifest of a finished run and compare its counts."""
        return await asyncio.to_thread(cls._read, run, tasks, storage_url)

    @classmethod
    def _read(cls, run: Run, tasks: list[Task], storage_url: str) -> Self:
        storage = Storage(storage_url)
        key = run.outputs.get("key") if isinstance(run.outputs, dict) else None
        if not isinstance(key, str):
            return cls(run, tasks, None, storage.url)
        try:
            manifest: dict[str, Any] = json.loads(storage.get(key))
        except NotFound:
            return cls(run, tasks, None, storage.url, ["the manifest is missing"])
        folder = key.rpartition("/")[0]
        local = storage.local_path(folder)
        files = str(local) if local is not None else storage.url_of(folder)
        return cls(run, tasks, manifest, files, list(differences(manifest, storage)))

    def as_dict(self) -> dict[str, Any]:
        """Return the report for programs."""
        return {
            "run": plain(self.run),
            "tasks": plain(self.tasks),
            "manifest": self.manifest,
            "files": self.files,
            "agree": not self.differences and self.manifest is not None,
            "differences": self.differences,
        }


def differences(manifest: dict[str, Any], storage: Storage) -> Iterable[str]:
    """Yield one sentence per count of a manifest that does not agree with the others.

    Args:
        manifest: Planned, read and written rows per scope, and the parts they lie in.
        storage: Where the parts lie; each must be there with the size the manifest says.
    """
    for scope in manifest["scopes"]:
        where = f"{scope['kind']} of {scope['database']}"
        counts = (scope["planned"], scope["read"], scope["written"])
        if len(set(counts)) > 1:
            yield f"{where}: planned {counts[0]}, read {counts[1]}, written {counts[2]}"
        if scope["status"] != "complete":
            yield f"{where} is {scope['status']}: {scope.get('reason') or 'no reason'}"
        for part in scope["parts"]:
            try:
                size = storage.size(part["key"])
            except NotFound:
                yield f"{part['key']} is missing"
                continue
            if size != part["bytes"]:
                yield f"{part['key']} has {size} bytes, not {part['bytes']}"


def print_report(report: Report) -> None:
    """Print the run, its tasks, the manifest per kind, where the files lie, and what to try."""
    run = report.run
    begin = run.started_at or run.created_at
    click.echo()
    print_fields(
        {
            "run id": run.id,
            "type": run.workflow_type,
            "status": run.status.value,
            "took": show_seconds((run.finished_at - begin).total_seconds())
            if run.finished_at
            else None,
        }
    )
    click.echo()
    print_table(("task", "status", "tasks", "attempts", "took"), _by_task(report.tasks))
    if report.manifest is not None:
        click.echo()
        print_table(
            ("kind", "planned", "read", "written", "files", "size"),
            _by_kind(report.manifest["scopes"]),
        )
        click.echo(f"\nfiles: {report.files}")
    if run.status.value == "succeeded":
        _print_next(report)
    else:
        click.echo(f"\nlog: {ENGINE_FILE.parent / 'logs' / 'demo.log'}", err=True)


def _by_task(tasks: Iterable[Task]) -> Iterator[tuple[Any, ...]]:
    """Yield one row for all tasks of a name and status; the time is that of the longest."""
    groups: dict[tuple[str, str], list[Task]] = {}
    for task in tasks:
        groups.setdefault((task.task_name, task.status.value), []).append(task)
    for (name, status), group in groups.items():
        longest = max((one.duration_ms for one in group if one.duration_ms is not None), default=0)
        attempts = sum(one.attempt for one in group)
        yield name, status, len(group), attempts, show_seconds(longest / 1000)


def _by_kind(scopes: Iterable[dict[str, Any]]) -> list[tuple[Any, ...]]:
    totals: dict[str, list[int]] = {}
    for scope in scopes:
        total = totals.setdefault(scope["kind"], [0] * 5)
        parts = scope["parts"]
        values = (
            scope["planned"],
            scope["read"],
            scope["written"],
            len(parts),
            sum(part["bytes"] for part in parts),
        )
        for index, value in enumerate(values):
            total[index] += value or 0
    return [(kind, *total[:4], show_bytes(total[4])) for kind, total in totals.items()]


def _print_next(report: Report) -> None:
    program = program_name()
    source = "--source postgresql://user@host:5432/database --ask-password"
    local = " --local" if report.engine_stops else ""
    steps = [
        (f"{program} run tasks {report.run.id} --attempts", "every attempt, as recorded"),
        (
            f"{program} extract diff {shlex.quote(report.files)}",
            "what changed since the demo before",
        ),
        (f"{program} extract metadata{local} {source}", "a database of your own"),
    ]
    if report.engine_stops:
        steps.insert(0, (f"{program} dev", "the same servers again, for a second terminal"))
    else:
        steps.insert(0, (f"{program} run list", "all runs"))
    click.echo("\ntry next:")
    for number, (command, what) in enumerate(steps, 1):
        click.echo(f"  {number}. {command}\n     {what}")


def program_name() -> str:
    """Return how this program is called from here: by its name if that finds it, else by path."""
    called = Path(sys.argv[0])
    found = shutil.which("flowkeep")
    if found is not None and Path(found).resolve() == called.resolve():
        return "flowkeep"
    if called.name != "flowkeep":
        return f"{sys.executable} -m flowkeep"
    path = called.resolve()
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
