"""Restoring: archived runs come back into the tables as they were."""

import io
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import IO, TYPE_CHECKING, Any
from uuid import UUID

import orjson
from sqlalchemy import Table
from sqlalchemy.dialects.postgresql import insert

from flowkeep.contracts import StateType
from flowkeep.contracts.archive import Bundle, BundleRestore, BundleStatus
from flowkeep.errors import Conflict, NotFound
from flowkeep.statestore.archive import bundles, objects
from flowkeep.statestore.archive.comparison import Batch, batches
from flowkeep.statestore.archive.parts import (
    ARGUMENTS,
    EVENTS,
    PAUSES,
    PAYLOADS,
    RUNS,
    SEGMENTS,
    TASKS,
    Part,
)
from flowkeep.statestore.archive.reading import rows_of
from flowkeep.statestore.archive.threads import in_thread
from flowkeep.statestore.repositories import arguments
from flowkeep.statestore.session import EngineScope, Session
from flowkeep.statestore.tables import payload, payload_ref, state_entry
from flowkeep.storage import Storage

if TYPE_CHECKING:
    import pyarrow as pa

_RUNS = 1000
"""Runs that one transaction brings back."""
_VALUES = 100
"""Big values that one statement brings back."""
_COPIED = (RUNS, SEGMENTS, EVENTS, PAUSES, TASKS)
_HASHES = ((RUNS, ("inputs_hash", "outputs_hash")), (TASKS, ("input_hash", "output_hash")))
_LINES = """
SELECT id FROM {schema}.run_archive
WHERE id = ANY(CAST(:ids AS uuid[])) AND bundle_id = :bundle AND tenant_id = :tenant
ORDER BY id FOR UPDATE
"""
_TOLD = """
INSERT INTO {schema}.run_event (run_id, tenant_id, kind, payload, revision, at)
SELECT a.id, a.tenant_id, told.kind, jsonb_build_object('bundle_id', a.bundle_id), a.revision,
    CASE told.kind WHEN 'archived' THEN a.archived_at ELSE now() END
FROM {schema}.run_archive AS a, unnest(ARRAY['archived', 'restored']) AS told(kind)
WHERE a.id = ANY(CAST(:ids AS uuid[])) ORDER BY a.id, told.kind
"""
_LABELS = """
UPDATE {schema}.run_label AS l SET archived = false
FROM {schema}.run AS r CROSS JOIN LATERAL jsonb_each_text(r.labels) AS label
WHERE r.id = ANY(CAST(:ids AS uuid[])) AND l.tenant_id = r.tenant_id AND l.key = label.key
  AND l.value = label.value AND l.archived AND l.created_at = r.created_at AND l.run_id = r.id
"""
_FORGET = "DELETE FROM {schema}.run_archive WHERE id = ANY(CAST(:ids AS uuid[]))"
# A ledger that came back from an older backup counts on from an older number.
_SEQUENCE = """
SELECT setval(s.name, :seq) FROM (
    SELECT pg_get_serial_sequence('{schema}.{table}', 'seq')::regclass AS name
) AS s WHERE :seq > coalesce(pg_sequence_last_value(s.name), 0)
"""


class _Files:
    """The parts of a bundle, checked and at hand for reading batch by batch.

    Args:
        storage: Where bundles lie.
        bundle: The bundle.
    """

    def __init__(self, storage: Storage, bundle: Bundle) -> None:
        self._storage = storage
        self._bundle = bundle
        self._stack = ExitStack()
        self._open: dict[str, Any] = {}

    def check(self, stop: threading.Event) -> "pa.Table":
        """Fetch and check all parts; returns the bundle's runs."""
        import pyarrow.parquet as pq

        def keep(part: Part, file: IO[bytes]) -> None:
            self._stack.callback(file.close)
            self._open[part.name] = pq.ParquetFile(file)

        manifest = bundles.manifest_of(self._storage, self._bundle)
        return objects.check_parts(self._storage, self._bundle.prefix, manifest, stop, keep)

    def rows(self, part: Part, keys: Iterable[Any]) -> "pa.Table":
        """Return the rows of some runs, or the values of some hashes."""
        file = self._open[part.name]
        known = [name for name in part.arrow() if name in file.schema_arrow.names]
        return rows_of(file, part, keys, known)

    def values(self, hashes: list[bytes], _stop: threading.Event) -> list[dict[str, Any]]:
        """Return the rows of some big values."""
        return list(self.rows(PAYLOADS, hashes).to_pylist())

    def close(self) -> None:
        """Remove the local files."""
        self._stack.close()


