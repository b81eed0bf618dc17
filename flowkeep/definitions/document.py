"""Definitions as texts: YAML or JSON in, plain data with the line of every value out, and back.

Both are read as events, from which one builder makes the data; so both have lines, and the same
limits.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flowkeep.definitions.document_json import Event, read_json
from flowkeep.definitions.document_yaml import QUOTE, dump, read_yaml
from flowkeep.errors import InvalidInput

LARGEST = 1024 * 1024
"""Most bytes of a text."""

DEEPEST = 50
"""Most lists and objects inside one another."""

__all__ = ["DEEPEST", "LARGEST", "Document", "dump", "read"]


@dataclass(frozen=True, slots=True)
class Document:
    """What a text says.

    Attributes:
        data: Plain JSON: texts, numbers, true, false, null, lists, objects.
        lines: Path, for example `tasks[3].retry.count`, to its line, from 1. The line of a named
            value is that of its name.
    """

    data: dict[str, Any]
    lines: Mapping[str, int] = field(default_factory=dict)


def read(text: str | bytes, *, name: str = "definition") -> Document:
    """Return what a YAML or JSON text says.

    Args:
        text: At most 1 MiB; bytes are UTF-8.
        name: What errors call it, for example the name of its file.

    Raises:
        InvalidInput: If it is too big, no YAML or JSON, no object, or uses what is not allowed;
            names line and column.
    """
    plain = _decoded(text, name)
    events = read_json(plain, name) if plain.lstrip()[:1] == "{" else None
    builder = _Builder(name)
    for event in read_yaml(plain, name) if events is None else events:
        builder.take(event)
    return Document(builder.whole(), builder.lines)


def _decoded(text: str | bytes, name: str) -> str:
    try:
        size = len(text if isinstance(text, bytes) else text.encode())
        if size > LARGEST:
            raise InvalidInput(
                f"{name} has {size} bytes",
                hint=f"at most {LARGEST}; keep data in files, and split what is done into "
                "definitions that call one another",
            )
        plain = text.decode() if isinstance(text, bytes) else text
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise InvalidInput(f"{name} line {line}: is not UTF-8", hint="save it as UTF-8") from None
    except UnicodeEncodeError as error:
        line = error.object.count("\n", 0, error.start) + 1
        raise InvalidInput(
            f"{name} line {line}: has half of a surrogate pair", hint="save it as UTF-8"
        ) from None
    return plain.removeprefix("\ufeff")


class _Builder:
    """Makes plain data of events.

    Attributes:
        lines: As in `Document`.
    """

    def __init__(self, name: str) -> None:
        self.lines: dict[str, int] = {}
        self._name = name
        self._open: list[tuple[Any, str]] = []
        self._key: list[str | None] = []
        self._root: Any = None

    def take(self, event: Event) -> None:
        """Add the next event."""
        place = f"{self._name} line {event.line}, column {event.column}"
        if event.kind == "end":
            self._open.pop()
            self._key.pop()
            return
        if self._open and isinstance(self._open[-1][0], dict) and self._key[-1] is None:
            self._take_key(event, place)
            return
        value: Any = {"object": {}, "list": []}.get(event.kind, event.value)
        path = self._add(value, event.line)
        if event.kind != "value":
            if len(self._open) >= DEEPEST:
                raise InvalidInput(
                    f"{place}: is nested deeper than {DEEPEST} levels", hint="make it flatter"
                )
            self._open.append((value, path))
            self._key.append(None)

    def whole(self) -> dict[str, Any]:
        """Return what was built.

        Raises:
            InvalidInput: If it is no object.
        """
        if not isinstance(self._root, dict):
            raise InvalidInput(
                f"{self._name} line 1: is no object", hint="it begins with `ref: …` and `tasks: …`"
            )
        return self._root

    def _take_key(self, event: Event, place: str) -> None:
        if event.kind != "value":
            raise InvalidInput(
                f"{place}: a name is {'an' if event.kind == 'object' else 'a'} {event.kind}",
                hint=QUOTE,
            )
        if not isinstance(event.value, str):
            raise InvalidInput(f"{place}: a name is no text", hint="put it in quotes")
        holder, path = self._open[-1]
        where = f"{path}.{event.value}" if path else event.value
        if event.value in holder:
            raise InvalidInput(
                f"{place}: {where} was given in line {self.lines[where]} already",
                hint="remove one of the two",
            )
        self._key[-1] = event.value
        self.lines[where] = event.line

    def _add(self, value: Any, line: int) -> str:
        """Put a value in its place and return its path."""
        if not self._open:
            self._root = value
            return ""
        holder, path = self._open[-1]
        if isinstance(holder, list):
            where = f"{path}[{len(holder)}]"
            holder.append(value)
            self.lines[where] = line
            return where
        key = self._key[-1]
        assert key is not None
        holder[key] = value
        self._key[-1] = None
        return f"{path}.{key}" if path else key
