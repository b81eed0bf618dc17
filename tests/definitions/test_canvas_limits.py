"""Drawings that are malformed, very large, or have odd names."""

import time
from typing import Any

import pytest

from flowkeep.definitions.canvas_edges import MOST_EDGES
from tests.definitions.test_canvas import drawn, problems, read, tasks


@pytest.mark.parametrize(
    ("canvas", "path"),
    [
        (None, "canvas"),
        ([], "canvas"),
        ({}, "canvas.nodes"),
        ({"nodes": {}}, "canvas.nodes"),
        ({"nodes": [{"id": "a"}]}, "canvas.nodes"),
        ({"nodes": [7]}, "canvas.nodes[0]"),
        ({"nodes": [{"step": "s"}]}, "canvas.nodes[0].id"),
        ({"nodes": [{"id": True, "step": "s"}]}, "canvas.nodes[0].id"),
        ({"nodes": [{"id": "a", "step": "s"}, {"id": "a", "step": "s"}]}, "canvas.nodes[1].id"),
        ({"nodes": [{"id": "a", "steps": "s"}]}, "canvas.nodes['a'].steps"),
        ({"nodes": [{"id": "a", "steps": [{}]}]}, "canvas.nodes['a'].steps[0]"),
        ({"nodes": [{"id": "a", "step": "x" * 201}]}, "canvas.nodes['a'].step"),
        ({"nodes": [{"id": "a", "step": "s", "input": 3}]}, "canvas.nodes['a'].input"),
        ({**drawn("a>b"), "edges": 7}, "canvas.edges"),
        ({**drawn("a>b"), "edges": [{"source": "a", "target": "c"}]}, "canvas.edges[0].target"),
        ({**drawn("a>b"), "edges": [{"target": "a"}]}, "canvas.edges[0].source"),
        (
            {**drawn("a>b"), "edges": [{"source": "a", "target": "b", "condition": []}]},
            "canvas.edges[0].condition",
        ),
    ],
)
def test_what_is_malformed_is_named_by_its_path(canvas: Any, path: str) -> None:
    """Nothing is made of it, and nothing is raised."""
    assert read(canvas).data is None
    assert path in problems(canvas)


def test_names_are_unique_and_valid() -> None:
    """Whatever ids and steps are called: numbers, other scripts, the same with other signs."""
    ids = ["1", "2b", "a-b", "a.b", "a b", "日本", "x" * 190, "x" * 191, "tasks", 7]
    nodes = [{"id": one, "step": step} for one in ids for step in ("s t", "s-t", "№")]
    nodes = [{"id": f"{one['id']}{n}", "step": one["step"]} for n, one in enumerate(nodes)]
    nodes += [{"id": "a-b", "step": "s"}, {"id": "a.b", "step": "s"}, {"id": "日", "step": "本"}]
    found = tasks({"nodes": nodes}, default_action="demo.do")
    assert len(found) == len(nodes)
    assert all(name.isascii() and name.isidentifier() and len(name) <= 128 for name in found)
    assert {"a_b_s", "a_b_s_2", "task"} <= set(found)


def test_a_thousand_nodes() -> None:
    """They take little time, and each becomes one task."""
    canvas = {
        "nodes": [{"id": str(n), "step": "do"} for n in range(1_000)],
        "edges": [
            {"source": str(n), "target": str(to)}
            for n in range(1_000)
            for to in (n + 1, n + 10)
            if to < 1_000
        ],
    }
    began = time.process_time()
    assert len(tasks(canvas)) == 1_000
    assert time.process_time() - began < 1


def test_edges_that_multiply_are_refused() -> None:
    """Many before and many behind a node without steps, or many ways over such nodes."""
    many = [f"a{n}>x x>b{n}" for n in range(150)]
    assert f"more than {MOST_EDGES}" in problems(drawn(" ".join(many), x={}))["canvas.edges"]
    ways = [f"{a}{n}>{b}{n + 1}" for n in range(60) for a in "xy" for b in "xy"]
    empty = {f"{side}{n}": {} for n in range(61) for side in "xy"}
    canvas = drawn(" ".join(["a>x0", *ways, "y60>b"]), **empty)
    for number, edge in enumerate(canvas["edges"]):
        edge["condition"] = f"parameters.p{number}"
    began = time.process_time()
    assert f"more than {MOST_EDGES}" in problems(canvas)["canvas.edges"]
    assert time.process_time() - began < 2
