"""How the text of a template is read: Jinja2's own lexer and parser, within limits.

Only `{{ … }}` means something. What Jinja would take for a statement or a comment is refused, so
that nobody waits for it to have an effect.
"""

from typing import NoReturn

from jinja2 import TemplateSyntaxError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from flowkeep.definitions.template_limits import (
    DEEPEST_BRACKETS,
    LONGEST_CHAIN,
    MOST_CHARACTERS,
    MOST_DIGITS,
    MOST_NODES,
    TemplateError,
    bounded,
)
from flowkeep.definitions.template_values import finite

BEGIN = "{{"

# Statements and comments begin with what no text has, so that Jinja leaves them as they are.
_JINJA = ImmutableSandboxedEnvironment(
    block_start_string="\0%",
    block_end_string="%\0",
    comment_start_string="\0#",
    comment_end_string="#\0",
    keep_trailing_newline=True,
)

_OPEN, _CLOSE = frozenset("([{"), frozenset(")]}")
_DEEPER = ("(", "[", "{", "+", "-", "not", "else")
_WORDS = frozenset({"and", "else", "if", "in", "is", "not", "or"})


def has_marks(text: str) -> bool:
    """Whether a text has a template in it, or what Jinja would take for a statement."""
    return BEGIN in text or "{%" in text or "{#" in text


def read(text: str) -> tuple[list[nodes.Expr], list[nodes.Node]]:
    """Return the parts of a text, `TemplateData` for what stays as it is, and all nodes of it.

    Raises:
        TemplateError: If the text is no template, or passes a limit.
    """
    if BEGIN not in text:
        _refuse_statements(text)
        return [nodes.TemplateData(text)], []
    if len(text) > MOST_CHARACTERS:
        raise TemplateError(
            f"is a template of more than {MOST_CHARACTERS:,} characters",
            hint="put data into parameters or vars, and work into an action",
        )
    if "\0" in text:
        raise TemplateError("is a template with a NUL character")
    try:
        _check_depth(text)
        parsed = _JINJA.parse(text)
    except TemplateSyntaxError as error:
        raise TemplateError(
            f"is no valid template: {error.message}",
            hint="a template is an expression like {{ parameters.name }}; write {{ '{{' }} for "
            "two braces that mean nothing",
        ) from None
    every = _checked_tree(parsed)
    parts = [part for node in every if isinstance(node, nodes.Output) for part in node.nodes]
    _refuse_statements("".join(p.data for p in parts if isinstance(p, nodes.TemplateData)))
    return parts, every


def _refuse_statements(data: str) -> None:
    for begin, end, name in (("{%", "%}", "statement"), ("{#", "#}", "comment")):
        at = data.find(begin)
        if at >= 0 and data.find(end, at) >= 0:
            raise TemplateError(
                f"has a {name} ({begin} … {end}): only expressions {{{{ … }}}} are possible",
                hint="use `… if … else …`, filters such as map and select, or `when` and "
                f"`with_items` of tasks; write {{{{ '{begin}' }}}} for the characters themselves",
            )


def _check_depth(text: str) -> None:
    """Refuse what would take the parser too deep, before it goes there."""
    if len(text) < MOST_DIGITS and sum(map(text.count, _DEEPER)) <= DEEPEST_BRACKETS:
        return  # most texts: counted wherever they stand, there are not enough of them
    depths = [0]
    tokens = 0
    before = "("
    for _, kind, symbol in _JINJA.lex(text):
        if kind in ("whitespace", "data"):
            continue
        tokens += 1
        if kind == "variable_begin":
            depths, before = [0], "("
            continue
        if kind == "operator" and symbol in _OPEN:
            depths.append(1)
        elif kind == "operator" and symbol in _CLOSE and len(depths) > 1:
            depths.pop()
        elif symbol == ",":
            depths[-1] = min(depths[-1], 1)
        elif _goes_deeper(kind, symbol, before):
            depths[-1] += 1
        elif kind == "integer" and len(symbol) > MOST_DIGITS:
            raise TemplateError(f"has a whole number of more than {MOST_DIGITS:,} digits")
        before = symbol if kind in ("operator", "name") else "value"
        if sum(depths) > DEEPEST_BRACKETS:
            raise TemplateError(f"nests brackets or signs deeper than {DEEPEST_BRACKETS} levels")
        if tokens > 4 * MOST_NODES:
            _too_many()


def _goes_deeper(kind: str, symbol: str, before: str) -> bool:
    if kind == "name":
        return symbol in ("not", "else")
    follows_value = before in _CLOSE or (before.isidentifier() and before not in _WORDS)
    return kind == "operator" and symbol in ("+", "-") and not follows_value


def _checked_tree(parsed: nodes.Node) -> list[nodes.Node]:
    level = [parsed]
    every: list[nodes.Node] = []
    depth = 0
    while level:
        every.extend(level)
        depth += 1
        if len(every) > MOST_NODES:
            _too_many()
        if depth > LONGEST_CHAIN:
            raise TemplateError(
                f"has a chain of more than {LONGEST_CHAIN} parts",
                hint="use ~ or a list with | join or | sum",
            )
        for node in level:
            if isinstance(node, nodes.Const):
                _check_constant(node.value)
        level = [child for node in level for child in node.iter_child_nodes()]
    return every


def _check_constant(value: object) -> None:
    if isinstance(value, float):
        finite(value)
    elif isinstance(value, int):
        bounded(value)


def _too_many() -> NoReturn:
    raise TemplateError(
        f"has more than {MOST_NODES} parts", hint="split it, or let an action do the work"
    )