async def restore(
    scope: EngineScope,
    storage: Storage,
    tenant_id: str,
    bundle_id: UUID,
    run_ids: Sequence[UUID] | None,
    hold_days: int,
    on_batch: Callable[[int], None],
) -> BundleRestore:
    """Bring archived runs back into the tables; see the Protocol."""
    async with scope.read() as session:
        bundle = await bundles.get(session, tenant_id, bundle_id, write=True)
    bundles.require(
        bundle,
        "restored",
        "its runs are still in the tables",
        BundleStatus.DELETING,
        BundleStatus.ARCHIVED,
        BundleStatus.RESTORING,
        BundleStatus.RESTORED,
    )
    files = _Files(storage, bundle)
    hold = datetime.now(UTC) + timedelta(days=hold_days)
    restored = asked = 0
    try:
        members = await in_thread(files.check)
        wanted = _wanted(members, run_ids, bundle)
        if bundle.status is BundleStatus.ARCHIVED:
            async with scope.write() as session:
                bundle = await bundles.move(session, bundle, BundleStatus.RESTORING)
        for batch in batches(wanted, _RUNS):
            async with scope.write() as session:
                restored += await _bring_back(session, bundle, files, batch, hold)
            asked += len(batch.ids)
            on_batch(restored)
    finally:
        files.close()
    bundle = await _finish(scope, tenant_id, bundle_id)
    return BundleRestore(bundle=bundle, restored=restored, absent=asked - restored, hold_until=hold)


async def _finish(scope: EngineScope, tenant_id: str, bundle_id: UUID) -> Bundle:
    async with scope.write() as session:
        bundle = await bundles.get(session, tenant_id, bundle_id, lock=True, write=True)
        if bundle.status is BundleStatus.DELETING:
            return bundle
        left = await session.execute(
            "SELECT 1 FROM {schema}.run_archive WHERE bundle_id = :bundle LIMIT 1",
            {"bundle": bundle.id},
        )
        status = BundleStatus.RESTORED if left.first() is None else BundleStatus.ARCHIVED
        return await bundles.move(session, bundle, status, "restored_at")


