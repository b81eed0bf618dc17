"""YAML texts as events, and plain data as YAML.

Texts are read by the core schema of YAML 1.2 (https://yaml.org/spec/1.2.2/#103-core-schema): `on`,
`no` and dates stay texts. Anchors, aliases and tags that make objects are refused, so a small text
cannot become a big value.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from flowkeep.definitions.document_json import Event
from flowkeep.errors import InvalidInput

QUOTE = 'put what begins with a template in quotes: "{{ … }}"'
"""What most often helps where a text is no YAML."""

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_CORE = "tag:yaml.org,2002:"
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NO_NUMBER = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_TYPES: dict[str, tuple[type, ...]] = {
    "null": (type(None),),
    "bool": (bool,),
    "int": (int,),
    "float": (int, float),
}


def read_yaml(text: str, name: str) -> Iterator[Event]:
    """Yield the events of a YAML text.

    Raises:
        InvalidInput: If it is no YAML, or has aliases, tags that make objects, or several
            documents.
    """
    documents = 0
    for event in _parsed(text, name):
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise InvalidInput(
                    f"{name} line {line}: begins a second document", hint="one in each file"
                )
            continue
        place = f"{name} line {line}, column {column}"
        if getattr(event, "anchor", None) is not None:
            sign = "*" if isinstance(event, yaml.AliasEvent) else "&"
            raise InvalidInput(
                f"{place}: {sign}{event.anchor} is an alias or its anchor, which is not allowed",
                hint="write the value out; quote it if it is a text",
            )
        if isinstance(event, yaml.ScalarEvent):
            yield Event("value", line, column, _scalar(event, place))
        elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            if event.tag not in (None, "!", f"{_CORE}map", f"{_CORE}seq"):
                raise _refused_tag(event.tag, place)
            is_object = isinstance(event, yaml.MappingStartEvent)
            yield Event("object" if is_object else "list", line, column)
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            yield Event("end", line, column)


def _parsed(text: str, name: str) -> Iterator[Any]:
    try:
        yield from yaml.parse(text, Loader=_LOADER)
    except yaml.YAMLError as error:
        raise _unreadable(error, text, name) from None


def _scalar(event: Any, place: str) -> Any:
    """Return the value of a scalar by the core schema."""
    value, tag = event.value, event.tag
    if tag is None and event.implicit[0]:
        return _plain(value, place)
    if tag in (None, "!", f"{_CORE}str"):
        return value
    wanted = _TYPES.get(tag.removeprefix(_CORE))
    if wanted is None:
        raise _refused_tag(tag, place)
    found = _plain(value, place)
    if not isinstance(found, wanted):
        raise InvalidInput(f"{place}: is no {tag.removeprefix(_CORE)}", hint="leave out the tag")
    return float(value) if tag == f"{_CORE}float" else found


def _plain(value: str, place: str) -> Any:
    if value in _WORDS:
        return _WORDS[value]
    if _INTEGER.fullmatch(value):
        bases = {"0o": 8, "0x": 16}
        if (
            len(value) > 24
            or not -(2**63) <= (number := int(value, bases.get(value[:2], 10))) < 2**64
        ):
            raise InvalidInput(f"{place}: is a number of more than 64 bits", hint="write a text")
        return number
    if _FLOAT.fullmatch(value):
        real = float(value)
        if real in (float("inf"), float("-inf")):
            raise InvalidInput(f"{place}: is too big a number", hint="write a text")
        return real
    if _NO_NUMBER.fullmatch(value):
        raise InvalidInput(f"{place}: is no number of JSON", hint="quote it to make it a text")
    return value


def _refused_tag(tag: str, place: str) -> InvalidInput:
    return InvalidInput(
        f"{place}: has the tag {tag.replace(_CORE, '!!')[:60]}, which is not allowed",
        hint="leave out the tag; quote the value if it is a text that begins with !",
    )


def _unreadable(error: yaml.YAMLError, text: str, name: str) -> InvalidInput:
    mark: Any = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    what = " ".join(str(getattr(error, "problem", None) or error).split())
    if mark is None:
        line = text.count("\n", 0, getattr(error, "position", 0)) + 1
        return InvalidInput(f"{name} line {line}: is no YAML: {what}", hint="remove it")
    lines = text.split("\n")
    written = lines[mark.line] if mark.line < len(lines) else ""
    hint = "check indentation, colons, brackets and quotes there"
    if re.search(r"(?:[:-]\s+|^\s*)\{\{", written):
        hint = QUOTE
    elif "\t" in written[: len(written) - len(written.lstrip())]:
        hint = "indent with spaces: YAML knows no tabs"
    return InvalidInput(
        f"{name} line {mark.line + 1}, column {mark.column + 1}: is no YAML: {what}", hint=hint
    )


class _Dumper(_DUMPER):  # type: ignore[misc]
    """Writes texts that any version of YAML could take for something else in quotes."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: Any, value: str) -> Any:
    style = "|" if "\n" in value.strip("\n") else None
    return dumper.represent_scalar(f"{_CORE}str", value, style=style)


_Dumper.add_representer(str, _text)
for _tag, _pattern in (("int", _INTEGER), ("float", _FLOAT), ("float", _NO_NUMBER)):
    _whole = re.compile(rf"(?:{_pattern.pattern})\Z")
    _Dumper.add_implicit_resolver(f"{_CORE}{_tag}", _whole, list("-+0123456789."))


def dump(data: Mapping[str, Any]) -> str:
    """Return plain data as YAML that `read` reads as the same data, keys in their order."""
    text: str = yaml.dump(
        dict(data), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100
    )
    return text
