"""The checks that stand between the files of a run and its manifest."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from flowkeep.contracts.extraction import FetchResult, KindAssets, KindResult, PartInfo, SourceInfo
from flowkeep.errors import Incomplete
from flowkeep.extraction.metadata.hashes import HashSpool, contained, repeats, row_groups
from flowkeep.storage import Storage

if TYPE_CHECKING:
    import polars as pl

_EXAMPLES = 3
_TOLERATED = ("denied", "failed", "partial")


def check_counts(scope: KindResult, assets: KindAssets | None) -> None:
    """Check that count in is count out.

    A scope that is not complete is passed with its reason; what it holds must add up all the same.

    Raises:
        Incomplete: If it does not.
    """
    name = f"{scope.kind} of {scope.database}"
    listed = sum(part.rows for part in scope.parts)
    if scope.status in _TOLERATED and not scope.reason:
        raise Incomplete(f"{name}: {scope.status} without a reason")
    whole = scope.planned == scope.read or scope.status in _TOLERATED
    if not (whole and scope.read == scope.written == listed):
        raise Incomplete(
            f"{name}: planned {scope.planned}, read {scope.read}, written {scope.written}, "
            f"listed {listed}"
        )
    if assets is not None and not scope.written == assets.read == assets.written:
        raise Incomplete(
            f"{name}: {scope.written} rows were fetched, {assets.read} transformed, "
            f"{assets.written} written",
            hint="transform what the last fetch returned",
        )


def check_databases(fetched: Sequence[FetchResult]) -> None:
    """Check that all kinds were read from the same databases.

    Raises:
        Incomplete: If one lacks a database that others have.
    """
    applicable = [one for one in fetched if one.not_applicable is None]
    everywhere = {scope.database for one in applicable for scope in one.scopes}
    for one in applicable:
        lacking = sorted(everywhere - {scope.database for scope in one.scopes})
        if lacking:
            raise Incomplete(
                f"{one.kind} were not read from {', '.join(lacking[:_EXAMPLES])}, other kinds were",
                hint="run it again; a database was created or dropped meanwhile",
            )


def check_server(sources: Iterable[SourceInfo]) -> None:
    """Check that one server answered.

    Raises:
        Incomplete: If several did.
    """
    servers = {source.server_id for source in sources}
    if len(servers) > 1:
        raise Incomplete(
            f"the kinds were read from different servers: {', '.join(sorted(servers))}",
            hint="name the host of one server instead of an address that several share",
        )


def check_stored(storage: Storage, folder: str, parts: Sequence[PartInfo]) -> None:
    """Check that objects are still those that were counted and hashed; lists the folder once.

    Raises:
        Incomplete: If one is gone or was written again.
    """
    there = {stored.key: stored for stored in storage.list(folder)} if parts else {}
    for part in parts:
        stored = there.get(part.key)
        if stored is None:
            raise Incomplete(f"{part.key} has gone from {storage.url}")
        if stored.size != part.bytes or (part.etag and stored.etag and stored.etag != part.etag):
            raise Incomplete(
                f"{part.key} was written again after it was counted",
                hint="run it again; another attempt of the same run may still have been at work",
            )


def check_names(storage: Storage, assets: Mapping[str, Sequence[str]]) -> None:
    """Check that no two entities share a name, of whatever kinds and databases they are.

    Args:
        storage: Where the files lie.
        assets: Scope, as in messages, to the keys of its Parquet files with entities.

    Raises:
        Incomplete: If two do; names some.
    """
    with HashSpool(["name"]) as spool:
        for keys in assets.values():
            for key in keys:
                for read in row_groups(storage, key):
                    spool.add(read(["guid"]).select(name=_guid_hash()))
        suspects = repeats(spool)
    if suspects.is_empty():
        return
    seen: dict[str, list[str]] = {}
    for scope, keys in assets.items():
        for key in keys:
            for read in row_groups(storage, key):
                rows = read(["guid", "qualifiedName"])
                rows = rows.filter(contained(rows["guid"].hash(), suspects))
                for name in rows["qualifiedName"].to_list():
                    seen.setdefault(name, []).append(scope)
    twice = {name: scopes for name, scopes in seen.items() if len(scopes) > 1}
    if not twice:  # different names with one hash
        return
    examples = [
        f"{name} ({' and '.join(dict.fromkeys(scopes))})"
        for name, scopes in list(twice.items())[:_EXAMPLES]
    ]
    raise Incomplete(
        f"{len(twice)} qualified names stand for more than one entity, for example "
        f"{', '.join(examples)}",
        hint="kinds that share a parent and may share a name need a tag",
        code="DUPLICATE_NAMES",
    )


def _guid_hash() -> "pl.Expr":
    import polars as pl

    return pl.col("guid").hash()
