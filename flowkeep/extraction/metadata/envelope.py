"""The envelope of an entity: what is added to a draft, and its JSON line.

`guid` is the UUIDv5 of the qualified name. `contentHash` is the SHA-256 of
`{"attributes": …, "typeName": …}` in canonical JSON (RFC 8785: sorted keys, no white space, UTF-8;
integers keep all their digits), without the attributes that are volatile. Neither depends on the
run, on the machine or on a library. `lastSeen` is when the snapshot was taken, `firstSeen` that of
the earliest run in an unbroken row of runs that found the entity.
"""

import hashlib
import json
from collections.abc import Sequence
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
        stable: The attributes of the content hash as JSON objects.
        volatile: The other attributes.
    """

    frame: "pl.DataFrame"
    identities: bytes
    stable: "pl.Series"
    volatile: tuple[str, ...]

    def lines(self) -> "pl.Series":
        """Return one JSON line each, each with its newline.

        What was hashed is not made twice: it stands behind the volatile attributes.
        """
        import polars as pl

        fields = [pl.col(name) for name in ENVELOPE[:-1]]
        first = [pl.col("attributes").struct.field(name) for name in self.volatile]
        if first:
            fields.append(pl.struct(first).alias("attributes"))
        head = pl.struct(fields).struct.json_encode().str.strip_suffix("}}" if first else "}")
        tail = pl.lit(self.stable).str.strip_prefix("{") if first else pl.lit(self.stable)
        middle = pl.lit("," if first else ',"attributes":')
        return self.frame.select(pl.concat_str(head, middle, tail, pl.lit("}\n"))).to_series()


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
        fields = drafts["attributes"].struct.fields
        stable = _stable(drafts, [name for name in fields if name not in volatile])
        hashes = _content_hashes(drafts["typeName"].to_list(), stable)
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
        return Entities(
            frame,
            "".join([a + b for a, b in pairs]).encode(),
            stable,
            tuple(name for name in fields if name in volatile),
        )


def rfc3339(time: datetime) -> str:
    """Return a time as text: RFC 3339 in UTC with microseconds, so that texts sort as times do."""
    return time.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _stable(drafts: "pl.DataFrame", names: Sequence[str]) -> "pl.Series":
    """Return these attributes as JSON objects with sorted keys."""
    import polars as pl

    if not names:
        raise ConfigurationError(
            "the entities of a kind have no attribute that is not volatile",
            hint="let the transformer return at least their name",
            code="TRANSFORMER",
        )
    ordered = sorted(names, key=_canonical_order)
    return drafts.select(
        pl.struct(pl.col("attributes").struct.field(name) for name in ordered).struct.json_encode()
    ).to_series()


def _content_hashes(types: Sequence[str], stable: "pl.Series") -> list[str]:
    import polars as pl

    ends = {
        name: f',"typeName":{json.dumps(name, ensure_ascii=False)}}}'.encode()
        for name in set(types)
    }
    sha256 = hashlib.sha256
    return [
        sha256(b'{"attributes":' + text + ends[name]).hexdigest()
        for text, name in zip(stable.cast(pl.Binary).to_list(), types, strict=True)
    ]


def _canonical_order(name: str) -> bytes:
    """Return what keys are sorted by: UTF-16 code units (RFC 8785, section 3.2.3)."""
    return name.encode("utf-16-be")
