"""What a finished extraction says about itself, beside its files."""

from pydantic import BaseModel, ConfigDict, Field


class Message(BaseModel):
    """What the extraction activities hand to each other; unknown fields are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class UnresolvedReference(Message):
    """Objects that others point to and that are not among what was extracted.

    Attributes:
        kind: Kind of the objects that point.
        database: Their database.
        reference: Name of the relationship, for example `referencedTable`; `parent` for what holds
            an object.
        targets: Kinds that the objects pointed to may be of.
        count: How many different ones are missing.
        examples: Some of their names.
        reason: Why they are missing.
        expected: Whether they should have been there, by the filters.
    """

    kind: str
    database: str
    reference: str
    targets: list[str]
    count: int
    examples: list[str]
    reason: str
    expected: bool = False


class OrphanReport(Message):
    """What does not fit together, because each kind was read in a snapshot of its own.

    Attributes:
        refetch: Kinds to read again, because their snapshot is the older one.
        findings: One sentence per pair of kinds with objects whose parent is missing, with
            examples; they fail the run when reading again does not help.
        unresolved: Other references without a target; they go into the manifest.
    """

    refetch: list[str] = Field(default_factory=list)
    findings: list[str] = Field(default_factory=list)
    unresolved: list[UnresolvedReference] = Field(default_factory=list)


class DiffCounts(Message):
    """How many objects differ from the last complete run of the same scopes.

    Attributes:
        base_run_id: The run that was compared with; null when scopes have different ones.
        added: Objects that are new.
        changed: Objects whose content differs.
        removed: Objects that are gone, proven by complete scopes on both sides.
        unchanged: Objects that are the same.
        withheld: Objects that seem gone, but so many of a scope at once that they are not reported
            as removed.
        unknown: Scopes in which nobody knows what was removed, or which could not be compared.
    """

    base_run_id: str | None = None
    added: int = 0
    changed: int = 0
    removed: int = 0
    unchanged: int = 0
    withheld: int = 0
    unknown: int = 0
