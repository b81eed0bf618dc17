"""What changed between two definitions, path by path."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from flowkeep.definitions.wording import shortened

_LONGEST = 80


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that changed.

    Attributes:
        path: Where; tasks are called by their names: `tasks.load.retry.count`.
        kind: What became of it; a moved task stands behind another one than before.
        old: What it was, as JSON, shortened; None where it was not there.
        new: What it is.
    """

    path: str
    kind: Literal["added", "removed", "changed", "moved"]
    old: str | None = None
    new: str | None = None

    def __str__(self) -> str:
        values = [one for one in (self.old, self.new) if one is not None]
        return f"{self.kind} {self.path}{': ' if values else ''}{' → '.join(values)}"


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    """Return what changed from one definition to another, in the order of the new one.

    Tasks are compared with those of the same name, wherever they stand; other lists item by item.

    Args:
        old: Plain data of a definition, as stored or as a document has it.
        new: Likewise.
    """
    return list(_changes(old, new, ""))


def _changes(old: Any, new: Any, path: str) -> Iterator[Change]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in dict.fromkeys([*new, *old]):
            where = f"{path}.{key}" if path else str(key)
            if key not in old:
                yield Change(where, "added", new=_shown(new[key]))
            elif key not in new:
                yield Change(where, "removed", old=_shown(old[key]))
            else:
                yield from _changes(old[key], new[key], where)
    elif isinstance(old, list) and isinstance(new, list):
        if path.rpartition(".")[2] == "tasks" and _are_named(old) and _are_named(new):
            yield from _task_changes(old, new, path)
        else:
            yield from _list_changes(old, new, path)
    elif _shown_whole(old) != _shown_whole(new):
        yield Change(path, "changed", _shown(old), _shown(new))


def _list_changes(old: list[Any], new: list[Any], path: str) -> Iterator[Change]:
    for number in range(max(len(old), len(new))):
        where = f"{path}[{number}]"
        if number >= len(old):
            yield Change(where, "added", new=_shown(new[number]))
        elif number >= len(new):
            yield Change(where, "removed", old=_shown(old[number]))
        else:
            yield from _changes(old[number], new[number], where)


def _task_changes(old: list[Any], new: list[Any], path: str) -> Iterator[Change]:
    before = {task["name"]: task for task in old}
    after = {task["name"]: task for task in new}
    moved = _moved([one for one in before if one in after], [one for one in after if one in before])
    for name, task in after.items():
        where = f"{path}.{name}"
        if name not in before:
            yield Change(where, "added", new=_shown(task))
            continue
        if name in moved:
            yield Change(where, "moved", *moved[name])
        yield from _changes(before[name], task, where)
    for name, task in before.items():
        if name not in after:
            yield Change(f"{path}.{name}", "removed", old=_shown(task))


def _moved(old: list[str], new: list[str]) -> dict[str, tuple[str, str]]:
    """Return the names that do not stay in order with the others, and what they stood behind.

    Those of a longest rising row of places stay (patience sorting).
    """
    places = {name: place for place, name in enumerate(old)}
    tops: list[int] = []
    piles: list[str] = []
    before: dict[str, str | None] = {}
    for name in new:
        pile = bisect_left(tops, places[name])
        before[name] = piles[pile - 1] if pile else None
        tops[pile : pile + 1] = [places[name]]
        piles[pile : pile + 1] = [name]
    stay: set[str] = set()
    last: str | None = piles[-1] if piles else None
    while last is not None:
        stay.add(last)
        last = before[last]
    behind_old = dict(zip(old, ["", *old], strict=False))
    behind_new = dict(zip(new, ["", *new], strict=False))
    return {
        name: (_behind(behind_old[name]), _behind(behind_new[name]))
        for name in new
        if name not in stay
    }


def _behind(name: str) -> str:
    return f"behind {name}" if name else "first"


def _are_named(tasks: list[Any]) -> bool:
    names = [task.get("name") if isinstance(task, Mapping) else None for task in tasks]
    texts = [one for one in names if isinstance(one, str)]
    return len(set(texts)) == len(tasks)


def _shown_whole(value: Any) -> str:
    return shortened([value], 2**31)


def _shown(value: Any) -> str:
    whole = _shown_whole(value)
    return shortened(whole[1:-1], _LONGEST)
