"""Qualified names: no two objects share one, and each says what it was made of."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flowkeep.extraction.metadata.kinds import KINDS, Kind
from flowkeep.extraction.metadata.names import Naming, split_name

NAMES = st.one_of(
    st.sampled_from(["", "%", ".", "#", "/", "()", "a", "a.b", "index", "#index", "%25", "%2E"]),
    st.text(alphabet="a.#/%()25E\n\"'\\,é", max_size=5),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
)
RELATIONS = ("tables", "sequences")
"""Kinds whose objects live in one space of names: no server has two of one name."""

Identity = tuple[str, tuple[str, ...]]


@st.composite
def identities(draw: st.DrawFn) -> Identity:
    """A kind and what names one of its objects: the database and the parts."""
    kind = KINDS[draw(st.sampled_from(sorted(KINDS)))]
    parts = [name for name in kind.identity if name != "database_name"]
    return kind.name, tuple(draw(NAMES) for _ in ("database", *parts))


def name_of(identity: Identity, naming: Naming) -> str:
    """The qualified name that an object gets."""
    kind, parts = KINDS[identity[0]], identity[1]
    columns = ["database_name", *(name for name in kind.identity if name != "database_name")]
    rows = pl.DataFrame({name: [part] for name, part in zip(columns, parts, strict=True)})
    return str(rows.select(naming.of(kind)).item())


def space(identity: Identity, naming: Naming) -> tuple[Any, ...]:
    """What makes an object different from others, with the names a server keeps apart."""
    kind, parts = identity
    seen = parts if naming.database_in_names else parts[1:]
    return ("relation" if kind in RELATIONS else kind, seen)


@pytest.mark.parametrize("database_in_names", [True, False])
@given(one=identities(), other=identities())
@example(one=("tables", ("d", "s", "t#index.i")), other=("indexes", ("d", "s", "t", "i")))
@example(one=("columns", ("d", "s", "t", "c")), other=("tables", ("d", "s", "t.c")))
@example(one=("procedures", ("d", "s", "f", "")), other=("tables", ("d", "s", "f()")))
@example(one=("schemas", ("d", "")), other=("databases", ("d",)))
@example(one=("view_dependencies", ("d", "s", "v", "a", "b")), other=("types", ("d", "s", "b")))
def test_no_two_objects_share_a_name(
    database_in_names: bool, one: Identity, other: Identity
) -> None:
    """Names are equal only where kind and parts are."""
    naming = Naming("postgres://host:5432", database_in_names)
    equal = space(one, naming) == space(other, naming)
    assert (name_of(one, naming) == name_of(other, naming)) == equal


@pytest.mark.parametrize("namespace", ["postgres://host:5432", "sqlite:///a/b.db", "a/b", "x"])
@given(one=identities())
def test_a_name_says_what_it_was_made_of(namespace: str, one: Identity) -> None:
    """The parts come back, whatever they hold and whatever the namespace is."""
    name = name_of(one, Naming(namespace))
    parts = list(one[1])
    if one[0] == "procedures":
        signature = parts.pop()
        parts[-1] += f"({signature})"
    assert name.startswith(f"{namespace}/")
    assert split_name(name) == parts
    assert split_name(name_of(one, Naming(namespace, database_in_names=False))) == parts[1:]


@pytest.mark.parametrize(
    ("kind", "parts", "expected"),
    [
        ("databases", ["shop"], "shop"),
        ("columns", ["shop", "sales", "orders", "id"], "shop.sales.orders.id"),
        ("procedures", ["shop", "sales", "f", "integer, text"], "shop.sales.f(integer, text)"),
        ("indexes", ["shop", "sales", "orders", "pk"], "shop.sales.orders#index.pk"),
        ("types", ["shop", "sales", "mood"], "shop.sales#type.mood"),
        ("view_dependencies", ["shop", "s", "v", "s", "t"], "shop.s.v#reads.s.t"),
        ("tables", ["a.b", "c/d", "e#f(%)"], "a%2Eb.c%2Fd.e%23f%28%25%29"),
        ("schemas", ["shop", ""], "shop.%"),
    ],
)
def test_names_look_like_this(kind: str, parts: Sequence[str], expected: str) -> None:
    """Names are part of what others store: they never change their form."""
    assert name_of((kind, tuple(parts)), Naming("ns")) == f"ns/{expected}"


def test_a_kind_of_one_s_own_hangs_below_its_parent() -> None:
    """A tag stands between what names the parent and what names the object."""
    policy = Kind(
        name="policies",
        type_name="Policy",
        columns={},
        identity=("schema_name", "table_name", "policy_name"),
        tag="policy",
        parent="tables",
        parent_identity=("schema_name", "table_name"),
    )
    row: Mapping[str, list[str]] = {
        "database_name": ["d"],
        "schema_name": ["s"],
        "table_name": ["t"],
        "policy_name": ["p"],
    }
    rows = pl.DataFrame(row)
    assert rows.select(Naming("ns").of(policy)).item() == "ns/d.s.t#policy.p"
    assert rows.select(Naming("ns").of_parent(policy, KINDS["tables"])).item() == "ns/d.s.t"


def test_a_null_part_gives_no_name() -> None:
    """What points nowhere has no name instead of half of one."""
    columns = {"schema_name": "other_schema", "table_name": "other_table"}
    rows = pl.DataFrame(
        {"database_name": ["d", "d"], "other_schema": ["s", None], "other_table": ["t", None]}
    )
    names = rows.select(Naming("ns").of(KINDS["tables"], columns)).to_series()
    assert names.to_list() == ["ns/d.s.t", None]
