"""What templates can do: each part that Jinja's parser may find, and nothing else.

Jinja would turn an expression into Python code, and its sandbox watches that code. Here the tree
is turned into functions of our own, one for each kind of part in `_PARTS`. So nothing but data can
be reached, every operation is counted, and a text is ready in a third of the time.
"""

from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import nodes

from flowkeep.definitions.template_functions import FUNCTIONS
from flowkeep.definitions.template_hints import help_calling, nearest, written
from flowkeep.definitions.template_limits import Account, Missing, TemplateError
from flowkeep.definitions.template_lists import FILTERS, check_arguments, fitting
from flowkeep.definitions.template_operators import BINARY, COMPARISONS
from flowkeep.definitions.template_tests import TESTS
from flowkeep.definitions.template_values import (
    as_text,
    described,
    finite,
    look_up,
    number,
    refuse_reference,
    whole_number,
)

Part = Callable[[Account], Any]
"""A part of a template that is ready: gives its value."""

_MAY_BE_MISSING = (nodes.Name, nodes.Getattr, nodes.Getitem, nodes.Filter, nodes.CondExpr)
"""What `default` and `is defined` can be asked about."""

_FARTHEST = 2**62


def ready(node: nodes.Expr) -> Part:
    """Return the function that gives the value of a part.

    Raises:
        TemplateError: If templates cannot do that.
    """
    make = _PARTS.get(type(node))
    if make is None:
        raise TemplateError(f"uses {type(node).__name__}, which templates do not have")
    return make(node)


def _constant(node: nodes.Const) -> Part:
    value = node.value
    return lambda _account: value


def _name(node: nodes.Name) -> Part:
    name = node.name

    def read_name(account: Account) -> Any:
        try:
            return account.variables[name]
        except KeyError:
            hint = nearest(name, account.variables)
            if name in FUNCTIONS:
                hint = f"call it: {name}()"
            raise Missing(f"{name} is not defined", hint=hint) from None

    return read_name


def _attribute(node: nodes.Getattr) -> Part:
    value, key, label = ready(node.node), node.attr, written(node)
    return lambda account: look_up(value(account), key, label)


def _item(node: nodes.Getitem) -> Part:
    if isinstance(node.arg, nodes.Slice):
        return _slice(node, node.arg)
    value, key, label = ready(node.node), ready(node.arg), written(node)
    return lambda account: look_up(value(account), key(account), label)


def _slice(node: nodes.Getitem, bounds: nodes.Slice) -> Part:
    value = ready(node.node)
    parts = [ready(part) if part else None for part in (bounds.start, bounds.stop, bounds.step)]

    def read_slice(account: Account) -> Any:
        whole = value(account)
        if not isinstance(whole, (str, list, tuple)):
            refuse_reference(whole)
            raise TemplateError(f"takes a slice of {described(whole)}")
        given = slice(*(part(account) if part else None for part in parts))
        for bound in (given.start, given.stop, given.step):
            if bound is not None:
                whole_number(bound, "the bound of a slice", -_FARTHEST, _FARTHEST)
        if given.step == 0:
            raise TemplateError("has a slice with 0 as its step")
        if isinstance(whole, str):
            account.grow_text(len(whole))
            return whole[given]
        account.grow_list(len(range(len(whole))[given]))
        return list(whole[given])

    return read_slice


def _list(node: nodes.List | nodes.Tuple) -> Part:
    parts = [ready(part) for part in node.items]
    return lambda account: [part(account) for part in parts]


def _dict(node: nodes.Dict) -> Part:
    pairs = [(ready(pair.key), ready(pair.value)) for pair in node.items]

    def make(account: Account) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for key, value in pairs:
            name = key(account)
            if not isinstance(name, str):
                raise TemplateError("makes an object with a key that is no text")
            made[name] = value(account)
        return made

    return make


def _binary(node: nodes.BinExpr) -> Part:
    operate, left, right = BINARY[type(node)], ready(node.left), ready(node.right)
    return lambda account: operate(account, left(account), right(account))


def _and(node: nodes.And) -> Part:
    left, right = ready(node.left), ready(node.right)
    return lambda account: left(account) and right(account)


def _or(node: nodes.Or) -> Part:
    left, right = ready(node.left), ready(node.right)
    return lambda account: left(account) or right(account)


def _not(node: nodes.Not) -> Part:
    value = ready(node.node)
    return lambda account: not value(account)


def _sign(node: nodes.UnaryExpr) -> Part:
    value, sign = ready(node.node), -1 if isinstance(node, nodes.Neg) else 1
    return lambda account: finite(sign * number(value(account)))


def _concat(node: nodes.Concat) -> Part:
    parts = [ready(part) for part in node.nodes]
    return lambda account: joined(account, [as_text(account, part(account)) for part in parts])


