"""The envelope of an entity: what is added to a draft, and its JSON line.

`guid` is the UUIDv5 of the qualified name. `contentHash` is the SHA-256 of
`{"attributes": …, "typeName": …}` in canonical JSON (RFC 8785: sorted keys, no white space, UTF-8;
integers keep all their digits), without the attributes that are volatile. Neither depends on the
run, on the machine or on a library. `lastSeen` is when the snapshot was taken, `firstSeen` that of
the earliest run in an unbroken row of runs that found the entity.
"""

import hashlib
import json
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from flowkeep.errors import ConfigurationError
from flowkeep.extraction.metadata.first_seen import FirstSeen
from flowkeep.extraction.metadata.names import guids

if TYPE_CHECKING:
    import polars as pl

ENVELOPE = (
    "typeName",
    "qualifiedName",
    "guid",
    "contentHash",
    "scope",
    "runId",
    "firstSeen",
    "lastSeen",
    "relationshipAttributes",
    "attributes",
)
"""Fields of an entity, in order."""


@dataclass(frozen=True, slots=True)
class Entities:
    """Some entities, ready to be written.

    Attributes:
        frame: One row each, with the columns of `ENVELOPE`.
        identities: Guid and content hash of each, one behind the other.
    """

    frame: "pl.DataFrame"
    identities: bytes

    def text(self) -> "pl.Series":
        """Return one JSON line each, each with its newline, as a single text.

        It stays outside of Python's objects: some megabytes at a time there, in more threads than
        one, is memory that does not come back.
        """
        import polars as pl

        lines = self.frame.select(pl.struct(ENVELOPE).struct.json_encode()).to_series()
        return pl.concat([lines, pl.Series([""])]).str.join("\n")


@dataclass(frozen=True, slots=True)
class Envelope:
    """What the entities of one scope have in common.

    Attributes:
        run_id: The run that extracted them.
        taken_at: When the snapshot was taken.
        first_seen: What an earlier run knew; None when there is none to go by.
    """

    run_id: str
    taken_at: datetime
    first_seen: FirstSeen | None = None

    def seal(self, drafts: "pl.DataFrame", volatile: AbstractSet[str]) -> Entities:
        """Make entities of what a transformer returned.

        Args:
            drafts: One row each, with the columns of `DRAFT`.
            volatile: Attributes that are left out of the content hash.

        Raises:
            ConfigurationError: If an object has no name.
        """
        import polars as pl

        if drafts["qualifiedName"].null_count():
            raise ConfigurationError(
                "an entity has no qualified name",
                hint="let the transformer name every object",
                code="TRANSFORMER",
            )
        ids = guids(drafts["qualifiedName"].to_list())
        hashes = _content_hashes(drafts, volatile)
        seen = rfc3339(self.taken_at)
        guid = pl.Series("guid", ids, dtype=pl.String)
        first = self.first_seen.of(guid, seen) if self.first_seen else pl.lit(seen)
        frame = drafts.with_columns(
            guid,
            pl.Series("contentHash", hashes, dtype=pl.String),
            pl.lit(self.run_id).alias("runId"),
            first.alias("firstSeen"),
            pl.lit(seen).alias("lastSeen"),
        ).select(ENVELOPE)
        pairs = zip(ids, hashes, strict=True)
        return Entities(frame, "".join([a + b for a, b in pairs]).encode())


def rfc3339(time: datetime) -> str:
    """Return a time as text: RFC 3339 in UTC with microseconds, so that texts sort as times do."""
    return time.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _content_hashes(drafts: "pl.DataFrame", volatile: AbstractSet[str]) -> list[str]:
    import polars as pl

    attributes = drafts["attributes"].struct
    stable = sorted(set(attributes.fields) - volatile, key=_canonical_order)
    texts = drafts.select(
        pl.struct(pl.col("attributes").struct.field(name) for name in stable)
        .struct.json_encode()
        .cast(pl.Binary)
    ).to_series()
    types = drafts["typeName"].to_list()
    ends = {
        name: f',"typeName":{json.dumps(name, ensure_ascii=False)}}}'.encode()
        for name in set(types)
    }
    sha256 = hashlib.sha256
    return [
        sha256(b'{"attributes":' + text + ends[name]).hexdigest()
        for text, name in zip(texts.to_list(), types, strict=True)
    ]


def _canonical_order(name: str) -> bytes:
    """Return what keys are sorted by: UTF-16 code units (RFC 8785, section 3.2.3)."""
    return name.encode("utf-16-be")
