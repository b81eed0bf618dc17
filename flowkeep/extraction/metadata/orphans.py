"""Do the kinds agree, although each was read in its own snapshot?

Every column needs its table, every table and routine its schema; foreign keys, triggers, views and
sequences point to tables and routines. What was created or dropped between two snapshots breaks
that; reading the older kind again mends it. A parent that is missing all the same fails the run;
another target that is missing is reported, with the reason.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from flowkeep.contracts.extraction import (
    FetchResult,
    KindResult,
    OrphanReport,
    UnresolvedReference,
)
from flowkeep.extraction.filters.scope import Scope
from flowkeep.extraction.metadata.kinds import KINDS, Kind, Reference
from flowkeep.extraction.metadata.references import Target, missing_targets
from flowkeep.storage import Storage

if TYPE_CHECKING:
    import polars as pl

_EXAMPLES = 3
_OUTSIDE = "outside the filters"


def find_orphans(
    storage: Storage,
    fetched: Sequence[FetchResult],
    *,
    kinds: Mapping[str, Kind] = KINDS,
    scope: Scope | None = None,
    own: Collection[str] = (),
    by_name_only: bool = True,
) -> OrphanReport:
    """Compare every kind with the kinds that hold its objects and that they point to.

    Args:
        storage: Where the raw parts lie.
        fetched: What was fetched.
        kinds: All kinds by name.
        scope: Judges by name whether an object should have been extracted; without it whatever is
            missing counts as outside.
        own: Kinds that were read by SQL of the user's own, which decides for itself what it
            returns.
        by_name_only: Whether names alone decide; else tables may also be left out because they
            are views or empty.

    Returns:
        Kinds to read again, findings that fail the run when that does not help, and references
        without a target.
    """
    return _Search(storage, fetched, kinds, scope, own, by_name_only).report()


class _Search:
    """One comparison of all kinds."""

    def __init__(
        self,
        storage: Storage,
        fetched: Sequence[FetchResult],
        kinds: Mapping[str, Kind],
        scope: Scope | None,
        own: Collection[str],
        by_name_only: bool,
    ) -> None:
        self._storage = storage
        self._fetched = fetched
        self._kinds = kinds
        self._scope = scope
        self._own = own
        self._by_name_only = by_name_only
        self._scopes = {
            (one.kind, scope.database): scope for one in fetched for scope in one.scopes
        }
        self._refetch: dict[str, None] = {}
        self._findings: list[str] = []
        self._unresolved: list[UnresolvedReference] = []

    def report(self) -> OrphanReport:
        self._compare_databases()
        for (name, database), child in self._scopes.items():
            kind = self._kinds.get(name)
            if kind is None or not child.parts:
                continue
            parent = self._scopes.get((kind.parent, database)) if kind.parent else None
            if parent is not None:
                self._compare_parent(kind, child, parent)
            for reference in kind.references:
                self._compare_reference(kind, reference, child)
        return OrphanReport(
            refetch=list(self._refetch), findings=self._findings, unresolved=self._unresolved
        )

    def _compare_databases(self) -> None:
        """A database that came or went between two kinds: read those again that lack it."""
        here = [one for one in self._fetched if one.not_applicable is None]
        everywhere = {scope.database for one in here for scope in one.scopes}
        for one in here:
            lacking = sorted(everywhere - {scope.database for scope in one.scopes})
            if lacking:
                names = ", ".join(lacking[:_EXAMPLES])
                self._findings.append(f"{one.kind} were not read from {names}, other kinds were")
                self._refetch.update(dict.fromkeys(other.kind for other in here))

    def _compare_parent(self, kind: Kind, child: KindResult, parent: KindResult) -> None:
        holder = self._kinds[parent.kind]
        missing = missing_targets(
            self._storage, child, kind.parent_identity, [(parent, holder.identity)]
        )
        if missing.is_empty():
            return
        if parent.status != "complete":
            reason = f"{parent.kind} are {parent.status}: {parent.reason}"
            self._report(child, "parent", [parent.kind], missing, reason)
            return
        self._findings.append(
            f"{child.kind} of {child.database} belong to {len(missing)} {parent.kind} that were "
            f"not found: {', '.join(_examples(missing))}"
        )
        self._read_older_again(child, [parent])

    def _compare_reference(self, kind: Kind, reference: Reference, child: KindResult) -> None:
        targets = list(self._targets(reference, child.database))
        missing = missing_targets(self._storage, child, reference.columns, targets)
        if missing.is_empty():
            return
        wanted = list(reference.kinds)
        half = missing.filter(_half_known(missing))
        whole = missing.filter(~_half_known(missing))
        if half.height:
            self._report(child, reference.name, wanted, half, "only half a name is known")
        if whole.is_empty():
            return
        why = self._excuse(reference, targets)
        if why is not None:
            self._report(child, reference.name, wanted, whole, why)
            return
        inside = whole.filter(self._inside(reference, child.database, whole))
        outside = whole.join(inside, on=whole.columns, how="anti").sort(whole.columns)
        if outside.height:
            self._report(child, reference.name, wanted, outside, _OUTSIDE)
        if inside.height:
            reason = f"not found, although the filters of {kind.name} include them"
            self._report(child, reference.name, wanted, inside, reason, expected=True)
            self._read_older_again(child, [scope for scope, _ in targets])

    def _targets(self, reference: Reference, database: str) -> Iterator[Target]:
        for name in reference.kinds:
            found = self._scopes.get((name, database))
            kind = self._kinds.get(name)
            if found is not None and kind is not None:
                has_target = set(reference.target) <= set(kind.columns)
                yield found, reference.target if has_target else kind.identity

    def _excuse(self, reference: Reference, targets: Sequence[Target]) -> str | None:
        """Return why missing objects may be missing, whatever they are called."""
        there = {scope.kind: scope for scope, _ in targets}
        absent = [name for name in reference.kinds if name not in there]
        if absent:
            return f"{' and '.join(absent)} were not extracted"
        for name, scope in there.items():
            if scope.status != "complete":
                return f"{name} are {scope.status}: {scope.reason}"
            if name in self._own:
                return f"the SQL of {name} does not return them"
        if self._scope is None:
            return _OUTSIDE
        if "tables" in there and not self._by_name_only:
            return "outside the filters, or left out as views or as empty tables"
        return None

    def _inside(self, reference: Reference, database: str, names: "pl.DataFrame") -> "pl.Series":
        """Return which names the filters include."""
        import polars as pl

        assert self._scope is not None, "without a scope there is an excuse"
        schema, *rest = names.columns
        inside: dict[str, set[str]] = {}
        for found in names[schema].unique().to_list():
            if not self._scope.holds_schema(database, found):
                inside[found] = set()
                continue
            own = names.filter(pl.col(schema) == found)[rest[0] if rest else schema]
            listed = own.unique().to_list()
            if "tables" in reference.kinds:
                listed = self._scope.tables(database, found, listed)
            elif "procedures" in reference.kinds:
                listed = self._scope.procedures(database, found, listed)
            inside[found] = set(listed)
        pairs = zip(names[schema], names[rest[0] if rest else schema], strict=True)
        return pl.Series([own in inside[found] for found, own in pairs], dtype=pl.Boolean)

    def _report(
        self,
        child: KindResult,
        reference: str,
        targets: list[str],
        missing: "pl.DataFrame",
        reason: str,
        *,
        expected: bool = False,
    ) -> None:
        self._unresolved.append(
            UnresolvedReference(
                kind=child.kind,
                database=child.database,
                reference=reference,
                targets=targets,
                count=missing.height,
                examples=_examples(missing),
                reason=reason,
                expected=expected,
            )
        )

    def _read_older_again(self, child: KindResult, others: Sequence[KindResult]) -> None:
        """Name the kinds whose snapshots lie before the other's."""
        older = [other.kind for other in others if other.taken_at <= child.taken_at]
        self._refetch.update(dict.fromkeys(older or [child.kind]))


def _half_known(rows: "pl.DataFrame") -> "pl.Series":
    """Return which rows hold a null."""
    import polars as pl

    return rows.select(pl.any_horizontal(pl.all().is_null())).to_series()


def _examples(names: "pl.DataFrame") -> list[str]:
    return [
        ".".join("?" if part is None else part for part in row)
        for row in names.head(_EXAMPLES).rows()
    ]
