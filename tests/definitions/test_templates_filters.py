"""Filters and operators of templates: what Jinja has means the same, the rest what it says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from flowkeep.definitions.templates import Scope, TemplateError, render

VARIABLES = {
    "parameters": {"a": 1, "tables": ["x", "y"], "none": None},
    "rows": [{"id": 2, "kind": "b"}, {"id": 1, "kind": "a"}, {"id": 3, "kind": "b"}],
    "item": {"name": "größe", "on": True},
}
SCOPE = Scope(VARIABLES)
JINJA = ImmutableSandboxedEnvironment(undefined=StrictUndefined)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("rows | sort(attribute='id') | map(attribute='id')", [1, 2, 3]),
        ("rows | groupby('kind') | map(attribute='grouper') | join('-')", "a-b"),
        ("(rows | groupby('kind'))[1].list | length", 2),
        ("[1, 2] | zip(['a', 'b'])", [[1, "a"], [2, "b"]]),
        ("[1, [2, [3]]] | flatten", [1, 2, 3]),
        ("[1, [2, [3]]] | flatten(1)", [1, 2, [3]]),
        ("{'a': 1} | combine({'b': 2}, {'a': 3})", {"a": 3, "b": 2}),
        ("{'a': {'x': 1}} | combine({'a': {'y': 2}}, recursive=true)", {"a": {"x": 1, "y": 2}}),
        ("{'b': 1, 'a': 2} | keys", ["b", "a"]),
        ("{'b': 1, 'a': 2} | values", [1, 2]),
        ("{'b': 1} | items", [["b", 1]]),
        ("'abc' | b64encode", "YWJj"),
        ("'YWJj' | b64decode", "abc"),
        ("'' | sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("'[1, {\"a\": null}]' | fromjson", [1, {"a": None}]),
        ("'\\\"[[[' | tojson", '"\\"[[["'),
        ("'a,b' | split(',')", ["a", "b"]),
        ("'a b&c' | urlencode", "a%20b%26c"),
        ("range(2, 8, 3)", [2, 5]),
        ("' 12 ' | int", 12),
        ("'x' | int(default=0)", 0),
        ("[1, 1.0, 2, [1], [1]] | unique", [1, 2, [1]]),
        ("'b' in parameters.tables or 'x' in parameters.tables", True),
        ("rows | selectattr('kind', 'eq', 'b') | map(attribute='id')", [2, 3]),
        ("rows | selectattr('nope', 'defined')", []),
        ("rows | map(attribute='nope', default=0)", [0, 0, 0]),
        ("[3, 1, 2] | select('gt', 1)", [3, 2]),
        ("[1, 2, 3] | batch(2, 0)", [[1, 2], [3, 0]]),
    ],
)
def test_filters(expression, value):
    """Filters give lists, dicts, texts and numbers, as their names say."""
    assert render(f"{{{{ {expression} }}}}", SCOPE) == value


@pytest.mark.parametrize(
    "expression",
    [
        "1 + 2 * 3 - 4 / 5 // 2 % 3 ** 2",
        "-parameters.a ** 2",
        "1 < 2 <= 2 != 3",
        "not parameters.a == 1 and item.on or 'z'",
        "'a' ~ 1 ~ 'b'",
        "'x' if item.on else 'y'",
        "parameters.tables + ['z']",
        "'ab' * 3",
        "rows | map(attribute='id') | list | sort(reverse=true)",
        "['b', 'A', 'a', 'B'] | sort",
        "['b', 'A', 'a', 'B'] | sort(case_sensitive=true)",
        "['b', 'A', 'a', 'B'] | unique | list",
        "['b', 'A', 'a', 'B'] | min",
        "['b', 'A', 'a', 'B'] | max",
        "rows | max(attribute='id')",
        "rows | sort(attribute='kind,id') | map(attribute='id') | list",
        "rows | sum(attribute='id')",
        "rows | rejectattr('id', 'odd') | list",
        "[1, 2, 3, 4] | reject('divisibleby', 2) | list",
        "[0, 1, '', 'a'] | select | list",
        "['a', 'b'] | map('upper') | join('+')",
        "'hello big-world (x)' | title",
        "'xxaxx' | trim('x')",
        "'aaa' | replace('a', 'b', 2)",
        "'aaa' | replace('', '-')",
        "42.55 | round(1, 'floor')",
        "2.5 | round",
        "'abc'[::-1]",
        "'abc' | first ~ 'abc' | last",
        "nope | default('d')",
        "parameters.none | default('d', true)",
        "parameters.nope is defined",
        "parameters.a is number and 'a' is string and rows is sequence",
        "[1, 2] | abs if false else 5 | float",
        "'abc' | reverse",
        "[1, 2, 3] | reverse | list",
        "[] | first | default(7)",
    ],
)
def test_what_jinja_has_means_the_same(expression):
    """What Jinja itself can do has the outcome it has in Jinja's own sandbox."""
    own = JINJA.compile_expression(expression, undefined_to_none=False)(**VARIABLES)
    assert render(f"{{{{ {expression} }}}}", SCOPE) == own


NUMBERS = st.integers(-1000, 1000) | st.floats(-1e6, 1e6).filter(lambda n: n == 0 or abs(n) > 1e-6)
NUMBER_TEXTS = NUMBERS.map(lambda number: f"({number})")
EXPRESSIONS = st.recursive(
    NUMBER_TEXTS,
    lambda inner: st.tuples(
        inner,
        st.sampled_from(["+", "-", "*", "/", "//", "%", "<", ">=", "==", "!=", "and", "or"]),
        inner,
    ).map(lambda parts: f"({' '.join(parts)})"),
    max_leaves=12,
)


@given(EXPRESSIONS)
def test_calculations_are_those_of_python(expression):
    """Any calculation gives what Python gives, or an error where Python has one."""
    try:
        expected = eval(expression)
    except ArithmeticError:
        expected = TemplateError
    try:
        rendered = render(f"{{{{ {expression} }}}}", SCOPE)
    except TemplateError:
        rendered = TemplateError
    assert rendered == expected
