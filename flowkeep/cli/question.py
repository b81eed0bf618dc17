"""`flowkeep question`: what runs ask people, and the answers."""

import click

from flowkeep.cli.lazy import LazyGroup


@click.group(
    cls=LazyGroup,
    lazy={
        "answer": ("flowkeep.cli.question_answer:answer", "Answer the question of a task."),
        "list": ("flowkeep.cli.question_read:list_questions", "List open questions, newest first."),
        "show": ("flowkeep.cli.question_read:show_question", "Show an open question."),
        "token": (
            "flowkeep.cli.question_answer:token",
            "Print the token that lets its bearer answer a question, once.",
        ),
    },
)
def question() -> None:
    """List and answer the questions of runs to people.

    A question is named by its run (a run id, or a workflow id for its newest run) and its task.
    """
