"""What errors about templates say besides what is wrong."""

import difflib
from collections.abc import Iterable

from jinja2 import nodes

from flowkeep.definitions.template_functions import FUNCTIONS
from flowkeep.definitions.template_lists import FILTERS


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return a hint with the known name that was probably meant."""
    near = difflib.get_close_matches(name, sorted(known), n=1)
    return f"did you mean {near[0]}?" if near else None


def written(node: nodes.Node) -> str:
    """Return how a path was written, for errors: `tasks.load.result`."""
    if isinstance(node, nodes.Name):
        return node.name
    if isinstance(node, nodes.Getattr):
        return f"{written(node.node)}.{node.attr}"
    if isinstance(node, nodes.Getitem):
        key = node.arg.value if isinstance(node.arg, nodes.Const) else None
        return f"{written(node.node)}[{'…' if key is None else repr(key)}]"
    if isinstance(node, nodes.Call):
        return f"{written(node.node)}()"
    return "(…)"


def help_calling(node: nodes.Call) -> str:
    """Return a hint for a call of what is no function."""
    called = node.node
    if isinstance(called, nodes.Getattr) and called.attr in FILTERS:
        return f"values have no methods: write … | {called.attr}"
    if isinstance(called, nodes.Name):
        if called.name in FILTERS:
            return f"it is a filter: write … | {called.name}"
        near = nearest(called.name, FUNCTIONS)
        if near is not None:
            return near
    return f"there are {', '.join(f'{name}()' for name in FUNCTIONS)}"
