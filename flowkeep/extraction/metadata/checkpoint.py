"""How far an attempt came with one kind of one database, so that the next goes on from there.

A checkpoint is put after each stored part and names it, so at most one part is made again. It is
believed only by a retry of the very same task, and only while every part it names still lies in
storage as it was put.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from flowkeep.contracts.extraction import KindResult, PartInfo, SourceInfo
from flowkeep.errors import NotFound
from flowkeep.extraction.log import get_logger
from flowkeep.extraction.metadata.keys import RunLocation, Stage
from flowkeep.storage import Storage

_log = get_logger(__name__)

_SHAPE = 1
"""Version of what a checkpoint holds, and of how parts are cut."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt of one task, as Temporal counts them.

    Attributes:
        temporal_run_id: Execution that scheduled the task.
        activity_id: The task in it; reading a kind once more is another task.
        number: Of the attempt, from 1.
    """

    temporal_run_id: str
    activity_id: str
    number: int = 1


class Checkpoint(BaseModel):
    """What an attempt had stored.

    Attributes:
        token: Of the task and of what it works on.
        parts: Files by the unit they were made of: for a fetch one list per raw part with that
            part, for a transform one list per raw part with its assets.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    token: str
    parts: list[list[PartInfo]]


class FetchCheckpoint(Checkpoint):
    """How far a fetch came.

    Attributes:
        after: What the last stored row holds in the columns of the order.
        snapshots: The snapshots the rows come from, oldest first.
        taken_at: When the first of them began.
        source: The server.
        visibility: What the role saw.
        result: The whole result; null until the last part is stored.
    """

    after: list[Any] = Field(default_factory=list)
    snapshots: list[str] = Field(default_factory=list)
    taken_at: datetime | None = None
    source: SourceInfo | None = None
    visibility: str = "all"
    result: KindResult | None = None


C = TypeVar("C", bound=Checkpoint)


@dataclass(slots=True)
class CheckpointFile(Generic[C]):
    """Where the checkpoint of one kind of one database lies.

    Attributes:
        storage: The storage of the parts.
        key: Key of the checkpoint.
        model: What it holds.
        token: What it must carry; null when no task asks, and nothing is kept then.
        is_retry: Whether an earlier attempt may have left one.
        current: The newest one known to this attempt.
    """

    storage: Storage
    key: str
    model: type[C]
    token: str | None
    is_retry: bool = True
    current: C | None = field(default=None, init=False)

    def read(self) -> C | None:
        """Return the checkpoint, if there is one to go on from; any other is deleted."""
        if self.current is None and self.token is not None and self.is_retry:
            self.current = self._read()
        return self.current

    def write(self, **content: Any) -> None:
        """Put a checkpoint; does nothing without a task.

        Args:
            **content: Fields of the model but the token.
        """
        if self.token is None:
            return
        self.current = self.model(token=self.token, **content)
        self.storage.put(self.key, self.current.model_dump_json().encode())

    def delete(self) -> None:
        """Forget the checkpoint, before what it names is written anew."""
        if self.current is not None:
            self.current = None
            self.storage.delete(self.key)

    def _read(self) -> C | None:
        try:
            content = self.storage.get(self.key)
        except NotFound:
            return None
        try:
            found = self.model.model_validate_json(content)
            why = self._objection(found)
        except ValidationError:
            why = "it is not whole, or of another version"
        if why is None:
            rows = sum(part.rows for made in found.parts for part in made[:1])
            _log.info("resumed", checkpoint=self.key, parts=len(found.parts), rows=rows)
            return found
        _log.warning("checkpoint left aside", checkpoint=self.key, reason=why)
        self.storage.delete(self.key)
        return None

    def _objection(self, found: C) -> str | None:
        if found.token != self.token:
            return "it belongs to another task, or to another statement"
        for part in (part for made in found.parts for part in made):
            try:
                stored = self.storage.head(part.key)
            except NotFound:
                return f"{part.key} has gone"
            if stored.size != part.bytes or (part.etag and stored.etag != part.etag):
                return f"{part.key} was written again"
        return None


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """The checkpoints of a run.

    Attributes:
        storage: Where they lie.
        location: Folder of the run.
        attempt: The attempt that asks; null for work outside of a task, which keeps none.
    """

    storage: Storage
    location: RunLocation
    attempt: Attempt | None

    def of(
        self, stage: Stage, kind: str, database: str, model: type[C], about: Sequence[Any]
    ) -> CheckpointFile[C]:
        """Return where the checkpoint of one kind of one database lies.

        Args:
            stage: Fetch or transform.
            kind: Kind of object.
            database: The database.
            model: What the checkpoint holds.
            about: Plain values: what the task works on.
        """
        return CheckpointFile(
            self.storage,
            self.location.checkpoint(stage, kind, database),
            model,
            self._token(about),
            is_retry=self.attempt is not None and self.attempt.number > 1,
        )

    def delete(self) -> None:
        """Delete all, once nobody can have a use for them."""
        for stored in list(self.storage.list(self.location.checkpoints)):
            self.storage.delete(stored.key)

    def _token(self, about: Sequence[Any]) -> str | None:
        """Return what a checkpoint must carry to be believed."""
        if self.attempt is None:
            return None
        task = (self.attempt.temporal_run_id, self.attempt.activity_id)
        content = orjson.dumps([_SHAPE, *task, *about], default=str)
        return hashlib.sha256(content).hexdigest()


def flat(parts: Sequence[Sequence[PartInfo]]) -> list[PartInfo]:
    """Return the files of all units in order."""
    return [part for made in parts for part in made]
