"""What a definition uses. The truth is what the ledger reads off canvases and tasks."""

from typing import Any

import pytest

from flowkeep.definitions.canvas import read_canvas
from flowkeep.definitions.components import Use, components_of
from flowkeep.definitions.spec import DefinitionSpec
from flowkeep.statestore.repositories.components import derive
from tests.definitions.test_canvas import SENT
from tests.statestore.definitions import CANVAS

GROUP = {
    "name": "both",
    "tasks": [{"name": "in", "action": "x.y"}, {"name": "of", "workflow": "w"}],
}


def of(data: dict[str, Any]) -> list[Use]:
    return components_of(DefinitionSpec.model_validate({"ref": "x", **data}))


def derived(spec: dict[str, Any], canvas: Any = None) -> list[Use]:
    components, problems = derive(spec, canvas)
    assert problems == []
    return [(one.module, one.step, one.node_id) for one in components]


@pytest.mark.parametrize("canvas", [CANVAS, SENT])
def test_a_drawn_definition_uses_what_is_drawn(canvas: dict[str, Any]) -> None:
    """Modules, steps and nodes are those that the ledger reads off the canvas."""
    data = read_canvas(canvas, ref="x", app="demo").data
    assert data is not None
    assert of(data) == derived({}, canvas)
    assert len(of(data)) >= 3


def test_a_written_definition_uses_its_actions() -> None:
    """Module and step where a task says so, else its action, under its own name."""
    spec = {
        "tasks": [
            {"name": "one", "action": "files.copy"},
            {"name": "two", "action": "m.s", "module": "m", "step": "s"},
            {"name": "three", "workflow": "other", "module": "m"},
            GROUP,
        ]
    }
    expected = [
        *((None, "files.copy", "one"), ("m", "s", "two"), ("m", None, "three")),
        (None, "x.y", "in"),
    ]
    assert of(spec) == expected == derived(spec)
