"""Rows of a ledger as it looks after 90 days of use: seeded, skewed, vectorised.

Half of the runs are one tenant's; apps, triggers, types, owners and definitions are uneven within
each tenant; an app has two types and some definitions, which lie in it; 96 % succeeded and 2 %
failed; what is still open was created lately. Tasks, events,
segments and arguments exist for the newest and the oldest tenth.
"""

import array
import functools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import polars as pl
import pyarrow as pa

SPAN = timedelta(days=90)
TASKS = 5
EVENTS = 5
SIZE_OF_CHUNK = 100_000

TENANTS = {"acme": 500, **{f"tenant-{n:02}": max(4, 120 // n) for n in range(1, 25)}}
"""Tenant to weight: half of the runs are the first one's, the others follow Zipf."""
APPS = {f"app-{n:02}": 24 // (n + 1) for n in range(12)}
TRIGGERS = {
    "schedule": 55,
    "api": 20,
    "sdk": 12,
    "cli": 6,
    "app-run": 4,
    "debugging": 2,
    "retry": 1,
}
TYPES = ["ExtractCatalogue", "SyncOrders", "SendReport", "TrainModel", "CleanUp", "ImportFile"]
OWNERS = {f"user-{n:03}": 60 // (n + 1) + 1 for n in range(120)}
TEAMS = {f"team-{n}": 10 - n for n in range(10)}
REGIONS = {"eu": 6, "us": 3, "ap": 1}
STATUSES = {
    "succeeded": 960,
    "failed": 20,
    "cancelled": 13,
    "timed_out": 6,
    "unknown": 1,
}
OPEN = {"running": 8, "waiting": 1, "pending": 1}
STEPS = ["connect", "fetch", "transform", "load", "report"]
DEFINITIONS = 36
"""Stored definitions per tenant."""


@dataclass(frozen=True)
class Population:
    """What is filled in.

    Attributes:
        runs: How many.
        until: When the newest one was created.
        seed: Same seed and number, same rows.
    """

    runs: int
    until: datetime
    seed: int = 1

    @property
    def since(self) -> datetime:
        """When the oldest run was created."""
        return self.until - SPAN

    @property
    def tenth(self) -> int:
        """How many runs the oldest and the newest tenth have, each."""
        return self.runs // 10

    def chunks(self) -> Iterator["Chunk"]:
        """Yield the rows in the order in which runs were created."""
        for first in range(0, self.runs, SIZE_OF_CHUNK):
            yield Chunk(self, first, min(first + SIZE_OF_CHUNK, self.runs))


def definition_id(tenant: int, number: int) -> UUID:
    """Return the id of a tenant's definition."""
    return UUID(int=(0x0190 << 112) | (7 << 76) | (2 << 62) | (tenant << 16) | number)


class Chunk:
    """Consecutive runs and what belongs to them, as frames whose columns are those of the tables.

    Args:
        population: What it is part of.
        first: Number of its first run.
        end: Number behind its last run.
    """

    def __init__(self, population: Population, first: int, end: int) -> None:
        self._of = population
        self._first = first
        self._size = end - first
        self._number = pl.int_range(first, end, eager=True)

    @functools.cached_property
    def runs(self) -> pl.DataFrame:
        created = self._created()
        tenant = self._pick("tenant", range(len(TENANTS)), TENANTS.values())
        app, definition = self._places(tenant)
        ident, hyphenated = _uuids(created, self._bytes("run"))
        frame = pl.DataFrame(
            {
                "id": ident,
                "workflow_id": hyphenated,
                "tenant_id": _at(tenant, list(TENANTS)),
                "app_id": _at(app, [*APPS, None]),
                "workflow_type": _at(
                    (app + self._uniform("type").round().cast(pl.Int64)) % len(TYPES), TYPES
                ),
                "labels": self._labels(),
                "definition_id": definition,
                "triggered_from": self._name("trigger", TRIGGERS),
                "owner": self._sparse("owner", OWNERS, 0.8),
                "status": self._statuses(),
                "created": created,
                "took": self._durations(),
            }
        )
        ended = pl.col("status").is_in(list(STATUSES))
        begun = pl.col("status") != "pending"
        started = pl.col("created") + 20_000
        finished = started + pl.col("took")
        return frame.with_columns(
            created_at=_time(pl.col("created")),
            started_at=_time(pl.when(begun).then(started)),
            finished_at=_time(pl.when(ended).then(finished)),
            updated_at=_time(pl.when(ended).then(finished).otherwise(started)),
            failure_reason=pl.when(pl.col("status") == "failed").then(pl.lit("activity_error")),
            error=pl.when(pl.col("status") == "failed").then(pl.lit(_ERROR)),
            inputs=_json(table=pl.lit("orders"), day=pl.col("created") // 86_400_000_000),
            outputs=pl.when(pl.col("status") == "succeeded").then(
                _json(rows=pl.col("took") // 1000, state=pl.lit("complete"))
            ),
            revision=pl.when(ended).then(4).when(begun).then(3).otherwise(0),
            tasks=pl.when(begun).then(TASKS).otherwise(0),
        )

    def tables(self, wanted: Sequence[str]) -> Iterator[tuple[str, pl.DataFrame]]:
        """Yield the rows of the tables that have any."""
        makers = {
            "run": "rows",
            "run_label": "labels",
            "task": "tasks",
            "run_event": "events",
            "run_segment": "segments",
            "state_entry": "arguments",
        }
        for table in wanted:
            if table in ("run", "run_label") or len(self.detailed):
                yield table, getattr(self, makers[table])

    @property
    def rows(self) -> pl.DataFrame:
        """Rows of `run`."""
        return self.runs.drop("created", "took", "tasks").with_columns(
            pl.lit("default").alias("namespace"),
            pl.lit("default").alias("task_queue"),
            pl.lit("run").alias("kind"),
            pl.lit("{}").alias("start_options"),
            pl.lit('{"phase": "load"}').alias("state"),
            pl.lit(3).alias("source"),
            pl.when(self.runs["definition_id"].is_not_null()).then(0).alias("definition_revision"),
            self.runs["tasks"].alias("tasks_total"),
            self.runs["tasks"].alias("tasks_finished"),
        )

    @functools.cached_property
    def detailed(self) -> pl.DataFrame:
        """The runs of the oldest and the newest tenth that have begun."""
        number, tenth = self._number, self._of.tenth
        wanted = (number < tenth) | (number >= self._of.runs - tenth)
        runs = self.runs.with_columns(number=number)
        if not wanted.any():
            return runs.head(0).with_columns(execution=pl.col("workflow_id"))
        _, execution = _uuids(runs["created"], self._bytes("execution"))
        return runs.with_columns(execution=execution).filter(
            wanted & (pl.col("status") != "pending")
        )

    @property
    def labels(self) -> pl.DataFrame:
        """Rows of `run_label`: one per label."""
        chosen = self.runs.filter(pl.col("labels") != "{}")
        return pl.concat(
            chosen.select(
                "tenant_id",
                pl.lit(key).alias("key"),
                pl.col("labels").str.json_path_match(f"$.{key}").alias("value"),
                "created_at",
                pl.col("id").alias("run_id"),
            )
            for key in ("region", "team")
        )

    @property
    def tasks(self) -> pl.DataFrame:
        """One attempt per task without payload, as a recorder of digests writes none."""
        share = pl.col("took") // TASKS
        scheduled = pl.col("created") + 20_000 + pl.col("step") * share
        last = pl.col("step") == TASKS - 1
        open_ = pl.col("status").is_in(list(OPEN))
        status = (
            pl.when(~last).then(pl.lit("succeeded")).when(open_).then(pl.lit("running"))
            .when(pl.col("status") == "unknown").then(pl.lit("cancelled"))
            .otherwise(pl.col("status"))
        )  # fmt: skip
        done = pl.when(~(last & open_)).then(scheduled + share)
        return self._times(TASKS).select(
            pl.col("id").alias("run_id"),
            "tenant_id",
            pl.col("execution").alias("temporal_run_id"),
            (pl.col("step") + 1).alias("activity_id"),
            pl.lit(1).alias("attempt"),
            _at(pl.col("step"), STEPS).alias("task_name"),
            pl.lit("activity").alias("type"),
            status.alias("status"),
            pl.lit(3).alias("max_attempts"),
            pl.lit(7200).alias("timeout_seconds"),
            pl.when(last).then(pl.col("error")).alias("error"),
            pl.lit("4711@worker-3").alias("worker"),
            _time(scheduled).alias("created_at"),
            _time(scheduled).alias("scheduled_at"),
            _time(scheduled + 1_000).alias("started_at"),
            _time(done).alias("finished_at"),
            _time(pl.coalesce(done, scheduled)).alias("updated_at"),
            pl.lit(2).alias("source"),
        )

    @property
    def events(self) -> pl.DataFrame:
        """What a run went through: created, started, two patches of its state, its end."""
        last = pl.col("step") == EVENTS - 1
        at = pl.col("created") + 20_000 * pl.col("step").clip(0, 1)
        at += pl.col("took") // 3 * (pl.col("step") - 1).clip(0)
        kinds = ["created", "started", "state_patched", "state_patched", ""]
        told = [
            '{"to": "pending", "source": "client"}',
            '{"to": "running", "from": "pending", "source": "worker"}',
            '{"set": ["phase"]}',
            '{"set": ["phase"]}',
            "",
        ]
        end = _json(to=pl.col("status"), **{"from": pl.lit("running")}, source=pl.lit("workflow"))
        return (
            self._times(EVENTS)
            .filter(~(last & pl.col("status").is_in(list(OPEN))))
            .select(
                pl.col("id").alias("run_id"),
                "tenant_id",
                pl.when(last).then("status").otherwise(_at(pl.col("step"), kinds)).alias("kind"),
                pl.when(last).then(end).otherwise(_at(pl.col("step"), told)).alias("payload"),
                pl.col("step").alias("revision"),
                _time(at).alias("at"),
            )
        )

    @property
    def segments(self) -> pl.DataFrame:
        return self.detailed.select(
            pl.lit("default").alias("namespace"),
            pl.col("execution").alias("temporal_run_id"),
            pl.col("id").alias("run_id"),
            "tenant_id",
            pl.lit("start").alias("kind"),
            pl.when(pl.col("status").is_in(list(OPEN))).then(pl.lit("running"))
            .otherwise("status").alias("status"),
            pl.lit(TASKS).alias("expected_tasks"),
            "started_at",
            pl.col("finished_at").alias("closed_at"),
            pl.lit(3).alias("source"),
        )  # fmt: skip

    @property
    def arguments(self) -> pl.DataFrame:
        """Rows of `state_entry`: the arguments of each run, and the alias under its workflow_id."""
        both = [
            self.detailed.select(
                "tenant_id",
                pl.lit(kind).alias("kind"),
                pl.col("workflow_id").alias("key"),
                value.alias("value"),
                alias.alias("arguments_of"),
                pl.lit(1).alias("revision"),
                "created_at",
                pl.col("created_at").alias("updated_at"),
            )
            for kind, value, alias in (
                ("arguments", pl.col("inputs"), pl.lit(None)),
                ("workflows", pl.lit(None), pl.col("id")),
            )
        ]
        return pl.concat(both, how="vertical_relaxed")

    def _times(self, count: int) -> pl.DataFrame:
        """Return each detailed run `count` times, numbered in `step`."""
        return self.detailed.with_columns(
            step=pl.lit([*range(count)], dtype=pl.List(pl.Int64))
        ).explode("step", empty_as_null=False)

    def _uniform(self, name: str) -> pl.Series:
        """Return numbers from 0 to 1 that depend on seed, name and row alone."""
        seed = random.Random(f"{self._of.seed} {name}").getrandbits(60)
        return self._number.hash(seed).cast(pl.Float64) / 2.0**64

    def _bytes(self, name: str) -> bytearray:
        seeded = random.Random(f"{self._of.seed} {name} {self._first}")
        return bytearray(seeded.randbytes(16 * self._size))

    def _created(self) -> pl.Series:
        """Return microseconds since 1970, ascending."""
        step = SPAN / timedelta(microseconds=1) / self._of.runs
        at = (self._number.cast(pl.Float64) + self._uniform("created")) * step
        return int(self._of.since.timestamp() * 1e6) + at.cast(pl.Int64)

    def _durations(self) -> pl.Series:
        """Return microseconds: a second or some, few of them hours."""
        spread = sum((self._uniform(f"took {n}") for n in range(1, 4)), self._uniform("took 0"))
        return ((spread - 2.0) * 3.0 + 1.0).exp().cast(pl.Float64).__mul__(1e6).cast(pl.Int64)

    def _pick(self, name: str, values: Sequence[int], weights: object) -> pl.Series:
        """Return values as often as their weights say."""
        slots = [v for v, weight in zip(values, weights, strict=True) for _ in range(weight)]
        return _at((self._uniform(name) * len(slots)).cast(pl.Int64), slots)

    def _name(self, name: str, weights: dict[str, int]) -> pl.Series:
        return _at(self._pick(name, range(len(weights)), weights.values()), list(weights))

    def _sparse(self, name: str, weights: dict[str, int], share: float) -> pl.Series:
        """Like `_name`, and null where a run has none."""
        chosen = self._name(name, weights)
        return chosen.set(self._uniform(f"has {name}") >= share, None)

    def _labels(self) -> pl.Series:
        labels = pl.select(
            _json(
                team=pl.lit(self._name("team", TEAMS)),
                region=pl.lit(self._name("region", REGIONS)),
            )
        ).to_series()
        return labels.set(self._uniform("has labels") >= 1 / 3, "{}")

    def _places(self, tenant: pl.Series) -> tuple[pl.Series, pl.Series]:
        """Return the number of each run's app, and its definition, which lies in that app."""
        app = self._pick("app", range(len(APPS)), APPS.values())
        app = app.set(self._uniform("has app") >= 0.9, len(APPS))
        turns = DEFINITIONS // len(APPS)
        of_tenant = app + len(APPS) * (self._uniform("definition") ** 2 * turns).cast(pl.Int64)
        every = [definition_id(t, n).hex for t in range(len(TENANTS)) for n in range(DEFINITIONS)]
        chosen = _at((tenant * DEFINITIONS + of_tenant).clip(0, len(every) - 1), every)
        without = (self._uniform("has definition") >= 0.4) | (app == len(APPS))
        return app, chosen.set(without, None)

    def _statuses(self) -> pl.Series:
        lately = self._number >= self._of.runs - self._of.runs // 100
        still = lately & (self._uniform("open") < 0.3)
        return self._name("open status", OPEN).zip_with(still, self._name("status", STATUSES))


_ERROR = (
    '{"code": "SOURCE_UNAVAILABLE", "type": "OperationalError", "message": "connection to server'
    ' at 10.0.0.7 failed: timeout expired", "retryable": true, "cause": [], "stack": null}'
)
_VERSION = bytes(0x70 | byte & 0x0F for byte in range(256))
_VARIANT = bytes(0x80 | byte & 0x3F for byte in range(256))


def _at(index: pl.Series | pl.Expr, values: Sequence[object]) -> pl.Series | pl.Expr:
    """Return the values at these places."""
    known = pl.Series(values)
    return known.gather(index) if isinstance(index, pl.Series) else pl.lit(known).gather(index)


def _json(**fields: pl.Expr) -> pl.Expr:
    """Return JSON objects with these fields, all of them as text."""
    parts: list[pl.Expr] = []
    for name, value in fields.items():
        parts += [pl.lit(f'{"," if parts else "{"}"{name}":"'), value, pl.lit('"')]
    return pl.concat_str(*parts, pl.lit("}"))


def _time(microseconds: pl.Expr) -> pl.Expr:
    return microseconds.cast(pl.Datetime("us", "UTC"))


def _uuids(created: pl.Series, data: bytearray) -> tuple[pl.Series, pl.Series]:
    """Return UUIDv7 of some times, plain and hyphenated; RFC 9562, section 5.7.

    Args:
        created: Microseconds since 1970.
        data: 16 random bytes for each.
    """
    millis = array.array("Q", (created // 1000).to_list())
    millis.byteswap()
    stamp = millis.tobytes()
    for place in range(6):
        data[place::16] = stamp[place + 2 :: 8]
    data[6::16] = data[6::16].translate(_VERSION)
    data[8::16] = data[8::16].translate(_VARIANT)
    text, size = data.hex().encode(), len(created)
    hyphenated = bytearray(b"-" * (36 * size))
    for place in range(32):
        behind = sum(place >= edge for edge in (8, 12, 16, 20))
        hyphenated[place + behind :: 36] = text[place::32]
    return _texts(text, 32), _texts(bytes(hyphenated), 36)


def _texts(data: bytes, width: int) -> pl.Series:
    """Return texts of one width that lie side by side."""
    size = len(data) // width
    offsets = array.array("i", range(0, len(data) + 1, width)).tobytes()
    texts = pa.StringArray.from_buffers(size, pa.py_buffer(offsets), pa.py_buffer(data))
    return pl.from_arrow(texts)


def newest_of_day() -> datetime:
    """Return the last midnight: fills of one day are alike."""
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
