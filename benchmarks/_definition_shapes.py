"""Definitions of several shapes; each task calls an action that does next to nothing."""

from typing import Any

ACTION = "bench.echo"
ROWS = "bench.rows"
"""An action whose result has about 10 KB of JSON."""
LAYER = 10
"""Tasks of a graph that stand side by side."""

_NUMBER = {"number": "{{ parameters.number }}"}


def sequence(count: int) -> dict[str, Any]:
    """Tasks that follow one another."""
    tasks = [{"name": f"t{place}", "action": ACTION, "input": _NUMBER} for place in range(count)]
    return _document(f"sequence-{count}", tasks)


def items(concurrency: int, action: str = ACTION) -> dict[str, Any]:
    """One task, done for each of `parameters.items`."""
    task = {
        "name": "each",
        "action": action,
        "with_items": "{{ parameters.items }}",
        "input": {"number": "{{ item }}"},
        "concurrency": concurrency,
    }
    count = {"count": "{{ tasks.each.result | length }}"}
    ref = f"{action.partition('.')[2]}-items-{concurrency}"
    return _document(ref, [task], output_map=count)


def graph(count: int) -> dict[str, Any]:
    """Layers of tasks; below the first, two transitions lead to each; it adds 1 to a result."""
    tasks = []
    for place in range(count):
        row, column = divmod(place, LAYER)
        below = [(row + 1) * LAYER + column, (row + 1) * LAYER + (column + 1) % LAYER]
        leads_to = [f"t{target}" for target in below if target < count]
        transitions = [{"do": leads_to}] if leads_to else []
        number = f"{{{{ tasks.t{place - LAYER}.result + 1 }}}}"
        given = {"number": number} if row else _NUMBER
        task = {"name": f"t{place}", "action": ACTION, "join": "all" if row else None}
        tasks.append({**task, "input": given, "transitions": transitions})
    last = {"last": f"{{{{ tasks.t{count - 1}.result }}}}"}
    return _document(f"graph-{count}", tasks, output_map=last)


def above(place: int) -> list[int]:
    """Return the tasks of a graph that lead to one."""
    row, column = divmod(place, LAYER)
    return [(row - 1) * LAYER + column, (row - 1) * LAYER + (column - 1) % LAYER] if row else []


def result_of(shape: str, count: int) -> dict[str, int]:
    """Return what a run of a shape with an output map gives."""
    return {"last": (count - 1) // LAYER + 1} if shape == "graph" else {"count": count}


def _document(ref: str, tasks: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {"ref": ref, "tasks": tasks, **more}


def parameters(shape: str, count: int) -> dict[str, Any]:
    """Return what a run of a shape is given."""
    return {"number": 1} if shape in ("sequence", "graph") else {"items": list(range(count))}


def document(shape: str, count: int, concurrency: int) -> dict[str, Any]:
    """Return the definition of a shape.

    Args:
        shape: `sequence`, `graph`, `items`, or `rows` for items with 10 KB of result.
        count: How many tasks; items are given as a parameter.
        concurrency: Most items at a time.
    """
    if shape in ("items", "rows"):
        return items(concurrency, ACTION if shape == "items" else ROWS)
    return sequence(count) if shape == "sequence" else graph(count)
