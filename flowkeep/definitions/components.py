"""The modules and steps that a definition uses, for the question which definitions use them."""

from flowkeep.definitions.spec import DefinitionSpec

Use = tuple[str | None, str | None, str | None]


def components_of(spec: DefinitionSpec) -> list[Use]:
    """Return module, step and node of each task that has a module, a step or an action.

    They are those of `contracts.definitions.Component`: a task that came from a canvas counts as
    its step of that module and node; any other as its action, under its own name.

    Args:
        spec: The definition.

    Returns:
        Each once, in the order of the tasks, those inside parallel tasks after theirs.
    """
    found: list[Use] = []
    for task, _ in spec.all_tasks():
        step = task.step or task.action
        if task.module is not None or step is not None:
            found.append((task.module, step, task.node or task.name))
    return list(dict.fromkeys(found))
