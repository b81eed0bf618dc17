"""What a run is compared with: the last complete run of the same scope.

Every finished run puts one small object, which lists its complete scopes, into the folder
`{tenant}/{app}/{workflow_type}/baselines/{scope key}/`. Nobody ever changes an object of another
run, so runs that end at the same time cannot undo each other, and the order is that of the
snapshots, not that of the ends: a run that began earlier and ended later never becomes the base.
Only the newest few of a scope are kept.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Self

import orjson

from flowkeep.contracts.extraction import KindResult
from flowkeep.errors import NotFound
from flowkeep.extraction.metadata.baseline_entry import (
    SCHEMA,
    check_entry,
    newest_snapshot,
    superseded,
)
from flowkeep.extraction.metadata.keys import RunLocation
from flowkeep.extraction.options import ExtractionOptions
from flowkeep.storage import Storage, StoredObject
from flowkeep.storage.names import safe_segment

NO_BASE = "there is no earlier complete run of this scope"


@dataclass(frozen=True, slots=True)
class BaseScope:
    """One kind of one database, as a complete run before found it.

    Attributes:
        run_id: The run.
        manifest: Key of its manifest.
        inputs: What the manifest was made of; another value means that the run was repeated.
        taken_at: When the snapshot began, by the source's clock; the first of several.
        taken_until: When the last one began, which may have found what the first could not.
        role: Role of the session.
        visibility: What the role could see.
        statement: Hash of the SQL where it is not the source's own.
        rows: Objects in the scope.
        entity_schema: Version of the entities' content.
        assets: Keys of the Parquet files with the entities, in order; empty when there were none.
    """

    run_id: str
    manifest: str
    inputs: str
    taken_at: datetime
    taken_until: datetime
    role: str | None
    visibility: str
    statement: str | None
    rows: int
    entity_schema: int
    assets: tuple[str, ...] = ()


class Baseline:
    """The complete runs of one scope key that this run can be compared with.

    Attributes:
        problems: One sentence per object that could not be read; such a run is no base.
    """

    def __init__(self, storage: Storage, folder: str, run_id: str) -> None:
        self._storage = storage
        self._folder = folder
        self._run_id = run_id
        self._manifests: dict[str, dict[str, Any] | None] = {}
        self._heads: dict[str, StoredObject] = {}
        self.problems: list[str] = []
        self._entries = list(self._read())

    @classmethod
    def find(cls, storage: Storage, location: RunLocation, key: str) -> Self:
        """Read what earlier runs left.

        Args:
            storage: Where the runs lie.
            location: Folder of the run that looks for a base; it is never its own.
            key: What `scope_key` returned.

        Raises:
            SourceUnavailable: If the store cannot be reached now.
        """
        return cls(storage, baseline_folder(location, key), location.run_id)

    def of(self, scope: KindResult) -> BaseScope | None:
        """Return the base of a scope: the newest complete one with its snapshots before this one.

        One that was seen with the same role and visibility goes before newer ones that were not.
        A run whose manifest is gone, or that has been repeated since, is no base.

        Args:
            scope: What was fetched now.
        """
        earlier = [
            one
            for one in self._scopes(scope.kind, scope.database)
            if one.run_id != self._run_id and one.taken_until <= scope.taken_at
        ]
        role = scope.source.role if scope.source else None
        earlier.sort(
            key=lambda one: (
                (one.role, one.visibility) == (role, scope.visibility),
                one.taken_until,
                one.run_id,
            ),
            reverse=True,
        )
        for one in earlier:
            manifest = self._manifest(one)
            if manifest is not None:
                return _with_assets(one, manifest, scope)
        return None

    def still_there(self, base: BaseScope) -> bool:
        """Return whether a base's manifest is the one that was read.

        A run takes its manifest back before it writes files again, so a yes after the files have
        been read means that they were the manifest's.
        """
        try:
            return self._storage.head(base.manifest) == self._heads.get(base.manifest)
        except NotFound:
            return False

    def forget(self, base: BaseScope) -> None:
        """Leave a run out from now on, because it is no longer there."""
        self._manifests[base.manifest] = None

    def distrust(self, base: BaseScope, why: str) -> None:
        """Leave a run out from now on, because a file of it is not what it was, and say so."""
        self.problems.append(f"this run is not compared with run {base.run_id}: {why}")
        self.forget(base)

    def gone_databases(self, selection: list[str], databases: Iterable[str]) -> dict[str, int]:
        """Return the databases of the newest run before that this run does not have.

        Args:
            selection: How this run chose its databases; a run that chose otherwise says nothing.
            databases: Databases of this run.

        Returns:
            Name to number of objects.
        """
        others = [one for one in self._entries if one["run_id"] != self._run_id]
        newest = max(others, key=newest_snapshot, default=None)
        if newest is None or newest["selection"] != selection:
            return {}
        here, found = set(databases), dict[str, int]()
        for one in newest["scopes"]:
            if one["database"] not in here:
                found[one["database"]] = found.get(one["database"], 0) + one["rows"]
        return found

    def advance(self, entry: Mapping[str, Any]) -> None:
        """List this run's complete scopes, once its manifest has been written.

        Writes the same object again when called again. Entries that are among the newest of no
        scope are deleted.

        Args:
            entry: What `baseline_entry` returned.

        Raises:
            SourceUnavailable: If the store cannot be reached now.
        """
        key = f"{self._folder}/{safe_segment(self._run_id)}.json"
        if not entry["scopes"]:
            self._storage.delete(key)  # of a time before the run was reset
            return
        self._storage.put(key, orjson.dumps(entry))
        kept = [one for one in self._entries if one["run_id"] != self._run_id]
        current = orjson.loads(orjson.dumps(entry))
        for old in superseded([*kept, current]):
            self._storage.delete(f"{self._folder}/{safe_segment(old)}.json")

    def _read(self) -> Iterator[dict[str, Any]]:
        for stored in list(self._storage.list(self._folder)):
            try:
                entry = orjson.loads(self._storage.get(stored.key))
                if entry["schema"] == SCHEMA:
                    check_entry(entry)
                    yield entry
            except NotFound:
                continue  # another run has just cleaned up
            except (ValueError, KeyError, TypeError) as error:
                self.problems.append(
                    f"{stored.key} cannot be read ({error}): this run is not compared with the run "
                    "it stands for; delete the object to silence this"
                )

    def _scopes(self, kind: str, database: str) -> Iterator[BaseScope]:
        for entry in self._entries:
            for one in entry["scopes"]:
                if (one["kind"], one["database"]) == (kind, database):
                    yield BaseScope(
                        run_id=entry["run_id"],
                        manifest=entry["manifest"],
                        inputs=entry["inputs"],
                        taken_at=datetime.fromisoformat(one["taken_at"]),
                        taken_until=datetime.fromisoformat(
                            one.get("taken_until") or one["taken_at"]
                        ),
                        role=one["role"],
                        visibility=one["visibility"],
                        statement=one["statement"],
                        rows=one["rows"],
                        entity_schema=entry["entity_schema"],
                    )

    def _manifest(self, base: BaseScope) -> dict[str, Any] | None:
        if base.manifest not in self._manifests:
            try:
                self._heads[base.manifest] = self._storage.head(base.manifest)
                found = orjson.loads(self._storage.get(base.manifest))
            except NotFound:
                found = None
            except orjson.JSONDecodeError as error:
                self.problems.append(f"{base.manifest} cannot be read: {error}")
                found = None
            if found is not None and found.get("inputs") != base.inputs:
                found = None
            self._manifests[base.manifest] = found
        return self._manifests[base.manifest]


def scope_key(namespace: str, options: ExtractionOptions) -> str:
    """Return what names a scope: runs with equal keys look at the same part of the same source.

    Which databases are read does not count, because each is compared for itself.

    Args:
        namespace: First part of every qualified name.
        options: What was asked for.

    Returns:
        16 hexadecimal digits.
    """
    return scope_key_of(namespace, options.filters())


def scope_key_of(namespace: str, filters: Mapping[str, Any]) -> str:
    """Return the same from a manifest's namespace and filters."""
    within = {name: value for name, value in filters.items() if name != "warnings"}
    text = orjson.dumps([namespace, within], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(text).hexdigest()[:16]


def baseline_folder(location: RunLocation, key: str) -> str:
    """Return the folder of the baseline objects of one scope key."""
    return f"{location.prefix.rpartition('/')[0]}/baselines/{key}"


def _with_assets(base: BaseScope, manifest: Mapping[str, Any], scope: KindResult) -> BaseScope:
    keys = [
        part["key"]
        for one in manifest["scopes"]
        if (one["kind"], one["database"]) == (scope.kind, scope.database)
        for part in one["assets"]["parts"]
    ]
    return replace(base, assets=tuple(key for key in keys if key.endswith(".parquet")))
