"""What a definition uses, read off its canvas, its tasks or the caller's word. No database."""

from typing import Any

import pytest

from flowkeep.statestore.repositories.components import MOST, derive
from flowkeep.statestore.repositories.names import candidates, slug_of
from tests.statestore.definitions import CANVAS


def uses(
    spec: dict[str, Any] | None = None, canvas: Any = None, **said: Any
) -> list[tuple[str | None, str | None, str | None]]:
    """Return modules, steps and nodes of something without problems."""
    components, problems = derive(spec or {}, canvas, **said)
    assert problems == []
    assert [c.position for c in components] == list(range(len(components)))
    return [(c.module, c.step, c.node_id) for c in components]


def problems(spec: dict[str, Any] | None = None, canvas: Any = None, **said: Any) -> list[str]:
    return [str(problem) for problem in derive(spec or {}, canvas, **said)[1]]


def test_nodes_name_modules_and_steps() -> None:
    """Each step of each node is one component, in the order drawn; notes use nothing."""
    assert uses(canvas=CANVAS) == [
        ("data-loader", "csv-reader", "n2"),
        ("data-loader", "excel-reader", "n2"),
        ("data-processor", "clean-data", "n1"),
    ]


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ({"id": "a", "molecule": "m", "atoms": ["x", "x", "y"]}, [("m", "x"), ("m", "y")]),
        ({"id": "a", "data": {"moleculeId": "m", "selectedAtoms": [{"atomId": 7}]}}, [("m", "7")]),
        ({"id": "a", "module": {"id": "m", "name": "load"}, "step": "x"}, [("load", "x")]),
        ({"id": "a", "data": {"step": {"ref": "x"}}}, [(None, "x")]),
        ({"id": "a", "module": "m"}, [("m", None)]),
        ({"id": "a", "module": "m", "steps": []}, [("m", None)]),
        ({"id": "a", "steps": ["x"]}, [("a", "x")]),
        ({"id": "a", "type": "molecule"}, [("a", None)]),
        ({"id": "a", "type": "note", "data": 7}, []),
    ],
)
def test_ways_to_draw_a_node(
    node: dict[str, Any], expected: list[tuple[str | None, str | None]]
) -> None:
    """Module and steps may lie on the node or in its data, as texts or objects."""
    found = [(module, step) for module, step, _ in uses(canvas={"nodes": [node]})]
    assert found == expected


@pytest.mark.parametrize(
    ("canvas", "expected"),
    [
        ([], ["canvas is a list, not an object"]),
        ("x", ["canvas is a text, not an object"]),
        ({"nodes": {}}, ["canvas.nodes is an object, not a list"]),
        ({"nodes": [7]}, ["canvas.nodes[0] is a number, not an object"]),
        ({"nodes": [{}]}, ["canvas.nodes[0].id is missing"]),
        ({"nodes": [{"id": True}]}, ["canvas.nodes[0].id is true or false, not a text"]),
        ({"nodes": [{"id": ""}]}, ["canvas.nodes[0].id is an empty text, not a text"]),
        (
            {"nodes": [{"id": "a", "data": {"steps": "x"}}]},
            ["canvas.nodes[0].data.steps is a text, not a list"],
        ),
        (
            {"nodes": [{"id": "a", "steps": ["x", {}]}]},
            ["canvas.nodes[0].steps[1] has no name: none of step, step_id, stepId, atom, atom_id"],
        ),
        (
            {"nodes": [{"id": "a", "module": "x" * 201}]},
            ["canvas.nodes[0].module is longer than 200 characters or not printable"],
        ),
        (
            {"nodes": [{"id": "a"}], "edges": [{"source": "a", "target": "b"}, {"source": "a"}]},
            [
                "canvas.edges[0].target names no node: 'b'",
                "canvas.edges[1].target is missing",
            ],
        ),
    ],
)
def test_what_is_malformed_is_named_by_its_path(canvas: Any, expected: list[str]) -> None:
    """Every problem is listed with its place, and the rest is still read."""
    assert problems(canvas=canvas) == expected


def test_the_sound_part_of_a_broken_canvas_is_read() -> None:
    """One broken node does not hide what the others use."""
    broken = {"nodes": [None, *CANVAS["nodes"]], "edges": 7}
    components, found = derive({}, broken)
    assert len(components) == 3
    assert [problem.path for problem in found] == ["canvas.nodes[0]", "canvas.edges"]


def test_without_a_canvas_the_tasks_count() -> None:
    """Tasks name module and step, or the action; those inside groups count too."""
    spec = {
        "tasks": [
            {"name": "one", "action": "files.copy"},
            {"name": "two", "module": "m", "step": "s", "action": "m.s"},
            {"name": "both", "type": "parallel", "tasks": [{"name": "in", "action": "x"}]},
        ]
    }
    expected = [(None, "files.copy", "one"), ("m", "s", "two"), (None, "x", "in")]
    assert uses(spec) == expected
    assert uses(spec, {"nodes": [{"id": "note"}]}) == expected
    assert uses(spec, {"nodes": [{"id": "n", "step": "drawn"}]}) == [(None, "drawn", "n")]
    assert problems({"tasks": {}}) == ["spec.tasks is an object, not a list"]
    assert problems({"tasks": [{"action": []}]}) == ["spec.tasks[0].action is a list, not a text"]


def test_the_callers_word_counts_alone_or_must_agree() -> None:
    """What the caller says is used stands in for a canvas, and is compared with one."""
    steps = {"data-loader": ["excel-reader", "csv-reader"], "data-processor": ["clean-data"]}
    assert uses(modules=["m", "n"], steps={"m": ["s"]}) == [("m", "s", None), ("n", None, None)]
    assert len(uses(canvas=CANVAS, modules=list(steps), steps=steps)) == 3
    assert len(uses(canvas=CANVAS, modules=list(steps))) == 3
    assert problems(modules=["m"], steps={"n": ["s"]}) == [
        "steps_in_modules.n is not among modules_used"
    ]
    assert problems(canvas=CANVAS, modules=["data-loader", "gone"]) == [
        "modules_used lacks 'data-processor', which the canvas uses",
        "modules_used names 'gone', which the canvas does not use",
    ]
    assert problems(canvas=CANVAS, steps={**steps, "data-loader": ["csv-reader"]}) == [
        "steps_in_modules.data-loader differs from the canvas in excel-reader"
    ]


def test_there_is_a_limit() -> None:
    """More components than anybody draws are refused instead of stored one by one."""
    nodes = [{"id": str(n), "module": str(n)} for n in range(MOST + 1)]
    assert problems(canvas={"nodes": nodes}) == [f"canvas uses more than {MOST} modules and steps"]


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("  Hello,  World! ", "hello-world"),
        ("Größe & Maß", "grosse-mass"),
        ("Čučoriedka №5", "cucoriedka-no5"),
        ("売上 レポート", "売上-レポート"),
        ("Отчёт й", "отчёт-й"),
        ("___", "definition"),
        ("x" * 300, "x" * 200),
    ],
)
def test_slugs(name: str, slug: str) -> None:
    """A slug is lower case, joined by hyphens, and its own slug."""
    assert slug_of(name) == slug == slug_of(slug)


def test_candidates_stay_short_enough() -> None:
    """A number is put behind a name that is cut to make room."""
    series = candidates("x" * 200)
    assert [len(next(series)) for _ in range(12)] == [200] * 12
