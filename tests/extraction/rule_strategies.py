"""Any rules and any names, for tests that compare engines."""

import re
from typing import Any

from hypothesis import strategies as st

ODD = "aAbBzZ_09 .*?%$'\"\\/;{}()[]|^+-&~\n\t%sßÄé名ſK"

names = st.lists(st.text(st.sampled_from(ODD), min_size=1, max_size=6), min_size=1, max_size=8)
globs = st.text(st.sampled_from(ODD), min_size=1, max_size=5)
atoms = st.one_of(
    st.sampled_from(ODD).map(re.escape).filter(lambda one: one != "\\\n" and one != "\\\t"),
    st.sampled_from(
        [".", r"\d", r"\w", r"\S", r"\n", "[a-c]", "[^a_]", r"[\]%\\]", "[[:alpha:]é]"]
    ),
)
regexes = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{0,2}", "{1,}", "*?"])).map(
            lambda pair: f"(?:{pair[0]}){pair[1]}"
        ),
        st.lists(inner, min_size=1, max_size=3).map("".join),
        st.lists(inner, min_size=2, max_size=3).map("|".join).map(lambda one: f"({one})"),
        inner.map(lambda one: f"^{one}$"),
    ),
    max_leaves=6,
)
patterns = st.one_of(
    st.builds(lambda value: ("exact", value), globs),
    st.builds(lambda value: ("glob", value), globs),
    st.builds(lambda value: ("regex", value), regexes),
)
cases = st.sampled_from(["sensitive", "insensitive"])


@st.composite
def rules(draw: st.DrawFn, level: str = "table") -> dict[str, Any]:
    """Any rule for tables."""
    match, value = draw(patterns)
    rule: dict[str, Any] = {
        "action": draw(st.sampled_from(["include", "exclude"])),
        "level": level,
        "match": match,
        "value": value,
        "case": draw(cases),
    }
    parent = draw(st.none() | patterns)
    if level == "table" and parent is not None:
        rule["schema"] = {"match": parent[0], "value": parent[1], "case": draw(cases)}
    return rule
