"""Whether the JSON Schemas of a definition are some, and fit the place where they stand."""

from collections.abc import Iterator, Mapping
from typing import Any

from flowkeep.contracts import Problem
from flowkeep.definitions import schemas
from flowkeep.definitions.spec import DefinitionSpec

_KEYWORDS = """
$anchor $comment $defs $dynamicAnchor $dynamicRef $id $ref $schema $vocabulary
additionalProperties allOf anyOf const contains contentEncoding contentMediaType contentSchema
default definitions dependencies dependentRequired dependentSchemas deprecated description else
enum examples exclusiveMaximum exclusiveMinimum format if items maxContains maxItems maxLength
maxProperties maximum minContains minItems minLength minProperties minimum multipleOf not oneOf
pattern patternProperties prefixItems properties propertyNames readOnly required then title type
unevaluatedItems unevaluatedProperties uniqueItems writeOnly
"""


def schema_problems(spec: DefinitionSpec) -> Iterator[Problem]:
    """Yield what is wrong with parameters, output and the answers of human tasks."""
    found = list(schemas.check(spec.parameters, "parameters"))
    yield from found or _parameter_problems(spec.parameters)
    yield from schemas.check(spec.output, "output")
    yield from _object_problems(spec.output, "output")
    for task, path in spec.all_tasks():
        if task.human is not None:
            yield from schemas.check(task.human.response, f"{path}.human.response")


def _parameter_problems(schema: Mapping[str, Any]) -> Iterator[Problem]:
    found = list(_object_problems(schema, "parameters"))
    yield from found
    if found:
        return
    defaults = schemas.with_defaults(schema, {})
    for one in schemas.violations(schema, defaults):
        if not one.about_names and one.path and one.path[0] in defaults:
            inside = schemas.Violation(one.path[1:], one.message, one.hint)
            yield inside.problem(f"parameters.properties.{one.path[0]}.default")


def _object_problems(schema: Mapping[str, Any], path: str) -> Iterator[Problem]:
    """Yield where a schema is no description of named values."""
    if schema.get("type", "object") != "object":
        yield Problem(path=f"{path}.type", message="is not `object`", hint="values have names here")
    known = _KEYWORDS.split()
    for name in schema:
        if name not in known and not name.startswith("x-"):
            yield Problem(
                path=f"{path}.{name}",
                message="is no keyword of JSON Schema",
                hint=f"list what is described under `properties`: {path}: "
                "{type: object, properties: {…}}",
            )