def _wanted(members: "pa.Table", run_ids: Sequence[UUID] | None, bundle: Bundle) -> "pa.Table":
    """Return the members that are asked for, with their families."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if run_ids is None:
        return members
    names = sorted({str(run_id) for run_id in run_ids})
    known = pc.is_in(pa.array(names, pa.string()), value_set=members.column("id").combine_chunks())
    if not pc.all(known).as_py():
        missing = [name for name, there in zip(names, known.to_pylist(), strict=True) if not there]
        raise NotFound(
            f"bundle {bundle.id} does not hold run {', '.join(missing[:5])}",
            hint="`archive list` and `run get` show where runs are",
        )
    asked = members.filter(pc.is_in(members.column("id"), value_set=pa.array(names, pa.string())))
    return members.filter(
        pc.is_in(members.column("family"), value_set=asked.column("family").combine_chunks())
    )


async def _bring_back(
    session: Session, bundle: Bundle, files: _Files, batch: Batch, hold: datetime
) -> int:
    """Bring the archived ones among some runs back; returns how many there were."""
    await bundles.pass_catalogue(session, bundle.tenant_id, alone=False)
    status = await session.execute(
        "SELECT status FROM {schema}.archive_bundle WHERE id = :bundle FOR SHARE",
        {"bundle": bundle.id},
    )
    if status.scalar_one_or_none() is None:
        raise Conflict(f"bundle {bundle.id} was removed while its runs were being restored")
    bound = {"ids": batch.bound["ids"], "bundle": bundle.id, "tenant": bundle.tenant_id}
    ids = [str(run_id) for run_id in (await session.execute(_LINES, bound)).scalars()]
    if not ids:
        return 0
    tables = await in_thread(partial(_read, files, ids, hold))
    await _copy(session, tables)
    await _payloads(session, bundle.tenant_id, tables, files)
    await _arguments(session, bundle.tenant_id, tables[ARGUMENTS.name], tables[RUNS.name])
    bound["ids"] = "{" + ",".join(ids) + "}"
    for statement in (_TOLD, _LABELS, _FORGET):
        await session.execute(statement, bound)
    return len(ids)


def _read(
    files: _Files, ids: list[str], hold: datetime, _stop: threading.Event
) -> "dict[str, pa.Table]":
    import pyarrow as pa
    import pyarrow.compute as pc

    tables = {part.name: files.rows(part, ids) for part in (*_COPIED, ARGUMENTS)}
    runs = tables[RUNS.name].drop_columns(["family", "seal"])
    at = runs.schema.get_field_index("hold_until")
    until = pa.scalar(hold, runs.schema.field(at).type)
    present = pc.fill_null(runs.column(at), until)
    held = pc.if_else(pc.greater(present, until), present, until)  # a longer hold stays
    tables[RUNS.name] = runs.set_column(at, "hold_until", held)
    return tables


async def _copy(session: Session, tables: "dict[str, pa.Table]") -> None:
    """Insert rows as they are, numbers given by the database included."""
    import pyarrow.compute as pc

    driver = await session.driver()
    for part in _COPIED:
        rows = tables[part.name]
        columns = ", ".join(f'"{name}"' for name in rows.schema.names)
        copy = f'COPY "{session.schema_name}".{part.table.name} ({columns}) FROM STDIN (FORMAT csv)'
        async with driver.cursor() as cursor, cursor.copy(copy) as target:
            await target.write(as_csv(rows))
        if "seq" in rows.schema.names and rows.num_rows:
            statement = _SEQUENCE.replace("{table}", part.table.name)
            await session.execute(statement, {"seq": pc.max(rows.column("seq")).as_py()})


def as_csv(rows: "pa.Table") -> bytes:
    """Return rows as CSV in which NULL is an unquoted empty field, as COPY reads it."""
    import pyarrow as pa
    import pyarrow.csv as csv

    for at, field in enumerate(rows.schema):
        if pa.types.is_binary(field.type):
            values = rows.column(at).to_pylist()
            text = [None if value is None else f"\\x{value.hex()}" for value in values]
            rows = rows.set_column(at, field.name, pa.array(text, pa.string()))
    target = io.BytesIO()
    csv.write_csv(rows, target, csv.WriteOptions(include_header=False))
    return target.getvalue()


async def _payloads(
    session: Session, tenant_id: str, tables: "dict[str, pa.Table]", files: _Files
) -> None:
    """Insert big values that are not there, and who needs them."""
    needed = set()
    for part, columns in _HASHES:
        for column in columns:
            for row in tables[part.name].select([part.key, column]).drop_null().to_pylist():
                needed.add((row[part.key], row[column]))
    hashes = sorted({digest for _, digest in needed})
    for start in range(0, len(hashes), _VALUES):
        some = hashes[start : start + _VALUES]
        values = await in_thread(partial(files.values, some))
        await _insert(session, payload, [{**row, "tenant_id": tenant_id} for row in values])
    refs = [{"tenant_id": tenant_id, "run_id": run, "hash": h} for run, h in sorted(needed)]
    await _insert(session, payload_ref, refs)


async def _arguments(session: Session, tenant_id: str, found: "pa.Table", runs: "pa.Table") -> None:
    """Insert arguments, and the name that led to them where nothing else took it since."""
    columns = (runs.column("id").to_pylist(), runs.column("workflow_id").to_pylist())
    names = dict(zip(*columns, strict=True))
    own, aliases = [], []
    for row in found.to_pylist():
        alias = row.pop("alias")
        row |= {"tenant_id": tenant_id, "kind": arguments.KIND, "value": orjson.loads(row["value"])}
        own.append({**row, "arguments_of": None})
        if alias:
            entry = {"kind": StateType.WORKFLOWS.value, "key": names[row["key"]], "value": None}
            aliases.append({**row, **entry, "arguments_of": row["key"], "revision": 1})
    await _insert(session, state_entry, own)
    await _insert(session, state_entry, aliases)


async def _insert(session: Session, table: Table, rows: list[dict[str, Any]]) -> None:
    """Insert rows that are not there yet."""
    if rows:
        await session.execute(insert(table).on_conflict_do_nothing(), rows)
