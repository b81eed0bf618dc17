"""Definitions from drawings. The truth is what the drawing shows, written out by hand."""

import copy
import json
from typing import Any

import pytest

from flowkeep.definitions.canvas import CanvasResult, read_canvas
from flowkeep.definitions.validate import validate

# What the editor of the founding document sends: molecules with atoms, positions, metadata.
SENT: dict[str, Any] = {
    "nodes": [
        {
            "id": "molecule-2",
            "type": "molecule",
            "position": {"y": 40, "x": 300.5},
            "data": {"molecule": "data-processor", "atoms": ["clean-data", "aggregate"]},
        },
        {"id": "note", "type": "note", "data": {"text": "Load first"}},
        {
            "id": "molecule-1",
            "type": "molecule",
            "position": {"x": 0, "y": 0},
            "data": {
                "molecule": "data-loader",
                "label": "Load",
                "atoms": ["csv-reader", {"name": "excel-reader", "settings": {"sheet": 1}}],
            },
        },
    ],
    "edges": [{"id": "e1", "source": "molecule-1", "target": "molecule-2", "animated": True}],
    "metadata": {"name": "Q4 report", "zoom": 1.25},
}


def drawn(text: str, **nodes: Any) -> dict[str, Any]:
    """A canvas of edges like `a>b b>c`, all nodes with one step unless said otherwise."""
    edges = [word.split(">") for word in text.split()]
    names = dict.fromkeys([*nodes, *(one for edge in edges for one in edge)])
    return {
        "nodes": [{"id": one, **nodes.get(one, {"step": "do"})} for one in names],
        "edges": [{"source": source, "target": target} for source, target in edges],
    }


def read(canvas: Any, **more: Any) -> CanvasResult:
    return read_canvas(canvas, **{"ref": "x", "app": "demo", **more})


def tasks(canvas: Any, **more: Any) -> dict[str, dict[str, Any]]:
    """Tasks by name, of a canvas without errors whose definition is valid."""
    found = read(canvas, **more)
    assert found.data is not None, found.problems
    assert validate(found.data).errors == []
    return {one["name"]: one for one in found.data["tasks"]}


def follows(canvas: Any) -> dict[str, list[Any]]:
    """What follows each task: names, or (condition, names)."""
    return {
        name: [(t["when"], t["do"]) if "when" in t else t["do"] for t in one["transitions"]]
        for name, one in tasks(canvas).items()
    }


def problems(canvas: Any, **more: Any) -> dict[str, str]:
    return {one.path: one.message for one in read(canvas, **more).problems}


def test_what_the_editor_sends_becomes_a_definition() -> None:
    """Steps of a node form a chain, the edge joins the last to the first; notes do nothing."""
    found = read(SENT, app="trinity", actions={"data-processor.aggregate": "stats.sum"})
    assert found.problems == []
    assert found.data is not None
    assert {key: one for key, one in found.data.items() if key != "tasks"} == {
        "ref": "x",
        "label": "Q4 report",
    }
    first, second = (one["id"] for one in SENT["nodes"] if one["id"] != "note")
    common = {"module": "data-processor", "node": first}
    load = {"module": "data-loader", "node": second, "label": "Load"}
    assert tasks(SENT, app="trinity", actions={"data-processor.aggregate": "stats.sum"}) == {
        "molecule_2_clean_data": {
            **common,
            "name": "molecule_2_clean_data",
            "action": "trinity.clean-data",
            "step": "clean-data",
            "transitions": [{"do": ["molecule_2_aggregate"]}],
        },
        "molecule_2_aggregate": {
            **common,
            "name": "molecule_2_aggregate",
            "action": "stats.sum",
            "step": "aggregate",
            "transitions": [],
        },
        "molecule_1_csv_reader": {
            **load,
            "name": "molecule_1_csv_reader",
            "action": "trinity.csv-reader",
            "step": "csv-reader",
            "transitions": [{"do": ["molecule_1_excel_reader"]}],
        },
        "molecule_1_excel_reader": {
            **load,
            "name": "molecule_1_excel_reader",
            "action": "trinity.excel-reader",
            "step": "excel-reader",
            "input": {"sheet": 1},
            "transitions": [{"do": ["molecule_2_clean_data"]}],
        },
    }


def test_the_drawing_stays_as_it_is() -> None:
    """Not a value, not the order of a key is changed, and nothing of it is shared."""
    sent = copy.deepcopy(SENT)
    found = read(sent)
    assert json.dumps(sent) == json.dumps(SENT)
    assert found.data is not None
    found.data["tasks"][3]["input"]["sheet"] = 2
    assert json.dumps(sent) == json.dumps(SENT)


@pytest.mark.parametrize(
    ("node", "more", "action"),
    [
        ({"step": "s"}, {}, "demo.s"),
        ({"module": "m", "step": "s"}, {"default_action": "{app}.{module}.{step}"}, "demo.m.s"),
        ({"module": "m", "step": "s"}, {"actions": {"s": "a.s", "m.s": "a.ms"}}, "a.ms"),
        ({"module": "n", "step": "s"}, {"actions": {"s": "a.s", "m.s": "a.ms"}}, "a.s"),
        ({"step": "s", "action": "b.c"}, {"actions": {"s": "a.s"}}, "b.c"),
        ({"data": {"step": {"atom": "s", "action": "b.c"}, "action": "no.no"}}, {}, "b.c"),
        ({"data": {"action": "b.c"}}, {}, "b.c"),
        ({"step": "s"}, {"app": None, "actions": {"s": "a.s"}}, "a.s"),
        ({"step": "s"}, {"app": None, "default_action": "x.{step}"}, "x.s"),
    ],
)
def test_steps_become_actions(node: dict[str, Any], more: dict[str, Any], action: str) -> None:
    """What the node says counts most, then the mapping, then the default."""
    (found,) = tasks(drawn("", n=node), **more).values()
    assert found["action"] == action


