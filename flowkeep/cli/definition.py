"""`flowkeep definition`: workflows described by data."""

import click

from flowkeep.cli.lazy import LazyGroup


@click.group(
    cls=LazyGroup,
    lazy={
        "apply": (
            "flowkeep.cli.definition_apply:apply",
            "Store the definitions of FILEs; those that are called come first.",
        ),
        "delete": ("flowkeep.cli.definition_change:delete", "Delete a definition."),
        "diff": (
            "flowkeep.cli.definition_diff:diff",
            "Show what applying a file would change, or what versions changed.",
        ),
        "disable": ("flowkeep.cli.definition_change:disable", "Refuse new runs of a definition."),
        "enable": ("flowkeep.cli.definition_change:enable", "Let runs of a definition start."),
        "export-canvas": (
            "flowkeep.cli.definition_canvas:export_canvas",
            "Print the canvas that a definition was made from, unchanged.",
        ),
        "get": ("flowkeep.cli.definition_read:get", "Show one definition."),
        "import-canvas": (
            "flowkeep.cli.definition_canvas:import_canvas",
            "Store what a canvas draws as a definition.",
        ),
        "list": (
            "flowkeep.cli.definition_list:list_definitions",
            "List definitions, newest first.",
        ),
        "rollback": (
            "flowkeep.cli.definition_change:rollback",
            "Make the content of an earlier version the newest version.",
        ),
        "run": ("flowkeep.cli.definition_run:run_definition", "Start a run of a definition."),
        "schema": (
            "flowkeep.cli.definition_schema:schema",
            "Print the JSON Schema of definitions, for editors.",
        ),
        "validate": (
            "flowkeep.cli.definition_validate:validate",
            "Check the definitions of FILEs; prints every problem.",
        ),
        "versions": (
            "flowkeep.cli.definition_read:versions",
            "List the versions of a definition, newest first.",
        ),
    },
)
def definition() -> None:
    """Check, store, compare, list and run definitions.

    A definition is named by its id or by its ref.
    """
