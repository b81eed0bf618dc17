"""JSON Schema of definitions, generated from their model.

`python -m flowkeep.definitions.published_schema` prints it; it is published as
`docs/reference/definition.schema.json`, for editors that complete and check while one writes. What
fields mean together is beyond it: `flowkeep definition validate` tells that.
"""

import json
import sys
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from flowkeep.definitions.spec import DefinitionSpec

Schema = dict[str, Any]


class _Generator(GenerateJsonSchema):
    """Says of lists that take a single text, too, that they do."""

    def function_before_schema(
        self, schema: core_schema.BeforeValidatorFunctionSchema
    ) -> JsonSchemaValue:
        inner = super().function_before_schema(schema)
        if inner.get("type") != "array":
            return inner
        return {"anyOf": [{"type": "string"}, inner]}


def definition_schema() -> Schema:
    """Return the JSON Schema (2020-12) of a definition, as YAML or JSON documents have it."""
    schema = DefinitionSpec.model_json_schema(schema_generator=_Generator)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(definition_schema(), indent=2) + "\n")