def joined(account: Account, texts: list[str]) -> str:
    """Return texts as one, its length counted before it arises."""
    account.grow_text(sum(map(len, texts)))
    return "".join(texts)


def _compare(node: nodes.Compare) -> Part:
    first = ready(node.expr)
    steps = [(COMPARISONS[operand.op], ready(operand.expr)) for operand in node.ops]

    def compare(account: Account) -> bool:
        left = first(account)
        for operate, part in steps:
            right = part(account)
            if not operate(account, left, right):
                return False
            left = right
        return True

    return compare


def _condition(node: nodes.CondExpr) -> Part:
    test, yes = ready(node.test), ready(node.expr1)
    no = ready(node.expr2) if node.expr2 is not None else _no_else
    return lambda account: yes(account) if test(account) else no(account)


def _no_else(_account: Account) -> Any:
    raise Missing("has an `if` that does not hold and has no `else`")


def _arguments(node: nodes.Call | nodes.Filter | nodes.Test) -> tuple[list[Part], dict[str, Part]]:
    if node.dyn_args is not None or node.dyn_kwargs is not None:
        raise TemplateError("passes arguments with * or **: write each of them")
    named: dict[str, Part] = {str(argument.key): ready(argument.value) for argument in node.kwargs}
    if len(named) < len(node.kwargs):
        raise TemplateError("passes an argument twice")
    return [ready(argument) for argument in node.args], named


def _call(node: nodes.Call) -> Part:
    if not isinstance(node.node, nodes.Name) or node.node.name not in FUNCTIONS:
        raise TemplateError(
            f"calls {written(node.node)}(), which is no function", hint=help_calling(node)
        )
    name = node.node.name
    function = FUNCTIONS[name]
    given, named = _arguments(node)
    check_arguments(f"{name}()", function, 1 + len(given), named)
    return lambda account: function(account, *[part(account) for part in given])


def _filter(node: nodes.Filter) -> Part:
    name = node.name
    if name not in FILTERS:
        raise TemplateError(
            f"uses the filter {name}, which does not exist",
            hint=nearest(name, FILTERS) or f"there are {', '.join(FILTERS)}",
        )
    if node.node is None:
        raise TemplateError(f"uses the filter {name} on nothing")
    function = FILTERS[name]
    value = ready(node.node)
    given, named = _arguments(node)
    check_arguments(f"the filter {name}", function, 2 + len(given), named)

    def apply(account: Account) -> Any:
        account.spend(1)
        return function(
            account,
            value(account),
            *[part(account) for part in given],
            **{key: part(account) for key, part in named.items()},
        )

    if name in ("d", "default") and isinstance(node.node, _MAY_BE_MISSING):
        return _defaulted(apply, value, (given[:1] or [named.get("instead", lambda _: "")])[0])
    return apply


def _defaulted(apply: Part, value: Part, instead: Part) -> Part:
    def default(account: Account) -> Any:
        try:
            value(account)
        except Missing:
            return instead(account)
        return apply(account)

    return default


def _test(node: nodes.Test) -> Part:
    name = node.name
    value = ready(node.node)
    given, named = _arguments(node)
    if name in ("defined", "undefined"):
        if given or named or not isinstance(node.node, _MAY_BE_MISSING):
            raise TemplateError(f"asks something that is no name whether it is {name}")
        return _defined(value, wanted=name == "defined")
    if name not in TESTS:
        raise TemplateError(
            f"uses the test {name}, which does not exist",
            hint=nearest(name, TESTS) or f"there are defined, undefined, {', '.join(TESTS)}",
        )
    function = fitting("test", name, TESTS)
    check_arguments(f"the test {name}", function, 2 + len(given), named)
    return lambda account: function(account, value(account), *[part(account) for part in given])


def _defined(value: Part, *, wanted: bool) -> Part:
    def defined(account: Account) -> bool:
        try:
            value(account)
        except Missing:
            return not wanted
        return wanted

    return defined


_PARTS: Mapping[type[nodes.Node], Callable[[Any], Part]] = {
    **dict.fromkeys(BINARY, _binary),
    nodes.And: _and,
    nodes.Call: _call,
    nodes.Compare: _compare,
    nodes.Concat: _concat,
    nodes.CondExpr: _condition,
    nodes.Const: _constant,
    nodes.Dict: _dict,
    nodes.Filter: _filter,
    nodes.Getattr: _attribute,
    nodes.Getitem: _item,
    nodes.List: _list,
    nodes.Name: _name,
    nodes.Neg: _sign,
    nodes.Not: _not,
    nodes.Or: _or,
    nodes.Pos: _sign,
    nodes.Test: _test,
    nodes.Tuple: _list,
}
"""What may stand in a template, by Jinja's kind of node."""
