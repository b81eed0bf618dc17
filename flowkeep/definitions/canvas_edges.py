"""What follows what on a canvas, with nodes that do nothing joined over."""

from collections.abc import Mapping

from flowkeep.definitions.canvas_nodes import Drawing, Edge
from flowkeep.definitions.validate_calls import find_cycles

MOST_EDGES = 20_000
"""Most edges, those over nodes that do nothing counted one by one."""

_Key = tuple[str, str, str | bool | None]


def joined_edges(drawing: Drawing) -> list[Edge]:
    """Return edges between nodes with steps; a way over nodes without is one edge.

    Its condition is that of all edges on the way. Nodes without steps that lead round in a circle,
    circles without any condition, and too many edges are noted as problems of the drawing.
    """
    outgoing: dict[str, list[Edge]] = {}
    for edge in drawing.edges:
        outgoing.setdefault(edge.source, []).append(edge)
    if not _circles(drawing, outgoing):
        return []
    found: dict[_Key, Edge] = {}
    for edge in drawing.edges:
        if not drawing.nodes[edge.source].steps:
            continue
        seen = {_key(edge)}
        ahead = [edge]
        while ahead:
            one = ahead.pop()
            if drawing.nodes[one.target].steps:
                found.setdefault(_key(one), one)
                continue
            over = [_over(one, following) for following in outgoing.get(one.target, ())]
            ahead += [way for way in reversed(over) if _key(way) not in seen]
            seen.update(map(_key, over))
            if len(seen) > MOST_EDGES:
                break
        if len(found) + len(seen) > MOST_EDGES:
            drawing.wrong("canvas.edges", f"are more than {MOST_EDGES}", "draw fewer")
            return []
    return _unconditional_first(list(found.values()))


def _circles(drawing: Drawing, outgoing: Mapping[str, list[Edge]]) -> bool:
    """Note circles that cannot be left; whether there are none among nodes that do nothing."""
    empty = {
        node: [one.target for one in edges if not drawing.nodes[one.target].steps]
        for node, edges in outgoing.items()
        if not drawing.nodes[node].steps
    }
    endless = {
        node: [one.target for one in edges if one.condition in (None, True)]
        for node, edges in outgoing.items()
    }
    circles = find_cycles(empty)
    for way in circles:
        round_trip = " → ".join([*way[:8], *(["…"] if len(way) > 8 else []), way[0]])
        path = f"canvas.nodes[{way[0]!r}]"
        drawing.wrong(path, f"leads round in a circle without a step: {round_trip}", "cut it")
    for way in find_cycles(endless):
        if way not in circles:
            round_trip = " → ".join([*way[:8], *(["…"] if len(way) > 8 else []), way[0]])
            drawing.wrong(
                f"canvas.nodes[{way[0]!r}]",
                f"leads round in a circle without a condition: {round_trip}",
                "give one of its edges a condition, or remove it",
            )
    return not circles


def _key(edge: Edge) -> _Key:
    return edge.source, edge.target, edge.condition


def _over(edge: Edge, following: Edge) -> Edge:
    """Return the edge that leads over the node between two edges."""
    conditions = [one for one in (edge.condition, following.condition) if one not in (None, True)]
    if False in conditions:
        condition: str | bool | None = False
    elif len(conditions) == 2:
        condition = "{{ " + " and ".join(f"({_bare(one)})" for one in conditions) + " }}"
    else:
        condition = conditions[0] if conditions else None
    return Edge(edge.source, following.target, edge.path, condition)


def _bare(condition: object) -> str:
    """Return a condition without `{{ }}` around it."""
    text = str(condition).strip()
    return text[2:-2].strip() if text.startswith("{{") and text.endswith("}}") else text


def _unconditional_first(edges: list[Edge]) -> list[Edge]:
    """Return edges without those whose condition does not matter, as another has none."""
    always = {(one.source, one.target) for one in edges if one.condition in (None, True)}
    return [
        one
        for one in edges
        if one.condition in (None, True) or (one.source, one.target) not in always
    ]
