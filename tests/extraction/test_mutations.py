"""Two hundred random changes between two runs, and the diff that names exactly these."""

import os
from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest

from flowkeep.contracts.extraction import ManifestRef
from flowkeep.extraction.metadata.changes import read_changes
from flowkeep.extraction.metadata.manifest import read_manifest
from flowkeep.extraction.metadata.verify import verify_manifest
from flowkeep.storage import Storage
from tests.extraction.mutations.changes import CHANGES
from tests.extraction.mutations.mutator import Mutations
from tests.extraction.support import extract, extraction_of, run

BEFORE = 150
BETWEEN = 200
SEEDS = range(int(os.environ.get("MUTATION_SEEDS", "1")))
"""A loop of many seeds is for machines with time."""

Change = tuple[str, str, str]


@pytest.fixture
def second(database_url: str) -> Iterator[str]:
    """A role that objects may be given to."""
    role = f"second_{uuid4().hex}"
    run(database_url, f"CREATE ROLE {role}", "DROP SCHEMA public")
    yield role
    run(database_url, f"DROP OWNED BY {role} CASCADE", f"DROP ROLE {role}")


def mutate(url: str, mutations: Mutations, count: int) -> list[str]:
    """Make changes; returns what was run."""
    statements = [mutations.next() for _ in range(count)]
    with psycopg.connect(url, autocommit=True) as connection:
        for number, statement in enumerate(statements):
            try:
                connection.execute(statement.encode())
            except psycopg.Error as error:
                past = "\n".join(statements[max(0, number - 10) : number + 1])
                raise AssertionError(f"{error} after\n{past}") from None
    return statements


def named(storage: Storage, reference: ManifestRef) -> set[Change]:
    """Change, kind and name behind the database, as the diff has them."""
    rows = list(read_changes(storage, read_manifest(storage, reference.key)))
    found = {
        (row["change"], row["kind"], row["qualifiedName"].rpartition("/")[2].partition(".")[2])
        for row in rows
    }
    assert len(found) == len(rows)
    return found


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.timeout(300)
def test_the_diff_names_exactly_what_changed(
    seed: int, database_url: str, second: str, storage: Storage
) -> None:
    """Added, changed and removed objects of all kinds are those of an independent model."""
    mutations = Mutations(seed, second, CHANGES)
    mutate(database_url, mutations, BEFORE)
    options = {"removal_threshold": 1.0}
    first, _ = extract(extraction_of(database_url, storage, "run-1", options=options))
    before = mutations.model.render()
    assert first.rows == len(before) + 1  # and the database
    statements = mutate(database_url, mutations, BETWEEN)
    after = mutations.model.render()
    expected = {("added", *name) for name in after.keys() - before.keys()}
    expected |= {("removed", *name) for name in before.keys() - after.keys()}
    expected |= {
        ("changed", *name) for name in before.keys() & after.keys() if before[name] != after[name]
    }
    second_run, _ = extract(extraction_of(database_url, storage, "run-2", options=options))
    found = named(storage, second_run)
    wrong = {"missed": sorted(expected - found), "invented": sorted(found - expected)}
    assert wrong == {"missed": [], "invented": []}, "\n".join(statements)
    assert len(expected) > BETWEEN // 2
    assert second_run.diff is not None
    assert second_run.diff.unchanged == second_run.rows - sum(
        change != "removed" for change, _, _ in expected
    )
    assert second_run.rows == len(after) + 1
    assert verify_manifest(storage, second_run.key) == []