@pytest.mark.parametrize(
    ("node", "more", "path"),
    [
        ({"step": "s"}, {"app": None}, "canvas.nodes['n'].step"),
        ({"data": {"atoms": ["a", "b c"]}}, {}, "canvas.nodes['n'].data.atoms[1]"),
        ({"step": "s"}, {"app": "My App"}, "canvas.nodes['n'].step"),
        ({"step": "s"}, {"actions": {"s": "not good"}}, "canvas.nodes['n'].step"),
        ({"step": "s"}, {"default_action": "{module}.{step}"}, "canvas.nodes['n'].step"),
    ],
)
def test_steps_without_an_action(node: dict[str, Any], more: dict[str, Any], path: str) -> None:
    """They are errors with the id of the node, and there is no definition."""
    found = read(drawn("", n=node), **more)
    assert found.data is None
    assert [one.path for one in found.problems] == [path]
    assert "map" in (found.problems[0].hint or "")


def test_input_of_a_node_goes_to_its_steps() -> None:
    """What a step says itself counts more."""
    steps = ["a", {"name": "b", "input": {"x": 2}}]
    found = tasks(drawn("", n={"data": {"steps": steps, "settings": {"x": 1, "y": 1}}}))
    assert [one["input"] for one in found.values()] == [{"x": 1, "y": 1}, {"x": 2, "y": 1}]


def test_edges_become_transitions() -> None:
    """Several side by side, several into one without a join, lone nodes by themselves."""
    assert follows(drawn("a>b a>c b>d c>d", lone={"step": "do"})) == {
        "lone_do": [],
        "a_do": [["b_do", "c_do"]],
        "b_do": [["d_do"]],
        "c_do": [["d_do"]],
        "d_do": [],
    }
    assert "join" not in tasks(drawn("a>c b>c"))["c_do"]


def test_conditions_of_edges() -> None:
    """An edge without one is followed whenever the node succeeded, beside others with one."""
    canvas = drawn("a>b a>c a>d a>b")
    canvas["edges"][1]["condition"] = "failed()"
    canvas["edges"][2]["data"] = {"condition": "{{ result().ok }}"}
    canvas["edges"][3]["label"] = "just a label"
    assert follows(canvas)["a_do"] == [
        ("{{ succeeded() }}", ["b_do"]),
        ("failed()", ["c_do"]),
        ("{{ result().ok }}", ["d_do"]),
    ]
    canvas["edges"] = [{"source": "a", "target": "b", "label": "{{ result() > 3 }}"}]
    assert follows(canvas)["a_do"] == [("{{ result() > 3 }}", ["b_do"])]
    canvas["edges"] = [{"source": "a", "target": "b", "condition": False}]
    assert follows(canvas)["a_do"] == [(False, ["b_do"])]


def test_nodes_without_steps_are_joined_over() -> None:
    """What stands before them leads to what stands behind; conditions on the way add up."""
    canvas = drawn("a>x b>x x>y y>c x>d c>z", x={}, y={}, z={})
    assert follows(canvas) == {
        "a_do": [["c_do", "d_do"]],
        "b_do": [["c_do", "d_do"]],
        "c_do": [],
        "d_do": [],
    }
    canvas["edges"][0]["condition"] = "{{ result().a }}"
    canvas["edges"][3]["condition"] = "result().b"
    assert follows(canvas)["a_do"] == [
        ("{{ (result().a) and (result().b) }}", ["c_do"]),
        ("{{ result().a }}", ["d_do"]),
    ]
    assert follows(canvas)["b_do"] == [
        ("{{ succeeded() }}", ["d_do"]),
        ("result().b", ["c_do"]),
    ]


def test_a_module_without_steps_is_a_warning() -> None:
    """Somebody forgot to choose; the rest can be run."""
    (found,) = read(drawn("a>m", m={"module": "loader"})).problems
    assert (found.path, found.level) == ("canvas.nodes['m']", "warning")
    assert read(drawn("a>m", m={"module": "loader"})).data is not None


def test_circles() -> None:
    """With a condition they may be drawn; without, they never end."""
    canvas = drawn("s>a a>b b>a b>c")
    assert "circle without a condition: a → b → a" in problems(canvas)["canvas.nodes['a']"]
    canvas["edges"][2]["condition"] = "{{ result().again }}"
    assert follows(canvas)["b_do"] == [
        ("{{ succeeded() }}", ["c_do"]),
        ("{{ result().again }}", ["a_do"]),
    ]
    assert "circle" in problems(drawn("a>a"))["canvas.nodes['a']"]
    empty = drawn("a>x x>y y>x", x={}, y={})
    empty["edges"][1]["condition"] = "{{ parameters.p }}"
    assert "without a step: x → y → x" in problems(empty)["canvas.nodes['x']"]
